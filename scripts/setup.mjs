// Before `npm start` and `npm test`: installs from the lockfile when it is newer than what is installed. Runs on the system's own
// Node, which may be old, and before any dependency is there: it uses neither.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const lock = join(root, 'package-lock.json');
const installed = join(root, 'node_modules', '.package-lock.json'); // npm writes it last
const compiled = !existsSync(lock); // an installed package: its dependencies are there

if (!compiled && (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs)) {
  console.error('Installing dependencies from the lockfile …');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2], // standard output belongs to the command that follows
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}
