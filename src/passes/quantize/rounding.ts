/**
 * The weights of one filter rounded anew by least squares (least-squares.ts), from what the quantised network makes of
 * the pictures up to there. Scales stay; an output whose sums would no longer fit 16 bits keeps its nearest steps.
 */
import type { Weights } from '../../graph/graph.js';
import type { Shapes } from '../../graph/shapes.js';
import type { FusedGraph, Operation } from '../fuse.js';
import { sumsFit } from './filter-scales.js';
import { filterSize, realFilter } from './filters.js';
import { InputMoments, type MomentWindow, type StepMap } from './input-moments.js';
import { roundingOrder, roundRow } from './least-squares.js';
import type { ChannelScales, QuantizedFilter } from './network.js';
import { aliasValues, filterNode } from './operations.js';

/** Rows of the im2col matrix in all: more than the columns of any common layer. */
const mostRows = 2048;

/** Channel `channel` of the value of an operation; null: a channel of zeros. */
type Source = { readonly value: string; readonly channel: number } | null;

/** By value name: where each channel is stored. Values behind a flatten of several pixels have no entry. */
export function channelSources(
  { items }: FusedGraph,
  shapes: Shapes,
): ReadonlyMap<string, readonly Source[]> {
  const found = new Map<string, readonly Source[]>();
  for (const item of items) {
    if (item.kind === 'operation') {
      const { output } = item.operation;
      const channels = shapes.get(output)?.[1] ?? 1;
      found.set(
        output,
        Array.from({ length: channels }, (_, channel) => ({ value: output, channel })),
      );
      continue;
    }
    const { node } = item;
    const inputs = node.inputs.map((name) => found.get(name));
    const [, , height = 1, width = 1] = shapes.get(node.inputs[0] as string) ?? [];
    if (inputs.includes(undefined) || (node.kind === 'flatten' && height * width > 1)) continue;
    found.set(node.name, aliasValues<Source>(node, inputs as (readonly Source[])[], 1, null));
  }
  return found;
}

export interface RoundingInputs {
  readonly operation: Operation;
  readonly filter: QuantizedFilter;
  readonly weights: Weights;
  readonly shapes: Shapes;
  readonly sources: ReadonlyMap<string, readonly Source[]>;
  /** Whether the bias is corrected afterwards, so that errors of the mean do not count. */
  readonly biasFollows: boolean;
  /** Of the filter's input. */
  readonly x: ChannelScales;
  /** Steps of a value of each picture, planar [C][H][W]. */
  readonly steps: (value: string) => readonly Uint8Array[] | undefined;
}

export function roundByLeastSquares(given: RoundingInputs): QuantizedFilter {
  const { operation, filter, weights, shapes, sources, biasFollows, x, steps } = given;
  const node = filterNode(operation);
  const real = realFilter(operation, weights);
  const channels = node && sources.get(node.inputs[0] as string);
  // a shift's weights are whole
  if (!node || node.kind === 'shift' || !real || !channels) return filter;
  const values = new Map(channels.flatMap((one) => (one ? [[one.value, steps(one.value)] as const] : [])));
  const pictures = [...values.values()];
  const count = pictures[0]?.length ?? 0;
  if (count === 0 || pictures.some((one) => one?.length !== count)) return filter;

  const [, , height = 1, width = 1] = shapes.get(node.inputs[0] as string) ?? [];
  const [, , p = 1, q = 1] = shapes.get(node.name) ?? [];
  const { groups, columns, outputs, taps } = filterSize(node);
  const window: MomentWindow =
    node.kind === 'conv2d'
      ? node
      : { kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1] };
  const moments = new InputMoments(
    window,
    { groups, columns, input: [height, width], output: [p, q] },
    Math.ceil(mostRows / count),
  );
  const nothing = new Uint8Array(height * width);
  for (let i = 0; i < count; i++)
    moments.add(
      channels.map((one, c): StepMap => {
        if (!one) return { data: nothing, at: 0, zeroPoint: 0 };
        const data = values.get(one.value)?.[i] as Uint8Array;
        return { data, at: one.channel * height * width, zeroPoint: x.zeroPoint[c] as number };
      }),
    );

  const length = columns * taps;
  const result = filter.values.slice();
  const perGroup = outputs / groups;
  for (let g = 0; g < groups; g++) {
    const order = roundingOrder(moments.covariance(g, biasFollows), length, moments.count);
    for (let o = g * perGroup; o < (g + 1) * perGroup; o++) {
      const scale = filter.scales[o] as number;
      const inputOf = (i: number): number => real.channel(o, Math.floor(i / taps));
      const row = Float64Array.from(
        { length },
        (_, i) => ((real.data[o * length + i] as number) * (x.scale[inputOf(i)] as number)) / scale,
      );
      const rounded = roundRow(row, order);
      let bias = (filter.bias[o] as number) / scale;
      for (let i = 0; i < length; i++) bias -= (rounded[i] as number) * (x.zeroPoint[inputOf(i)] as number);
      if (sumsFit(rounded, bias, real)) result.set(rounded, o * length);
    }
  }
  return { ...filter, values: result };
}
