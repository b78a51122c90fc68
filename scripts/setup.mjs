// Before `npm start` and `npm test`: installs from the lockfile when it is newer than what is installed, and builds the page when its
// sources are newer than what was built. Runs on the system's own Node, which may be old, and before any dependency is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const changedAt = (...path) => {
  const file = join(root, ...path);
  return existsSync(file) ? statSync(file).mtimeMs : 0;
};

function npm(...args) {
  const { status } = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 2, 2], // standard output belongs to the command that follows
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}

const installed = changedAt('node_modules', '.package-lock.json'); // npm writes it last
if (installed < changedAt('package-lock.json')) {
  console.error('Installing dependencies from the lockfile …');
  npm('ci', '--no-audit', '--no-fund', '--loglevel=error');
}

const built = changedAt('dist', 'web', 'index.html');
const sources = ['src/web', 'src/client'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true }).map((name) => changedAt(folder, name)),
);
if (built < Math.max(changedAt('vite.config.ts'), ...sources)) npm('run', '--silent', 'build:page');
