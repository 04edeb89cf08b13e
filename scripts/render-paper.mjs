/** Writes docs/paper.md and its two plots by the package's own command, `ghostnet paper all`. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ghostnet-paper-'));
try {
  const command = [join(root, 'dist/cli/main.js'), 'paper', 'all', '--out', folder];
  const { status } = spawnSync(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
  for (const file of ['figure-6.svg', 'figure-7.svg'])
    copyFileSync(join(folder, file), join(root, 'docs/plots', file));
  const text = readFileSync(join(folder, 'paper.md'), 'utf8').replaceAll('](figure-', '](plots/figure-');
  writeFileSync(join(root, 'docs/paper.md'), `${text}\nMade by \`node scripts/render-paper.mjs\`.\n`);
} finally {
  rmSync(folder, { recursive: true });
}
