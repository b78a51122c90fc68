#!/usr/bin/env node
// What `npx millrace` runs. An old Node would stop at the first module that it cannot load, with a message of its own: so it is asked
// before anything is loaded.
const NEEDED = 24;

if (Number(process.versions.node.split('.', 1)[0]) >= NEEDED) await import('./cli.ts');
else {
  console.error(`Millrace needs Node ${NEEDED} or newer; this is ${process.version}.`);
  console.error(`Without installing one: npx --package node@${NEEDED} --package millrace millrace`);
  process.exitCode = 1;
}
