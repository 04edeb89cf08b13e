/**
 * Ops that only move channels or pixels: concat, slice, pad, shuffle, shift, flatten, upsample. Plain copies.
 * Shape legend: N batch, C channels, H, W; a plane is the H*W values of one channel of one image.
 */
import type { Pair } from '../graph/nodes.js';
import { mapSize, type RealTensor, zeros } from './tensor.js';

/** The shape with other channels. */
function withChannels(shape: readonly number[], channels: number): readonly number[] {
  return shape.map((size, axis) => (axis === 1 ? channels : size));
}

/** Output channel c is input channel `source(c)`, or zeros when that is -1. Result [N, channels, H, W]. */
function gatherChannels(x: RealTensor, channels: number, source: (c: number) => number): RealTensor {
  const { n: batch, c: inChannels, h, w } = mapSize(x);
  const y = zeros(withChannels(x.shape, channels), x);
  const plane = h * w;
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const from = source(c);
      if (from < 0) continue;
      const start = (n * inChannels + from) * plane;
      y.data.set(x.data.subarray(start, start + plane), (n * channels + c) * plane);
    }
  }
  return y;
}

/** Along C; all other sizes are equal. */
export function concatForward(inputs: readonly RealTensor[]): RealTensor {
  const first = inputs[0] as RealTensor;
  const { n: batch, h, w } = mapSize(first);
  const channels = inputs.reduce((sum, input) => sum + mapSize(input).c, 0);
  const y = zeros(withChannels(first.shape, channels), first);
  let position = 0;
  for (let n = 0; n < batch; n++) {
    for (const input of inputs) {
      const length = mapSize(input).c * h * w;
      y.data.set(input.data.subarray(n * length, (n + 1) * length), position);
      position += length;
    }
  }
  return y;
}

/** Channels [start, end). */
export function sliceForward(x: RealTensor, start: number, end: number): RealTensor {
  return gatherChannels(x, end - start, (c) => start + c);
}

/** `before` and `after` channels of zeros around. */
export function padChannelsForward(x: RealTensor, before: number, after: number): RealTensor {
  const { c: channels } = mapSize(x);
  return gatherChannels(x, before + channels + after, (c) =>
    c >= before && c < before + channels ? c - before : -1,
  );
}

/** C viewed as [groups, C/groups], transposed, flattened: output channel j*groups + g is input channel g*(C/groups) + j. */
export function shuffleForward(x: RealTensor, groups: number): RealTensor {
  const { c: channels } = mapSize(x);
  const perGroup = channels / groups;
  return gatherChannels(x, channels, (c) => (c % groups) * perGroup + Math.floor(c / groups));
}

/** Output channel c is input channel order[c]. */
export function permuteChannelsForward(x: RealTensor, order: readonly number[]): RealTensor {
  return gatherChannels(x, order.length, (c) => order[c] as number);
}

/** y[c][i][j] = x[c][i + dy][j + dx] with [dy, dx] = offsets[c]; zero outside. */
export function shiftForward(x: RealTensor, offsets: readonly Pair[]): RealTensor {
  const { n: batch, c: channels, h, w } = mapSize(x);
  const y = zeros(x.shape, x);
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const [dy, dx] = offsets[c] as Pair;
      const plane = (n * channels + c) * h * w;
      for (let i = 0; i < h; i++) {
        for (let j = 0; j < w; j++) {
          const inside = i + dy >= 0 && i + dy < h && j + dx >= 0 && j + dx < w;
          if (inside) y.data[plane + i * w + j] = x.data[plane + (i + dy) * w + j + dx] as number;
        }
      }
    }
  }
  return y;
}

/** [N, C, H, W] to [N, C*H*W]; the same values. */
export function flattenForward(x: RealTensor): RealTensor {
  const { n: batch, c: channels, h, w } = mapSize(x);
  return { shape: [batch, channels * h * w], data: x.data.slice() };
}

/** Each pixel repeated scale[0] times down and scale[1] times across. */
export function upsampleForward(x: RealTensor, scale: Pair): RealTensor {
  const { n: batch, c: channels, h, w } = mapSize(x);
  const [outH, outW] = [h * scale[0], w * scale[1]];
  const y = zeros([batch, channels, outH, outW], x);
  for (let plane = 0; plane < batch * channels; plane++)
    for (let i = 0; i < outH; i++)
      for (let j = 0; j < outW; j++) {
        const from = (plane * h + Math.floor(i / scale[0])) * w + Math.floor(j / scale[1]);
        y.data[(plane * outH + i) * outW + j] = x.data[from] as number;
      }
  return y;
}
