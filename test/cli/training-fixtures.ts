/**
 * Small data and networks for tests of training: pictures that a few convolutions tell apart, as class folders or as
 * CIFAR-10 records, and a network that learns them in seconds.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { writeModelFile } from '../../src/formats/node/model-file.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/graph.js';
import { ghostModule } from '../../src/models/ghost-module.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { Random } from '../../src/models/random.js';

/** Stripes across, stripes down, or a disc, on noise; [side][side][3] bytes. */
export function drawClass(label: number, side: number, random: Random): Uint8Array {
  const out = new Uint8Array(side * side * 3);
  const phase = random.below(4);
  for (let y = 0, at = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let c = 0; c < 3; c++, at++) {
        const stripe = (label === 0 ? y : x) + phase;
        const disc = (x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 3) ** 2;
        const lit = label === 2 ? disc : stripe % 4 < 2;
        out[at] = (lit ? 170 : 40) + random.below(40);
      }
  return out;
}

export const drawnClasses = ['across', 'disc', 'down'] as const;
const drawnLabels = { across: 0, down: 1, disc: 2 } as const;

/** `count` PNG pictures of 20x20 in each of three class folders. */
export async function drawFolder(folder: string, count: number, seed = 1): Promise<void> {
  const random = new Random(seed);
  for (const name of drawnClasses) {
    await mkdir(join(folder, name), { recursive: true });
    for (let i = 0; i < count; i++)
      await sharp(drawClass(drawnLabels[name], 20, random), { raw: { width: 20, height: 20, channels: 3 } })
        .png()
        .toFile(join(folder, name, `${String(i).padStart(3, '0')}.png`));
  }
}

/** CIFAR-10 records of the drawn classes (labels 0, 1, 2). */
export function drawRecords(count: number, seed: number): Uint8Array {
  const random = new Random(seed);
  const out = new Uint8Array(count * 3073);
  for (let i = 0; i < count; i++) {
    out[i * 3073] = i % 3;
    const picture = drawClass(i % 3, 32, random);
    for (let p = 0; p < 1024; p++)
      for (let c = 0; c < 3; c++) out[i * 3073 + 1 + c * 1024 + p] = picture[p * 3 + c]!;
  }
  return out;
}

/** A small folder of CIFAR-10 batches. */
export async function drawCifar10(folder: string, perBatch: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let i = 1; i <= 5; i++) await writeFile(join(folder, `data_batch_${i}.bin`), drawRecords(perBatch, i));
  await writeFile(join(folder, 'test_batch.bin'), drawRecords(perBatch, 6));
}

/** One Ghost module between a stem and a classifier. */
export function tinyGraph(classes: number, side: number): Graph {
  const g = new GraphBuilder('tiny');
  let x = g.input('input', [3, side, side]);
  x = g.conv2d('stem', x, { outChannels: 8, kernel: 3, padding: 1, stride: 2 });
  x = g.activation('stem_relu', g.batchNorm('stem_bn', x), 'relu');
  x = ghostModule(g, 'ghost', x, { outChannels: 16, kernel: 3, ratio: 2, cheapKernel: 3 });
  x = g.flatten('flatten', g.globalAvgPool('pool', x));
  return g.build([g.linear('classifier', x, { outFeatures: classes })], {
    preprocessing: {
      interpolation: 'bilinear',
      mean: [0.4, 0.4, 0.4],
      std: [0.25, 0.25, 0.25],
    },
  });
}

/** Writes the tiny network with fresh weights. */
export async function writeTiny(file: string, classes: number, side: number): Promise<void> {
  const graph = tinyGraph(classes, side);
  await writeModelFile(file, graph, initializeWeights(graph, 1));
}
