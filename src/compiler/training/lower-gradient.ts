/** The backward steps of every node kind: from the gradient of a node's output to those of its inputs. */
import type { ForwardNode, GradientNode } from '../../autodiff/nodes.js';
import { unreachable } from '../../errors.js';
import { emitActivationGradient } from './kernels/activation-gradient.js';
import { emitPoolGradient } from './kernels/gather.js';
import { emitRowSoftmaxGradient } from './kernels/loss.js';
import { emitReduce } from './kernels/pixelwise.js';
import { lowerBatchNormGradient } from './lower-batch-norm.js';
import { lowerInputGradient, lowerParameterGradient } from './lower-convolution-gradient.js';
import { dropout, gather, imageVector, poolOf, sourceOf } from './lower-forward.js';
import { convolutionOf, isView, type Lowering } from './lowering.js';
import { quadsOf, strides, type View } from './maps.js';
import { inverseTable, poolTable } from './tables.js';

/** Adds a view to the gradient of a value, or makes it that gradient when it is the first and fits. */
function contribute(lowering: Lowering, name: string, part: View): void {
  const { context, view, gradientBorders } = lowering;
  const border = gradientBorders.get(name) ?? 0;
  if (!context.gradientOf(name) && part.buffer.border >= border) {
    context.setGradient(name, part);
    return;
  }
  const { to, start } = context.target(name, view(name), border);
  if (!start) context.copy(part, to);
  else
    context.map('add', [start, part], to, undefined, (f, { inputs: [a = 0, b = 0] }) => {
      f.get(a).get(b).op('f32x4Add');
    });
}

/** A pixelwise contribution: `body` leaves it on the stack. */
function contributeMap(
  lowering: Lowering,
  key: string,
  name: string,
  inputs: readonly View[],
  coefficients: Parameters<Lowering['context']['map']>[3],
  body: (
    f: Parameters<Parameters<Lowering['context']['map']>[4]>[0],
    inputs: readonly number[],
    coefficients: readonly number[],
  ) => void,
  touches: readonly View[] = [],
): void {
  const { context, view, gradientBorders } = lowering;
  const { to, start } = context.target(name, view(name), gradientBorders.get(name) ?? 0);
  context.map(
    `${key} ${start !== undefined}`,
    start ? [...inputs, start] : inputs,
    to,
    coefficients,
    (f, values) => {
      body(f, values.inputs, values.coefficients);
      if (start) f.get(values.inputs[inputs.length] as number).op('f32x4Add');
    },
    touches,
  );
}

