#!/usr/bin/env node
// The command line. Reads arguments, calls main, says what happened; exit code 1 for a mistake that a person can mend.
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { chatCommand } from './cli/chat.ts';
import { doctorCommand } from './cli/doctor.ts';
import { configJsonSchema } from './config/json-schema.ts';
import { formatProblems, loadConfig } from './config/load.ts';
import { type Millrace, StartError, start } from './main.ts';
import { startMock } from './mock/server.ts';
import { openLedger } from './stores/open.ts';
import { usageTable } from './stores/table.ts';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

const program = new Command('millrace')
  .description(manifest.description)
  .version(manifest.version)
  .showHelpAfterError('(millrace --help shows how)');

program
  .command('serve', { isDefault: true })
  .description('run the proxy')
  .option('-c, --config <file>', 'config file (default: $MILLRACE_CONFIG, ./millrace.yaml, or none)')
  .option('--host <address>', 'listen here instead of server.host')
  .option('-p, --port <number>', 'listen here instead of server.port', portNumber)
  .action(async (options: { config?: string; host?: string; port?: number }) => {
    const millrace = await start({ ...options, warm: true });
    process.stderr.write(greeting(millrace));
    onSignal(() => millrace.close());
  });

program.addCommand(chatCommand());
program.addCommand(doctorCommand());

program
  .command('check')
  .description('check the config and say every mistake with its line; starts nothing')
  .argument('[file]', 'config file (default: as serve)')
  .option('--json', 'for programs: {"ok", "problems", "warnings"}')
  .option('--schema', "print the config's JSON Schema instead")
  .action(async (file: string | undefined, options: { json?: boolean; schema?: boolean }) => {
    if (options.schema) {
      console.log(JSON.stringify(configJsonSchema(), null, 2));
      return;
    }
    const result = await loadConfig({ path: file });
    const warnings = result.ok ? result.warnings : [];
    const problems = result.ok ? [] : result.problems;
    if (options.json)
      console.log(JSON.stringify({ ok: result.ok, source: result.source, problems, warnings }, null, 2));
    else if (!result.ok) console.error(formatProblems(problems));
    else {
      for (const warning of warnings) console.error(`warning: ${warning}`);
      const { providers, models } = result.config;
      console.log(result.source ? `${result.source} is fine.` : 'There is no config file; the defaults are in force.');
      console.log(`providers: ${Object.keys(providers).join(', ')}`);
      console.log(`models: ${Object.keys(models).join(', ') || 'none of your own; use provider/model'}`);
    }
    if (!result.ok) process.exitCode = 1;
  });

program
  .command('mock')
  .description('run the mock provider alone; clients of every wire can talk to it')
  .option('-p, --port <number>', 'port', portNumber, 8788)
  .option('--recordings <folder...>', 'folders with recorded streams for replay-<name>')
  .option('--json', 'print {"url"} for programs')
  .action(async (options: { port: number; recordings?: string[]; json?: boolean }) => {
    const mock = await startMock(options);
    const help = [
      `The mock provider listens on ${mock.url}`,
      `  curl -N ${mock.url}/chat/completions -H 'content-type: application/json' \\`,
      `    -d '{"model":"lorem-20+rate-10","stream":true,"messages":[{"role":"user","content":"Hi"}]}'`,
      `  other wires by their paths: ${mock.origin}/v1/messages, /v1/responses, /v1beta/models/…, /model/… (docs/MOCK.md)`,
      `  what it was asked: ${new URL('/_mock/requests', mock.url)}`,
    ];
    console.log(options.json ? JSON.stringify({ url: mock.url, origin: mock.origin }) : help.join('\n'));
    onSignal(() => mock.close());
  });

program
  .command('usage')
  .description('what was used and what it cost, from the ledger')
  .option('-c, --config <file>', 'config file (default: as serve)')
  .addOption(
    new Option('--by <groups>', 'some of day, model, provider, key, with commas between')
      .argParser(groups)
      .default(['day', 'model'], 'day,model'),
  )
  .option('--from <date>', 'from this day on (UTC), such as 2026-01-31', day)
  .option('--to <date>', 'before this day (UTC)', day)
  .option('--key <name>', 'of this key only')
  .option('--json', 'for programs')
  .action(async ({ config: path, json, ...query }) => {
    const loaded = await loadConfig({ path });
    if (!loaded.ok) throw new StartError(formatProblems(loaded.problems));
    const ledger = await openLedger(loaded.config.stores.ledger).catch((error: Error) => {
      throw new StartError(error.message, { cause: error });
    });
    try {
      const sums = await ledger.sums(query);
      console.log(json ? JSON.stringify(sums, null, 2) : usageTable(sums, query.by));
    } finally {
      await ledger.shutdown();
    }
  });

/** Answers the first signal by closing in order, the second by leaving at once. */
function onSignal(close: () => Promise<void>): void {
  let closing = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (closing) process.exit(130);
      closing = true;
      close().then(
        () => process.exit(0),
        (error) => {
          console.error(error);
          process.exit(1);
        },
      );
    });
  }
}

function greeting({ url, config, source }: Millrace): string {
  const models = Object.keys(config.models);
  const model = models[0] ?? 'mock/lorem-50+rate-20';
  const auth = config.keys.length > 0 ? ` -H 'authorization: Bearer YOUR_KEY'` : '';
  return `
Millrace listens on ${url}
  config     ${source ?? 'none: defaults (millrace.yaml would be read)'}
  providers  ${Object.keys(config.providers).join(', ')}
  models     ${[...models, 'provider/model'].join(', ')}
  page       ${url}/

Try it:
  curl -N ${url}/v1/chat${auth} -H 'content-type: application/json' \\
    -d '{"model":"${model}","messages":[{"role":"user","content":"Hello"}]}'

`;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('expected a port, 0 to 65535');
  return port;
}

function day(text: string): number {
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError('expected a day like 2026-01-31');
  return at;
}

function groups(text: string): string[] {
  const known = ['day', 'model', 'provider', 'key'];
  const asked = text.split(',').filter((group) => group !== '');
  const wrong = asked.find((group) => !known.includes(group));
  if (wrong) throw new InvalidArgumentError(`there is no "${wrong}"; expected some of ${known.join(', ')}`);
  return asked;
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
