/** A small classifier with labels, built into folders as `ghostnet build` does it, and the answers to expect of it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compile } from '../../src/compiler/compile.js';
import type { CompiledModel } from '../../src/compiler/compiled-model.js';
import { createQuantizedNetwork } from '../../src/create-network.js';
import { rgbaToRgb } from '../../src/data/picture.js';
import { preprocess } from '../../src/data/preprocess.js';
import { float16ToNumber, numberToFloat16 } from '../../src/formats/float16.js';
import type { Graph, Preprocessing, Weights } from '../../src/graph/graph.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { createModel } from '../../src/models/registry.js';
import type { QuantizedNetwork } from '../../src/passes/quantize/network.js';
import { quantize } from '../../src/quantize-network.js';
import { instantiate } from '../../src/runtime/network.js';
import type { RawPixels } from '../../src/ship/loader/pixels.js';

const built = join(import.meta.dirname, '../../dist/ship/node/write-folder.js');

/** The built package's writer: the one that finds the bundled JavaScript. */
export async function folderWriter(): Promise<
  typeof import('../../src/ship/node/write-folder.js')['writeShippedModel']
> {
  if (!existsSync(built)) throw new Error(`${built} is not built; run "npm run build" (npm test does) first`);
  return (await import(pathToFileURL(built).href)).writeShippedModel;
}

const preprocessing: Preprocessing = {
  resizeShortSide: 36,
  interpolation: 'bilinear',
  mean: [0.5, 0.4, 0.3],
  std: [0.2, 0.25, 0.3],
};
export const labels = ['apple', 'bear', 'cat', 'dog', 'elk'];

/** Ghost-ResNet-20 of five classes at 32x32, random weights. */
export function smallClassifier(): { graph: Graph; weights: Weights } {
  const plain = createModel('ghost-resnet20-cifar', { classes: labels.length });
  const graph = { ...plain, meta: { ...plain.meta, labels, preprocessing } };
  return { graph, weights: initializeWeights(graph, 5) };
}

export const pictureSize = { width: 61, height: 47 };

/** RGBA of a drawn picture, by a formula that programs in other places repeat. */
export const pictureFormula = `(() => {
  const data = new Uint8ClampedArray(${pictureSize.width * pictureSize.height * 4});
  for (let i = 0; i < data.length; i++) data[i] = i % 4 === 3 ? 255 : (i * 37 + ((i * i) >> 7)) & 255;
  return { width: ${pictureSize.width}, height: ${pictureSize.height}, data };
})()`;

/** The same as an object. */
export function formulaPicture(): RawPixels {
  const data = new Uint8ClampedArray(pictureSize.width * pictureSize.height * 4);
  for (let i = 0; i < data.length; i++) data[i] = i % 4 === 3 ? 255 : (i * 37 + ((i * i) >> 7)) & 255;
  return { ...pictureSize, data };
}

/** Packed weights as a folder stores them in 16 bits. */
function rounded({ weights, weightRuns, ...rest }: CompiledModel): CompiledModel {
  const image = weights.slice();
  const view = new DataView(image.buffer);
  let at = 0;
  for (const { type, bytes } of weightRuns ?? []) {
    if (type === 'f32')
      for (let i = at; i < at + bytes; i += 4)
        view.setFloat32(i, float16ToNumber(numberToFloat16(view.getFloat32(i, true))), true);
    at += bytes;
  }
  return { ...rest, weights: image };
}

function preparedPicture(): Float32Array {
  const { width, height, data } = formulaPicture();
  return preprocess(rgbaToRgb(width, height, data), preprocessing, 32, 32);
}

/** The small classifier in int8, calibrated on the drawn picture. */
export async function quantizedClassifier(): Promise<QuantizedNetwork> {
  const { graph, weights } = smallClassifier();
  return (await quantize(graph, weights, { calibration: [preparedPicture()] })).network;
}

export async function quantizedScores(quantized: QuantizedNetwork): Promise<number[]> {
  const network = await createQuantizedNetwork(quantized);
  const scores = network.run(preparedPicture());
  network.dispose();
  return [...scores];
}

/** What the network says of it, by this package's own preprocessing and runtime. */
export async function expectedScores(graph: Graph, weights: Weights, half = false): Promise<number[]> {
  const compiled = compile(graph, weights, { winograd: false });
  const network = await instantiate(half ? rounded(compiled) : compiled);
  const scores = network.run(preparedPicture());
  network.dispose();
  return [...scores];
}

/** The worst difference of two lists of scores. */
export function worst(got: readonly number[], expected: readonly number[]): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
}
