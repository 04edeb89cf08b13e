/**
 * `npm start`: builds what is stale and classifies three photographs with the default network, compiled on the spot.
 * The photographs come with the development dependencies. Exit code 1, with what to do, when no trained weights are here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The latest change below a folder, in milliseconds. */
function latestChange(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);
}

const built = join(root, 'dist', '.tsbuildinfo');
if (!existsSync(built) || latestChange(join(root, 'src')) > statSync(built).mtimeMs) {
  console.log('building (once, and after changes) ...');
  const { status } = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const photographs = [
  ['airplane-from-above', 'airplane'],
  ['locomotion-house-cat', 'cat'],
  ['nagasaki-boats', 'ship'],
].map(([name, truth]) => ({
  name,
  truth,
  file: join(root, 'node_modules', '@stdlib', `datasets-img-${name}`, 'data', 'image.jpg'),
}));
const missing = photographs.filter(({ file }) => !existsSync(file));
if (missing.length > 0) {
  console.error(
    `The photographs are not installed (${missing.map(({ name }) => name).join(', ')}): run "npm ci" first.`,
  );
  process.exit(1);
}

const { showPhotographs } = await import('../dist/cli/show.js');
process.exitCode = await showPhotographs(photographs);
