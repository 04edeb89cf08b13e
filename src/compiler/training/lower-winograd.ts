/**
 * Which convolutions Winograd's scheme serves, how their maps are cut into blocks, and their steps: forward and input
 * gradient (the same kernel with mirrored, transposed weights) and weight gradient.
 */
import type { Conv2dNode } from '../../graph/nodes.js';
import type { Block, LoweringContext, ParameterSlot, ThreadShare } from './context.js';
import { emitClear } from './kernels/gather.js';
import { emitWinograd, emitWinogradGradient } from './kernels/winograd.js';
import { points, type TileBlocks, winogradScratch } from './kernels/winograd-tiles.js';
import { emitWinogradWeightGradient, emitWinogradWeights } from './kernels/winograd-weights.js';
import { quadsOf, strides, type View } from './maps.js';

/** Whether a convolution from or to maps of this size is done so: enough channels to pay for the transforms. */
export function isWinograd(node: Conv2dNode, { buffer: { height, width } }: View): boolean {
  const { kernel, stride, dilation, padding, groups, inChannels, outChannels } = node;
  const form = [...kernel, ...stride, ...dilation, ...padding, groups].join();
  return (
    form === '3,3,1,1,1,1,1,1,1,1,1' &&
    height % 4 === 0 &&
    width % 4 === 0 &&
    Math.min(inChannels, outChannels) > 4
  );
}

/** Blocks whose V and M stay in the second-level cache, with enough tiles to use each weight often. */
function blocksOf(height: number, width: number, channels: number, images: number): TileBlocks {
  const [rows, tileCols] = [height / 4, width / 4];
  const wanted = Math.min(64, Math.max(16, Math.floor(400_000 / (points * 4 * channels))));
  if (rows * tileCols <= wanted) {
    const count = Math.max(1, Math.min(images, Math.floor(wanted / (rows * tileCols))));
    return { images: count, tileRows: rows, tileCols, bands: 1 };
  }
  const fitting = Array.from({ length: rows }, (_, i) => i + 1).filter((n) => rows % n === 0);
  const tileRows = fitting.filter((n) => n * tileCols <= wanted).at(-1) ?? 1;
  return { images: 1, tileRows, tileCols, bands: rows / tileRows };
}

/** The share's images as whole blocks, and those that are left. */
interface Part {
  readonly blocks: TileBlocks;
  readonly first: number;
  /** Blocks of images; 0: nothing to be done. */
  readonly count: number;
}
function partOf(which: 'whole' | 'rest', view: View, channels: number, share: ThreadShare): Part {
  const { height, width } = view.buffer;
  const blocks = blocksOf(height, width, channels, share.count);
  const count = Math.floor(share.count / blocks.images);
  if (which === 'whole') return { blocks, first: 0, count };
  const images = share.count - count * blocks.images;
  return { blocks: { ...blocks, images }, first: count * blocks.images, count: images > 0 ? 1 : 0 };
}

/** U at the start of each step, from weights in panels at `source`; the work split by input channel. */
export function prepareWinograd(
  context: LoweringContext,
  name: string,
  source: () => number,
  channels: { readonly inQuads: number; readonly outQuads: number },
  program: 'both' | 'train',
): Block {
  const { inQuads, outQuads } = channels;
  const made = context.block(points * inQuads * 4 * outQuads * 16);
  const threads = context.shares.length;
  const from = (thread: number): number => Math.floor((inQuads * 4 * thread) / threads);
  context.reserve(points * 16);
  context.transforms.push({
    node: name,
    phase: 'prepare',
    program,
    barrier: false,
    when: 'once',
    touches: [],
    kernel: () => ({
      key: `winograd weights ${inQuads} ${outQuads}`,
      emit: (isa) => emitWinogradWeights(inQuads, outQuads, isa),
    }),
    args: ({ thread }) => [
      source(),
      made.address,
      from(thread),
      from(thread + 1) - from(thread),
      context.scratch(thread),
    ],
  });
  return made;
}

/** y = start + x * U. Views are read and written from their first pixel on. */
export function lowerWinograd(
  context: LoweringContext,
  x: View,
  y: View,
  U: Block,
  start: 'zero' | { readonly bias: () => number } | View,
): void {
  const [inQuads, outQuads] = [quadsOf(x.channels), quadsOf(y.channels)];
  const from = typeof start === 'object' && 'buffer' in start ? start : undefined;
  const form = from ? strides(from) : start === 'zero' ? start : ('bias' as const);
  for (const share of context.shares)
    context.reserve(
      winogradScratch(partOf('whole', y, x.channels + y.channels, share).blocks, inQuads, outQuads),
    );
  for (const which of ['whole', 'rest'] as const)
    context.step(
      (share) => {
        const { blocks, count } = partOf(which, y, x.channels + y.channels, share);
        if (count === 0) return undefined;
        const spec = { blocks, x: strides(x), y: strides(y), start: form, inQuads, outQuads };
        return { key: `winograd ${JSON.stringify(spec)}`, emit: (isa) => emitWinograd(spec, isa) };
      },
      (share) => {
        const { first, count } = partOf(which, y, x.channels + y.channels, share);
        const moved = { ...share, first: share.first + first };
        const bias = typeof start === 'object' && 'bias' in start ? start.bias() : 0;
        return [
          context.at(x, moved, -1, -1),
          U.address,
          from ? context.at(from, moved) : bias,
          context.at(y, moved),
          count,
          context.scratch(share.thread),
        ];
      },
      [x, y, from],
    );
}

/** Adds the weight gradient to the thread's own. */
export function lowerWinogradGradient(
  context: LoweringContext,
  x: View,
  dz: View,
  weight: ParameterSlot,
): void {
  const [inQuads, outQuads] = [quadsOf(x.channels), quadsOf(dz.channels)];
  const bytes = points * inQuads * 4 * outQuads * 16;
  for (const share of context.shares)
    context.reserve(
      winogradScratch(partOf('whole', dz, x.channels + dz.channels, share).blocks, inQuads, outQuads),
    );
  const sums = context.threadBlock(bytes);
  context.step(
    () => ({ key: 'clear', emit: () => emitClear() }),
    ({ thread }) => [sums.at(thread), bytes],
    [],
    'first',
  );
  for (const which of ['whole', 'rest'] as const)
    context.step(
      (share) => {
        const { blocks, count } = partOf(which, dz, x.channels + dz.channels, share);
        if (count === 0) return undefined;
        const spec = { blocks, x: strides(x), z: strides(dz), inQuads, outQuads };
        return {
          key: `winograd gradient ${JSON.stringify(spec)}`,
          emit: (isa) => emitWinogradGradient(spec, isa),
        };
      },
      (share) => {
        const { first, count } = partOf(which, dz, x.channels + dz.channels, share);
        const moved = { ...share, first: share.first + first };
        return [
          context.at(x, moved, -1, -1),
          context.at(dz, moved),
          sums.at(share.thread),
          count,
          context.scratch(share.thread),
        ];
      },
      [x, dz],
    );
  context.step(
    () => ({
      key: `winograd weight gradient ${inQuads} ${outQuads}`,
      emit: (isa) => emitWinogradWeightGradient(inQuads, outQuads, isa),
    }),
    ({ thread }) => [sums.at(thread), context.gradient(weight, thread), context.scratch(thread)],
    [],
    'last',
  );
}