export function lowerGradient(lowering: Lowering, gradient: GradientNode): void {
  const { context, view, traits, sizes, gradientBorders } = lowering;
  const node: ForwardNode = gradient.of;
  const g = context.gradientOf(node.name);
  if (!g || node.kind === 'input') return;
  const wanted = (name: string): boolean => gradient.inputs.includes(name);
  const borderOf = (name: string): number => gradientBorders.get(name) ?? 0;
  const first = node.inputs[0] as string;
  const x = view(first);
  const y = view(node.name);
  const conv = convolutionOf(node);
  if (conv) {
    lowerParameterGradient(context, conv, x, g, traits);
    if (wanted(first)) lowerInputGradient(context, conv, first, x, g, borderOf(first), traits);
    return;
  }
  const pool = poolOf(node);
  if (pool) {
    const dx = context.prepared(first, x, borderOf(first));
    const table = poolTable(pool, x, y, { dx, dy: g });
    const block = context.block(table.byteLength, table);
    const { kernel } = pool.geometry;
    const spec = {
      kind: pool.kind,
      pixels: y.buffer.height * y.buffer.width,
      taps: kernel[0] * kernel[1],
      quads: quadsOf(y.channels),
      inImage: strides(x).image,
      outImage: strides(y).image,
      gradientInImage: strides(dx).image,
      gradientOutImage: strides(g).image,
    };
    context.step(
      () => ({ key: `pool gradient ${JSON.stringify(spec)}`, emit: () => emitPoolGradient(spec) }),
      (share) => [
        context.at(x, share),
        block.address,
        context.at(y, share),
        context.at(g, share),
        context.at(dx, share),
        share.count,
      ],
      [x, y, g, dx],
    );
    return;
  }
  switch (node.kind) {
    case 'batchNormActivation': {
      const state = lowering.norms.get(node.name);
      if (!state) return;
      // the value's gradient is taken after the sums, so that its memory may be the output's
      const dz = wanted(first) ? context.target(first, x, borderOf(first)) : undefined;
      lowerBatchNormGradient(context, state, g, dz);
      return;
    }
    case 'activation':
      contributeMap(
        lowering,
        `act gradient ${node.function}`,
        first,
        [g, x],
        undefined,
        (f, [d = 0, u = 0]) => {
          f.get(d);
          emitActivationGradient(f, node.function, u);
        },
      );
      return;
    case 'add':
      for (const name of node.inputs) if (wanted(name)) contribute(lowering, name, g);
      return;
    case 'addRelu': {
      const masked = context.exclusive(node.name, g)
        ? g
        : {
            buffer: context.buffer(
              `d ${node.name} masked`,
              g.buffer.height,
              g.buffer.width,
              g.channels,
              g.buffer.border,
            ),
            offset: 0,
            channels: g.channels,
          };
      context.map('relu mask', [g, y], masked, undefined, (f, { inputs: [d = 0, u = 0] }) => {
        f.get(d);
        emitActivationGradient(f, 'relu', u);
      });
      for (const name of node.inputs) if (wanted(name)) contribute(lowering, name, masked);
      return;
    }
    case 'mul': {
      const second = node.inputs[1] as string;
      const b = view(second);
      const same = b.buffer.height === x.buffer.height && b.buffer.width === x.buffer.width;
      if (same) {
        const product = (name: string, other: View): void =>
          contributeMap(lowering, 'mul gradient', name, [g, other], undefined, (f, [d = 0, o = 0]) => {
            f.get(d).get(o).op('f32x4Mul');
          });
        if (wanted(first)) product(first, b);
        if (wanted(second)) product(second, x);
        return;
      }
      if (wanted(second)) gateGradient(lowering, second, b, g, x);
      if (wanted(first))
        contributeMap(
          lowering,
          'gate gradient',
          first,
          [g],
          imageVector(context, b),
          (f, [d = 0], [gate = 0]) => void f.get(d).get(gate).op('f32x4Mul'),
          [b],
        );
      return;
    }
    case 'globalAvgPool': {
      const share = 1 / (x.buffer.height * x.buffer.width);
      // one vector an image: no map is read, unless there is something to add to
      const { to, start } = context.target(first, x, borderOf(first));
      context.map(
        `global pool gradient ${start !== undefined}`,
        start ? [start] : [],
        to,
        imageVector(context, g),
        (f, { inputs: [s = 0], coefficients: [d = 0] }) => {
          f.get(d).f32x4Const(share).op('f32x4Mul');
          if (start) f.get(s).op('f32x4Add');
        },
        [g],
      );
      return;
    }
    case 'concat': {
      let offset = 0;
      for (const name of node.inputs) {
        const part = view(name);
        const start = offset;
        offset += part.channels;
        if (!wanted(name)) continue;
        if (start % 4 === 0 && (part.channels % 4 === 0 || offset === g.channels))
          contribute(lowering, name, { buffer: g.buffer, offset: g.offset + start, channels: part.channels });
        else {
          const to = context.prepared(name, part, borderOf(name));
          const source = (c: number, i: number, j: number): readonly [number, number, number] | undefined =>
            c >= start && c < start + part.channels ? [c - start, i, j] : undefined;
          gather(context, g, to, inverseTable(to, g, source), true);
        }
      }
      return;
    }
    case 'softmax': {
      const { to, add } = context.addable(first, x, 0);
      const quads = quadsOf(x.channels);
      context.step(
        () => ({ key: `softmax gradient ${quads} ${add}`, emit: () => emitRowSoftmaxGradient(quads, add) }),
        (share) => [context.at(y, share), context.at(g, share), context.at(to, share), share.count],
        [y, g, to],
      );
      return;
    }
    case 'dropout': {
      if (isView(node, (name) => sizes.get(name) ?? [1, 1, 1])) {
        contribute(lowering, first, g);
        return;
      }
      const { height, width } = x.buffer;
      const dense: View = {
        buffer: context.buffer(`d ${first} dense`, height, width, x.channels, 0),
        offset: 0,
        channels: x.channels,
      };
      dropout(context, node, g, dense, () => context.seedWord, false);
      contribute(lowering, first, dense);
      return;
    }
    case 'identity':
      contribute(lowering, first, g);
      return;
    case 'flatten':
    case 'slice':
    case 'padChannels':
    case 'shuffle':
    case 'permuteChannels':
    case 'shift':
    case 'upsample': {
      if (node.kind === 'flatten' && isView(node, (name) => sizes.get(name) ?? [1, 1, 1])) {
        contribute(lowering, first, g);
        return;
      }
      const source = sourceOf(node, x);
      if (!source) return;
      const to = context.prepared(first, x, borderOf(first));
      gather(context, g, to, inverseTable(to, g, source), true);
      return;
    }
    case 'conv2d':
    case 'linear':
    case 'maxPool':
    case 'avgPool':
      return;
    default:
      unreachable(node);
  }
}

/** d gate = sum over pixels of dy x, one vector an image. */
function gateGradient(lowering: Lowering, name: string, gate: View, g: View, x: View): void {
  const { context } = lowering;
  const { to, add } = context.addable(name, gate, 0);
  const { height, width } = x.buffer;
  const spec = {
    height,
    width,
    quads: quadsOf(x.channels),
    inputs: [strides(g), strides(x)],
    sums: 1,
    resultImage: strides(to).image,
  };
  context.step(
    () => ({
      key: `gate sums ${add} ${JSON.stringify(spec)}`,
      emit: ({ relaxed }) =>
        emitReduce(
          spec,
          (f, { inputs: [d = 0, v = 0] }, [sum = 0]) => void f.multiplyAdd(sum, d, v, relaxed),
          (f, address) => {
            if (add) f.get(address).mem('v128Load').op('f32x4Add');
          },
        ),
    }),
    (share) => [context.at(g, share), context.at(x, share), context.at(to, share), 0, share.count],
    [g, x, to],
  );
}
