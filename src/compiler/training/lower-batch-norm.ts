/**
 * Batch norm with its activation as steps. Forward: sums of the thread's images, all threads meet, mean and variance
 * of the whole batch, scale and shift in one pass with the activation. Backward: the same with du.
 */
import type { BatchNormActivationNode } from '../../autodiff/nodes.js';
import type { ActivationName } from '../../graph/nodes.js';
import { emitActivation } from '../kernels/kernel.js';
import { inOrder, type LoweringContext, type ParameterSlot } from './context.js';
import type { TraitsOf } from './convolution-weights.js';
import { emitActivationGradient } from './kernels/activation-gradient.js';
import {
  emitBeginSums,
  emitJoinGradients,
  emitJoinStatistics,
  emitRunningCoefficients,
} from './kernels/batch-norm-statistics.js';
import { emitReduce } from './kernels/pixelwise.js';
import { quadsOf, strides, type View } from './maps.js';

/** Per-thread results of the forward step that the backward step reads. */
export interface NormState {
  readonly z: View;
  readonly activation: ActivationName | null;
  /** Address of the thread's [scale / sigma, shift', mean, 1 / sigma]. */
  readonly coefficients: (thread: number) => number;
  readonly scale: ParameterSlot;
  readonly shift: ParameterSlot;
}

export function lowerBatchNorm(
  context: LoweringContext,
  { norm, activation }: BatchNormActivationNode,
  z: View,
  y: View,
  traits: TraitsOf,
): NormState {
  const { channels } = norm;
  const quads = quadsOf(channels);
  const vector = quads * 16;
  const slot = (name: string): ParameterSlot =>
    context.parameter(name, channels, quads * 4, inOrder, traits(name));
  const [scale, shift, mean, variance] = [
    slot(norm.scale),
    slot(norm.shift),
    slot(norm.mean),
    slot(norm.variance),
  ];
  const sums = context.threadBlock(3 * vector);
  const result = context.threadBlock(4 * vector);
  const { height, width } = z.buffer;
  const program = context.program;
  context.program = 'train';
  context.step(
    () => ({ key: `begin sums ${quads} copy`, emit: () => emitBeginSums(quads, true, 2) }),
    (share) => [context.at(z, share), sums.at(share.thread)],
    [z],
    'first',
  );
  const spec = {
    height,
    width,
    quads,
    inputs: [strides(z)],
    coefficients: { count: 1, step: vector, image: 0 },
    sums: 2,
    resultImage: 0,
  };
  context.step(
    () => ({
      key: `norm sums ${JSON.stringify(spec)}`,
      emit: ({ relaxed }) =>
        emitReduce(spec, (f, { inputs: [x = 0], coefficients: [s = 0] }, [sum = 0, squares = 0]) => {
          f.get(x).get(s).op('f32x4Sub').set(x);
          f.get(sum).get(x).op('f32x4Add').set(sum);
          f.multiplyAdd(squares, x, x, relaxed);
        }),
    }),
    (share) => [context.at(z, share), sums.at(share.thread) + vector, sums.at(share.thread), share.count],
    [z],
  );
  context.barrier();
  const parameters = [scale, shift, mean, variance];
  const counts = context.shares.map(({ count }) => count * height * width);
  context.step(
    ({ thread }) => {
      const { eps, momentum } = norm;
      const join = { quads, eps, momentum, counts, threadStep: sums.step, running: thread === 0 };
      return { key: `norm join ${JSON.stringify(join)}`, emit: () => emitJoinStatistics(join) };
    },
    ({ thread }) => [sums.at(0), ...parameters.map((p) => context.weight(p)), result.at(thread)],
    [],
  );
  context.program = 'evaluate';
  context.step(
    () => ({
      key: `norm running ${quads} ${norm.eps}`,
      emit: () => emitRunningCoefficients(quads, norm.eps),
    }),
    ({ thread }) => [0, ...parameters.map((p) => context.weight(p)), result.at(thread)],
    [],
    'first',
  );
  context.program = program;
  const state = { z, activation, coefficients: result.at, scale, shift };
  applyNorm(context, state, y);
  return state;
}

