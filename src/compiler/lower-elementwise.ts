/**
 * Lowers what touches every value once: batch norm that stayed, sums, products, gates and activations, and the end of
 * a Ghost module, where the depthwise kernel's dual form does all of that to both halves.
 */
import { batchNormAffine } from '../passes/fold-batch-norm.js';
import type { Operation, Root } from '../passes/fuse.js';
import type { ElementwiseSpec } from './kernels/elementwise.js';
import { planeBytes, quadSpan, relativePositions, samePositions, type View } from './layout.js';
import { arrangeChannels } from './lower-convolution.js';
import { depthwiseSpec, multiplied, packMultiple } from './lower-depthwise.js';
import type { LoweringContext } from './lowering-context.js';
import { placeOutput, spanLength } from './place-output.js';
import { none, type Operand, type Part } from './program.js';

/** [Q][2][4] of scale and shift at their stored places. */
function packAffine(
  scale: Float64Array,
  shift: Float64Array,
  positions: Int32Array,
  quads: number,
): Float32Array {
  const storedScale = arrangeChannels(scale, positions, quads * 4);
  const storedShift = arrangeChannels(shift, positions, quads * 4);
  const packed = new Float32Array(quads * 8);
  for (let quad = 0; quad < quads; quad++) {
    packed.set(storedScale.subarray(quad * 4, quad * 4 + 4), quad * 8);
    packed.set(storedShift.subarray(quad * 4, quad * 4 + 4), quad * 8 + 4);
  }
  return packed;
}

/** One elementwise kernel over all quads of views with one layout. */
function elementwiseStep(
  context: LoweringContext,
  names: { readonly name: string; readonly nodes: readonly string[] },
  kernel: Pick<ElementwiseSpec, 'op' | 'activation'>,
  a: View,
  b: Operand,
  out: View,
): void {
  const units = spanLength(a);
  context.program.step({
    ...names,
    split: 'each',
    macs: 0,
    parts: [
      {
        spec: { kind: 'elementwise', ...kernel, P: a.height * a.width },
        units,
        operands: [context.quads(a, 'read'), b, context.quads(out, 'write')],
      },
    ],
  });
}

/** A place for an elementwise result: over `x` where that is allowed, else fresh with the same layout. */
function placeLike(context: LoweringContext, operation: Operation, x: View, others: readonly View[]): View {
  if (context.storage.canOverwrite(x, operation, others))
    return context.storage.overwrite(x, operation.output);
  return context.storage.place(operation.output, x, relativePositions(x.positions), spanLength(x));
}

/** act(x * scale + shift + residual). */
export function lowerChain(
  context: LoweringContext,
  operation: Operation,
  root: Extract<Root, { kind: 'chain' }>,
): View {
  const { affine, activation, output: name, nodes } = operation;
  const x = context.compact(root.input, context.view(root.input));
  const relative = relativePositions(x.positions);
  const residual =
    operation.residual === null
      ? null
      : context.conform(operation.residual, context.view(operation.residual), relative);
  // x + x is read and written at one place in one pass; any other overlap must not be overwritten
  const onePlace =
    residual?.buffer === x.buffer && samePositions(residual.positions, x.positions) && affine === null;
  const out = placeLike(context, operation, x, residual && !onePlace ? [residual] : []);
  let current = x;
  if (affine) {
    const { scale, shift } = batchNormAffine(affine, context.weights);
    const packed = context.program.weights(packAffine(scale, shift, relative, spanLength(x)));
    const last = residual === null;
    elementwiseStep(
      context,
      last ? { name, nodes } : { name: affine.name, nodes: [affine.name] },
      { op: 'affine', activation: last ? activation : null },
      x,
      packed,
      out,
    );
    current = out;
  }
  const rest = affine ? nodes.filter((node) => node !== affine.name) : nodes;
  if (residual)
    elementwiseStep(
      context,
      { name, nodes: rest },
      { op: 'add', activation },
      current,
      context.quads(residual, 'read'),
      out,
    );
  else if (!affine) elementwiseStep(context, { name, nodes }, { op: 'activation', activation }, x, none, out);
  return out;
}

