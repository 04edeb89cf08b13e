/** Every reference gradient against central differences in 64 bits. */
import { describe, expect, it } from 'vitest';
import { activationNames, type Padding, type Pair } from '../graph/nodes.js';
import { Random } from '../models/random.js';
import { activationForward, softmaxForward } from './activation.js';
import {
  padChannelsForward,
  permuteChannelsForward,
  shiftForward,
  shuffleForward,
  sliceForward,
  upsampleForward,
} from './channels.js';
import { conv2dForward } from './convolution.js';
import { conv2dBackward, linearBackward } from './convolution-backward.js';
import { mulForward } from './elementwise.js';
import { activationBackward, moveBackward, mulBackward, softmaxBackward } from './elementwise-backward.js';
import { linearForward } from './linear.js';
import { batchNormTrainingBackward, batchNormTrainingForward } from './normalization-backward.js';
import { avgPoolForward, globalAvgPoolForward, maxPoolForward } from './pooling.js';
import { avgPoolBackward, globalAvgPoolBackward, maxPoolBackward } from './pooling-backward.js';
import type { RealTensor } from './tensor.js';

const random = new Random(11);

function tensor(...shape: number[]): RealTensor {
  const length = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float64Array.from({ length }, () => random.normal()) };
}

/** Checks the gradient of sum(weights * forward(inputs)) for every value of every input. */
function check(
  inputs: readonly RealTensor[],
  forward: (...inputs: readonly RealTensor[]) => RealTensor,
  backward: (dy: RealTensor) => readonly RealTensor[],
): void {
  const dy = tensor(...forward(...inputs).shape);
  const value = (): number =>
    Array.from(forward(...inputs).data).reduce((sum, y, i) => sum + y * dy.data[i]!, 0);
  const gradients = backward(dy);
  expect(gradients.length).toBe(inputs.length);
  inputs.forEach(({ data }, which) => {
    for (let i = 0; i < data.length; i++) {
      const before = data[i]!;
      const step = 1e-5;
      data[i] = before + step;
      const up = value();
      data[i] = before - step;
      const slope = (up - value()) / (2 * step);
      data[i] = before;
      const gradient = gradients[which]!.data[i]!;
      expect(Math.abs(slope - gradient), `input ${which}, value ${i}: ${gradient} for ${slope}`).toBeLessThan(
        1e-6 * Math.max(1, Math.abs(slope)),
      );
    }
  });
}

describe('gradients', () => {
  const geometries: [
    string,
    number,
    Pair,
    { stride: Pair; padding: Padding; dilation: Pair; groups: number },
  ][] = [
    ['3x3', 4, [3, 3], { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 }],
    [
      '3x2 strided, uneven padding',
      4,
      [3, 2],
      { stride: [2, 1], padding: [1, 0, 2, 1], dilation: [1, 1], groups: 1 },
    ],
    ['dilated', 4, [3, 3], { stride: [2, 2], padding: [2, 2, 2, 2], dilation: [2, 2], groups: 1 }],
    ['grouped', 6, [3, 3], { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 2 }],
    ['depthwise', 4, [5, 5], { stride: [2, 2], padding: [2, 2, 2, 2], dilation: [1, 1], groups: 4 }],
  ];
  it.each(geometries)('convolution %s', (_, outputs, kernel, geometry) => {
    const x = tensor(2, 4, 6, 5);
    const [weight, bias] = [tensor(outputs, 4 / geometry.groups, ...kernel), tensor(outputs)];
    check(
      [x, weight, bias],
      (a, b, c) => conv2dForward(a!, b!, c!, geometry),
      (dy) => {
        const made = conv2dBackward(x, weight, dy, geometry);
        return [made.x, made.weight, made.bias];
      },
    );
  });

  it('linear', () => {
    const [x, weight, bias] = [tensor(3, 5), tensor(4, 5), tensor(4)];
    check(
      [x, weight, bias],
      (a, b, c) => linearForward(a!, b!, c!),
      (dy) => {
        const made = linearBackward(x, weight, dy);
        return [made.x, made.weight, made.bias];
      },
    );
  });

  it('batch norm in training', () => {
    const [x, scale, shift] = [tensor(3, 2, 3, 2), tensor(2), tensor(2)];
    check(
      [x, scale, shift],
      (a, b, c) => batchNormTrainingForward(a!, b!, c!, 1e-5),
      (dy) => {
        const made = batchNormTrainingBackward(x, scale, dy, 1e-5);
        return [made.x, made.scale, made.shift];
      },
    );
  });

  it.each(activationNames)('%s', (name) => {
    const x = { shape: [60], data: Float64Array.from({ length: 60 }, (_, i) => (i - 29.6) / 4) };
    check(
      [x],
      (a) => activationForward(a!, name),
      (dy) => [activationBackward(x, dy, name)],
    );
  });

  it('softmax', () => {
    const x = tensor(2, 5, 2, 1);
    check(
      [x],
      (a) => softmaxForward(a!),
      (dy) => [softmaxBackward(softmaxForward(x), dy)],
    );
  });

  it.each([
    [2, 3, 3, 2],
    [2, 3, 1, 1],
  ])('product with [%i, %i, %i, %i]', (...shape) => {
    const [a, b] = [tensor(2, 3, 3, 2), tensor(...shape)];
    check(
      [a, b],
      (p, q) => mulForward(p!, q!),
      (dy) => {
        const made = mulBackward(a, b, dy);
        return [made.a, made.b];
      },
    );
  });

  it.each([false, true])('pooling, ceil mode %s', (ceilMode) => {
    const geometry = { kernel: [3, 2], stride: [2, 2], padding: [1, 1, 1, 1], ceilMode } as const;
    const x = tensor(2, 2, 6, 5);
    check(
      [x],
      (a) => maxPoolForward(a!, geometry),
      (dy) => [maxPoolBackward(x, dy, geometry)],
    );
    for (const countIncludePad of [false, true])
      check(
        [x],
        (a) => avgPoolForward(a!, { ...geometry, countIncludePad }),
        (dy) => [avgPoolBackward(x, dy, { ...geometry, countIncludePad })],
      );
    check(
      [x],
      (a) => globalAvgPoolForward(a!),
      (dy) => [globalAvgPoolBackward(x, dy)],
    );
  });

  const moves: Record<string, (x: RealTensor) => RealTensor> = {
    slice: (x) => sliceForward(x, 1, 3),
    'pad channels': (x) => padChannelsForward(x, 1, 2),
    shuffle: (x) => shuffleForward(x, 2),
    permute: (x) => permuteChannelsForward(x, [2, 0, 3, 1]),
    upsample: (x) => upsampleForward(x, [2, 3]),
    shift: (x) =>
      shiftForward(x, [
        [1, 0],
        [0, -1],
        [-1, 1],
        [0, 0],
      ]),
  };
  it.each(Object.keys(moves))('%s', (name) => {
    const x = tensor(2, 4, 3, 3);
    check(
      [x],
      (a) => moves[name]!(a!),
      (dy) => [moveBackward(x, dy, moves[name]!)],
    );
  });
});