/** y = activation(z * scale / sigma + shift'). */
export function applyNorm(context: LoweringContext, state: NormState, y: View): void {
  const { z, activation, coefficients } = state;
  const vector = quadsOf(z.channels) * 16;
  context.map(
    `norm ${activation}`,
    [z],
    y,
    { count: 2, step: vector, image: 0, at: ({ thread }) => coefficients(thread) },
    (f, { inputs: [x = 0], coefficients: [a = 0, b = 0] }) => {
      f.get(x).get(a).op('f32x4Mul').get(b).op('f32x4Add');
      emitActivation(f, activation);
    },
  );
}

/** dz from dy; `start`: what it is added to. */
export function lowerBatchNormGradient(
  context: LoweringContext,
  state: NormState,
  dy: View,
  dz: { readonly to: View; readonly start: View | undefined } | undefined,
): void {
  const { z, activation, scale, shift } = state;
  const quads = quadsOf(z.channels);
  const vector = quads * 16;
  const { height, width } = z.buffer;
  const sums = context.threadBlock(2 * vector);
  const result = context.threadBlock(5 * vector);
  context.step(
    () => ({ key: `begin sums ${quads}`, emit: () => emitBeginSums(quads, false, 2) }),
    ({ thread }) => [0, sums.at(thread)],
    [],
    'first',
  );
  const spec = {
    height,
    width,
    quads,
    inputs: [strides(dy), strides(z)],
    coefficients: { count: 3, step: vector, image: 0 },
    sums: 2,
    resultImage: 0,
  };
  context.step(
    () => ({
      key: `norm gradient sums ${activation} ${JSON.stringify(spec)}`,
      emit: ({ relaxed }) =>
        emitReduce(
          spec,
          (f, { inputs: [g = 0, x = 0], coefficients: [a = 0, b = 0, mean = 0] }, [sum = 0, product = 0]) => {
            const [u = 0] = f.scratch('v128', 27).slice(26);
            if (activation !== null) {
              f.get(x).get(a).op('f32x4Mul').get(b).op('f32x4Add').set(u);
              f.get(g);
              emitActivationGradient(f, activation, u);
              f.set(g);
            }
            f.get(sum).get(g).op('f32x4Add').set(sum);
            f.get(x).get(mean).op('f32x4Sub').set(x);
            f.multiplyAdd(product, g, x, relaxed);
          },
        ),
    }),
    (share) => [
      context.at(dy, share),
      context.at(z, share),
      sums.at(share.thread),
      state.coefficients(share.thread),
      share.count,
    ],
    [dy, z],
  );
  context.barrier();
  context.step(
    ({ thread }) => {
      const join = {
        quads,
        threads: context.shares.length,
        threadStep: sums.step,
        total: context.batch * height * width,
        parameters: thread === 0,
      };
      return { key: `norm gradient join ${JSON.stringify(join)}`, emit: () => emitJoinGradients(join) };
    },
    ({ thread }) => [
      sums.at(0),
      state.coefficients(thread),
      context.gradient(scale, thread),
      context.gradient(shift, thread),
      result.at(thread),
    ],
    [],
  );
  if (!dz) return;
  const { to, start } = dz;
  context.map(
    `norm gradient ${activation} ${start !== undefined}`,
    start ? [dy, z, start] : [dy, z],
    to,
    { count: 5, step: vector, image: 0, at: ({ thread }) => result.at(thread) },
    (f, { inputs: [g = 0, x = 0, s = 0], coefficients: [A = 0, B = 0, D = 0, a = 0, b = 0] }) => {
      const [u = 0] = f.scratch('v128', 27).slice(26);
      if (activation !== null) f.get(x).get(a).op('f32x4Mul').get(b).op('f32x4Add').set(u);
      f.get(A).get(g);
      emitActivationGradient(f, activation, u);
      f.op('f32x4Mul').get(B).get(x).op('f32x4Mul').op('f32x4Add').get(D).op('f32x4Add');
      if (start) f.get(s).op('f32x4Add');
    },
  );
}
