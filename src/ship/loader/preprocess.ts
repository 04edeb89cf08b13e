/**
 * Puts a picture into the network's input by the module's own kernels (src/compiler/kernels/picture.ts): says where the
 * crop lies, writes the coefficients and moves strips of pixels in. The result equals src/data/preprocess.ts to the bit.
 *
 * Memory legend, from the end of the network's own memory on: levels [3][256] floats, the two coefficient tables, the
 * rows that the crop needs at their final width, RGBA, and one strip of source rows.
 */
import { cropStart, normalisedLevels, shortSideSize } from '../../data/preprocess.js';
import { coefficients } from '../../data/resize.js';
import type { Preprocessing } from '../../graph/graph.js';
import { ModelError } from './errors.js';
import type { PixelSource } from './pixels.js';

export interface PictureKernels {
  readonly flatten: (address: number, vectors: number) => void;
  readonly rows: (...sizes: number[]) => void;
  readonly columns: (...sizes: number[]) => void;
}

/** Bytes of source pixels that are moved in at once, roughly. */
const stripBytes = 1 << 20;
const pageBytes = 65536;

/** One side of the picture on its way: which positions of the input it fills, from which source pixels. */
interface Side {
  /** First input position that is filled, and how many. */
  readonly at: number;
  readonly count: number;
  /** Source pixels [first, end) that they need. */
  readonly first: number;
  readonly end: number;
  /** Entries of [byte offset, count, coefficients]. */
  readonly table: Int32Array;
  readonly stride: number;
}

function makeSide(
  from: number,
  scaled: number,
  to: number,
  pixelBytes: number,
  { interpolation, cropRounding }: Preprocessing,
): Side {
  const start = cropStart(scaled, to, cropRounding);
  const at = Math.max(-start, 0);
  const count = Math.min(to, scaled - start) - at;
  const filter = coefficients(from, scaled, interpolation);
  const begin = at + start;
  const first = filter.first[begin] as number;
  const last = begin + count - 1;
  const end = (filter.first[last] as number) + (filter.count[last] as number);
  const words = filter.taps + 2;
  const table = new Int32Array(words * count);
  for (let i = 0; i < count; i++) {
    const position = begin + i;
    table[i * words] = ((filter.first[position] as number) - first) * pixelBytes;
    table[i * words + 1] = filter.count[position] as number;
    table.set(filter.values.subarray(position * filter.taps, (position + 1) * filter.taps), i * words + 2);
  }
  return { at, count, first, end, table, stride: words * 4 };
}

const align = (value: number): number => (value + 63) & ~63;

/** Grows memory so that `end` bytes are there. Throws PICTURE_SIZE. */
function reserve(memory: WebAssembly.Memory, end: number, source: PixelSource): void {
  const missing = Math.ceil((end - memory.buffer.byteLength) / pageBytes);
  if (missing <= 0) return;
  try {
    memory.grow(missing);
  } catch (cause) {
    throw new ModelError(
      'PICTURE_SIZE',
      `classify: ${source.width}x${source.height} pixels are more than memory can take; scale the picture down first`,
      cause,
    );
  }
}

/** Fills the planar input [3, height, width] at `input`. `base` is the end of the network's own memory. */
export function writeInput(
  source: PixelSource,
  kernels: PictureKernels,
  memory: WebAssembly.Memory,
  target: {
    readonly base: number;
    readonly input: number;
    readonly width: number;
    readonly height: number;
    readonly preprocessing: Preprocessing;
  },
): void {
  const { base, input, width, height, preprocessing } = target;
  const { resizeShortSide: short, keepSize, mean, std } = preprocessing;
  const [scaledWidth, scaledHeight] =
    short !== undefined
      ? shortSideSize(source.width, source.height, short)
      : keepSize
        ? [source.width, source.height]
        : [width, height];
  const x = makeSide(source.width, scaledWidth, width, 4, preprocessing);
  const y = makeSide(source.height, scaledHeight, height, x.count * 4, preprocessing);

  const levels = base;
  const xTable = levels + 3 * 1024;
  const yTable = align(xTable + x.table.byteLength);
  const middle = align(yTable + y.table.byteLength);
  const strip = align(middle + (y.end - y.first) * x.count * 4);
  const rowBytes = source.width * 4;
  const stripRows = Math.min(Math.max(Math.floor(stripBytes / rowBytes), 1), y.end - y.first);
  reserve(memory, strip + align(stripRows * rowBytes), source);

  const { buffer } = memory;
  const floats = new Float32Array(buffer);
  [0, 1, 2].forEach((c) => {
    const table = normalisedLevels(mean[c] as number, std[c] as number);
    floats.set(table, (levels >> 2) + c * 256);
    // black where the picture does not reach
    const plane = (input >> 2) + c * width * height;
    if (x.count < width || y.count < height) floats.fill(table[0] as number, plane, plane + width * height);
  });
  new Int32Array(buffer).set(x.table, xTable >> 2);
  new Int32Array(buffer).set(y.table, yTable >> 2);
  for (let row = y.first; row < y.end; row += stripRows) {
    const rows = Math.min(stripRows, y.end - row);
    source.read(row, rows, new Uint8Array(buffer, strip, rows * rowBytes));
    kernels.flatten(strip, Math.ceil((rows * rowBytes) / 16));
    const to = middle + (row - y.first) * x.count * 4;
    kernels.rows(strip + x.first * 4, rowBytes, rows, xTable, x.stride, x.count, to);
  }
  const corner = input + (y.at * width + x.at) * 4;
  const plane = width * height * 4;
  kernels.columns(middle, x.count * 4, yTable, y.stride, y.count, x.count, levels, corner, width * 4, plane);
}
