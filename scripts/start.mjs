/**
 * `npm start`: builds what is stale and classifies three photographs with the default network, compiled on the spot.
 * The photographs come with the development dependencies; what each shows is cut out first, as the network sees 32x32
 * pixels with one thing on them. Exit code 1, with what to do, when no trained weights are here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

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

/** What is shown, and where on the photograph it is: the whole airplane, the first of 24 cats, the sailing ship. */
const photographs = [
  { name: 'airplane-from-above', truth: 'airplane', region: { left: 153, top: 0, width: 717, height: 717 } },
  { name: 'locomotion-house-cat', truth: 'cat', region: { left: 20, top: 10, width: 160, height: 115 } },
  { name: 'nagasaki-boats', truth: 'ship', region: { left: 430, top: 120, width: 360, height: 470 } },
].map((photograph) => ({
  ...photograph,
  file: join(root, 'node_modules', '@stdlib', `datasets-img-${photograph.name}`, 'data', 'image.jpg'),
}));
const missing = photographs.filter(({ file }) => !existsSync(file));
if (missing.length > 0) {
  console.error(
    `The photographs are not installed (${missing.map(({ name }) => name).join(', ')}): run "npm ci" first.`,
  );
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), 'ghostnet-start-'));
try {
  for (const photograph of photographs) {
    const cut = join(folder, `${photograph.name}.png`);
    await sharp(photograph.file).extract(photograph.region).png().toFile(cut);
    photograph.file = cut;
  }
  const { showPhotographs } = await import('../dist/cli/commands/classify/show.js');
  process.exitCode = await showPhotographs(photographs);
} finally {
  rmSync(folder, { recursive: true });
}
