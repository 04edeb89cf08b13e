/**
 * How the weights of a shipped network are stored: the compiler's packed image run by run, in half of the bytes where the
 * precision allows or nothing is lost. The loader (loader/model.ts) puts the image together again.
 */
import type { CompiledModel, WeightRun } from '../compiler/compiled-model.js';
import { rangeError } from '../errors.js';
import { float16Table, numberToFloat16 } from '../formats/float16.js';
import type { Graph, Weights } from '../graph/graph.js';
import { foldForInference } from '../passes/fold-for-inference.js';
import type { StoredAs } from './loader/manifest.js';

/** How a run is stored: what is half as long without loss, or with `halves` in 16 bits. */
function storedAs(
  { type }: WeightRun,
  image: DataView,
  from: number,
  bytes: number,
  halves: boolean,
): StoredAs {
  if (type === 'f32') return halves ? 1 : 0;
  if (type !== 'i16') return 0;
  for (let i = 0; i < bytes; i += 2) {
    const value = image.getInt16(from + i, true);
    if (value !== (value << 24) >> 24) return 0;
  }
  return 2;
}

/** The stored weights without their header, and the runs in which they are stored. */
export function storeWeights(
  { weights, weightRuns = [] }: CompiledModel,
  halves: boolean,
): { bytes: Uint8Array; runs: (readonly [StoredAs, number])[] } {
  const image = new DataView(weights.buffer, weights.byteOffset, weights.byteLength);
  const bytes = new Uint8Array(weights.length);
  const view = new DataView(bytes.buffer);
  const runs: (readonly [StoredAs, number])[] = [];
  let from = 0;
  let to = 0;
  for (const run of weightRuns) {
    const { bytes: size } = run;
    const stored = storedAs(run, image, from, size, halves);
    runs.push([stored, size]);
    if (stored === 0) bytes.set(weights.subarray(from, from + size), to);
    else if (stored === 1)
      for (let i = 0; i < size; i += 4)
        view.setUint16(to + i / 2, numberToFloat16(image.getFloat32(from + i, true)), true);
    else for (let i = 0; i < size; i += 2) view.setInt8(to + i / 2, image.getInt16(from + i, true));
    from += size;
    to += stored === 0 ? size : size / 2;
  }
  return { bytes: bytes.subarray(0, to), runs };
}

/** Largest weight that 16 bits hold. */
const largestHalf = 65504;

/**
 * The network as it is stored in 16 bits: branches and batch norm folded, and the filters rounded, so that the compiler may keep them
 * (`halfWeights`). All else is rounded when it is stored, as it is packed. Throws RangeError `FLOAT16_OVERFLOW`.
 */
export function inHalves(
  graph: Graph,
  weights: Weights,
): { readonly graph: Graph; readonly weights: Weights } {
  const folded = foldForInference(graph, weights);
  for (const [name, { data }] of folded.weights)
    for (const value of data)
      if (!(Math.abs(value) <= largestHalf))
        throw rangeError(
          'FLOAT16_OVERFLOW',
          `build "${graph.name}": "${name}" holds ${value}, 16 bits hold at most ${largestHalf}; take precision f32`,
        );
  const table = float16Table();
  const rounded = new Map(folded.weights);
  for (const node of folded.graph.nodes) {
    if (node.kind !== 'conv2d' && node.kind !== 'linear') continue;
    const filters = folded.weights.get(node.weight);
    if (!filters) continue;
    const data = filters.data.map((value) => table[numberToFloat16(value)] as number);
    rounded.set(node.weight, { shape: filters.shape, data });
  }
  return { graph: folded.graph, weights: rounded };
}
