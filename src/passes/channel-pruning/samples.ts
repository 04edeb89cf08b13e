/**
 * What a layer sees and says at some places of some pictures: the rows of its least-squares problem. Places are drawn
 * by a seeded generator from the layer's name and the picture, so the old and the changed network are sampled alike.
 *
 * Shape legend: S samples; K = C*kh*kw inputs of one output (im2col, in the weight's order); O outputs.
 */
import type { Graph, Tensor, Weights } from '../../graph/graph.js';
import type { Conv2dNode, LinearNode } from '../../graph/nodes.js';
import { hashText, Random } from '../../models/random.js';
import type { Calibration } from '../compression.js';

export type Reader = Conv2dNode | LinearNode;

/** Inputs of one output: K. */
export function inputsPerOutput(node: Reader): number {
  return node.kind === 'linear' ? node.inFeatures : node.inChannels * node.kernel[0] * node.kernel[1];
}

/** Places of one picture: output pixels y*W + x, `count` of them at most. */
function places(node: Reader, picture: number, pixels: number, count: number): Int32Array {
  if (count >= pixels) return Int32Array.from({ length: pixels }, (_, p) => p);
  const random = new Random((hashText(node.name) ^ Math.imul(picture + 1, 0x9e3779b1)) >>> 0);
  return Int32Array.from({ length: count }, () => random.below(pixels));
}

/** The K inputs of output pixel (y, x) of picture n, written at `at`. */
function takePatch(
  node: Reader,
  x: Tensor,
  picture: number,
  pixel: Pixel,
  out: Float64Array,
  at: number,
): void {
  if (node.kind === 'linear') {
    const from = picture * node.inFeatures;
    for (let c = 0; c < node.inFeatures; c++) out[at + c] = x.data[from + c] as number;
    return;
  }
  const [, channels = 1, h = 1, w = 1] = x.shape;
  const [kh, kw] = node.kernel;
  const top = pixel.y * node.stride[0] - node.padding[0];
  const left = pixel.x * node.stride[1] - node.padding[1];
  let to = at;
  for (let c = 0; c < channels; c++) {
    const plane = (picture * channels + c) * h * w;
    for (let ky = 0; ky < kh; ky++) {
      const y = top + ky * node.dilation[0];
      for (let kx = 0; kx < kw; kx++) {
        const column = left + kx * node.dilation[1];
        const inside = y >= 0 && y < h && column >= 0 && column < w;
        out[to++] = inside ? (x.data[plane + y * w + column] as number) : 0;
      }
    }
  }
}

interface Pixel {
  readonly y: number;
  readonly x: number;
}

/** Goes through the places of every picture of one batch of the layer's output [N, O, H, W]. */
function eachPlace(
  node: Reader,
  output: readonly number[],
  first: number,
  perPicture: number,
  visit: (picture: number, pixel: Pixel) => void,
): void {
  const [n = 1, , h = 1, w = 1] = output;
  for (let picture = 0; picture < n; picture++)
    for (const place of places(node, first + picture, h * w, perPicture))
      visit(picture, { y: Math.floor(place / w), x: place % w });
}

/** Sums over samples that least squares needs, of inputs x [K] (and outputs y [O]). */
export class Moments {
  count = 0;
  readonly inputs: number;
  /** Sum of x xᵀ, lower triangle, [K, K]. */
  readonly products: Float64Array;
  readonly sum: Float64Array;

  constructor(inputs: number) {
    this.inputs = inputs;
    this.products = new Float64Array(inputs * inputs);
    this.sum = new Float64Array(inputs);
  }

  add(x: Float64Array): void {
    const { inputs, products, sum } = this;
    this.count++;
    for (let i = 0; i < inputs; i++) {
      const value = x[i] as number;
      if (value === 0) continue;
      sum[i] = (sum[i] as number) + value;
      const row = i * inputs;
      for (let j = 0; j <= i; j++)
        products[row + j] = (products[row + j] as number) + value * (x[j] as number);
    }
  }
}

/** What the layers say in a network: their outputs at the places, [S, O] each. */
export async function sampleOutputs(
  network: { readonly graph: Graph; readonly weights: Weights },
  calibration: Calibration,
  readers: readonly Reader[],
  perPicture: number,
): Promise<Map<string, Float32Array[]>> {
  const samples = new Map<string, Float32Array[]>(readers.map(({ name }) => [name, []]));
  let first = 0;
  await calibration.run(
    network.graph,
    network.weights,
    readers.map(({ name }) => name),
    (values) => {
      for (const node of readers) {
        const { shape, data } = values.get(node.name) as Tensor;
        const [, outputs = 1, h = 1, w = 1] = shape;
        eachPlace(node, shape, first, perPicture, (picture, { y, x }) => {
          const row = new Float32Array(outputs);
          for (let o = 0; o < outputs; o++)
            row[o] = data[((picture * outputs + o) * h + y) * w + x] as number;
          samples.get(node.name)?.push(row);
        });
      }
      first += values.get(readers[0]?.name ?? '')?.shape[0] ?? 0;
    },
  );
  return samples;
}

/** What the layers see in a network, sample by sample, in the order of `sampleOutputs`. */
export async function visitInputs(
  network: { readonly graph: Graph; readonly weights: Weights },
  calibration: Calibration,
  readers: readonly Reader[],
  options: { readonly perPicture: number; readonly outputShape: (name: string) => readonly number[] },
  visit: (node: Reader, x: Float64Array) => void,
): Promise<void> {
  const sources = readers.map((node) => node.inputs[0] as string);
  const buffers = readers.map((node) => new Float64Array(inputsPerOutput(node)));
  let first = 0;
  await calibration.run(network.graph, network.weights, sources, (values) => {
    let batch = 0;
    readers.forEach((node, i) => {
      const x = values.get(sources[i] as string) as Tensor;
      const buffer = buffers[i] as Float64Array;
      batch = x.shape[0] ?? 0;
      const output = [batch, ...options.outputShape(node.name).slice(1)];
      eachPlace(node, output, first, options.perPicture, (picture, pixel) => {
        takePatch(node, x, picture, pixel, buffer, 0);
        visit(node, buffer);
      });
    });
    first += batch;
  });
}