/** act([x | cheap(x)] * scale + shift + residual): both halves from one pass of the depthwise kernel. */
export function lowerGhost(
  context: LoweringContext,
  operation: Operation,
  root: Extract<Root, { kind: 'ghost' }>,
): View {
  const { program } = context;
  const { cheap, input } = root;
  const x = context.compact(input, context.view(input));
  const first = quadSpan(x.positions).first;
  const quads = spanLength(x);
  const channels = x.positions.length;
  const multiplier = cheap.outChannels / cheap.inChannels;
  const intrinsic = relativePositions(x.positions);
  const ghosts = multiplied(intrinsic, multiplier, quads).map((position) => position + quads * 4);
  const layout = Int32Array.of(...intrinsic, ...ghosts);
  const { out, residual } = placeOutput(context, operation, x, layout, quads * (1 + multiplier), [x]);
  const outFirst = quadSpan(out.positions).first;

  let weights = context.parameter(cheap.weight);
  let bias: ArrayLike<number> | null = cheap.bias === undefined ? null : context.parameter(cheap.bias);
  let affine: Operand = none;
  if (operation.affine) {
    const { scale, shift } = batchNormAffine(operation.affine, context.weights);
    const taps = cheap.kernel[0] * cheap.kernel[1];
    weights = weights.map((value, i) => value * (scale[channels + Math.floor(i / taps)] as number));
    const old = bias;
    bias = Float32Array.from(
      shift.subarray(channels),
      (value, i) => value + (old?.[i] ?? 0) * (scale[channels + i] as number),
    );
    affine = program.weights(
      packAffine(scale.subarray(0, channels), shift.subarray(0, channels), intrinsic, quads),
    );
  }
  const residualFirst = residual ? quadSpan(residual.positions).first : 0;
  const residualAt = (run: number): Operand =>
    residual ? context.quads(residual, 'read', residualFirst + run * quads) : none;
  const spec = depthwiseSpec(x, cheap, x, operation);
  const dual = {
    affine: operation.affine !== null,
    residual: operation.residual !== null,
    activation: operation.activation,
  };
  const parts = Array.from({ length: multiplier }, (_, j): Part => {
    const packed = packMultiple(
      { weights, bias: bias as Float32Array | null, multiplier, kernel: cheap.kernel },
      intrinsic,
      quads,
      j,
    );
    const withIntrinsic = j === 0;
    return {
      spec: withIntrinsic ? { ...spec, dual } : spec,
      units: quads,
      operands: [
        context.quads(x, 'read', first),
        program.weights(packed.weights),
        program.weights(packed.bias),
        context.quads(out, 'write', outFirst + (1 + j) * quads),
        residualAt(1 + j),
        withIntrinsic ? context.quads(out, 'write', outFirst) : none,
        withIntrinsic ? affine : none,
        withIntrinsic ? residualAt(0) : none,
      ],
    };
  });
  program.step({
    name: operation.output,
    nodes: operation.nodes,
    split: 'each',
    macs: (cheap.outChannels * planeBytes(x) * cheap.kernel[0] * cheap.kernel[1]) / 16,
    parts,
  });
  return out;
}

/** a * b of equal shapes, or a gate [C, 1, 1] times a map. */
export function lowerMul(context: LoweringContext, operation: Operation, inputs: readonly string[]): View {
  const [first = '', second = ''] = inputs;
  const x = context.compact(first, context.view(first));
  const relative = relativePositions(x.positions);
  const other = context.conform(second, context.view(second), relative);
  const names = { name: operation.output, nodes: operation.nodes };
  const { activation } = operation;
  const isGate = other.height * other.width === 1 && x.height * x.width !== 1;
  const sameView = other.buffer === x.buffer && samePositions(other.positions, x.positions);
  const out = placeLike(context, operation, x, sameView && !isGate ? [] : [other]);
  elementwiseStep(
    context,
    names,
    { op: isGate ? 'scale' : 'mul', activation },
    x,
    context.quads(other, 'read'),
    out,
  );
  return out;
}
