/**
 * Elementwise formulas a * f(c * x + d) + b of one map: put together as an ONNX graph spells them (Add, Clip, Mul, Div),
 * and written out as the activation that they are. Hard-swish, hard-sigmoid, SiLU and clips at any bounds come from here.
 */
import type { ActivationName } from '../../graph/nodes.js';
import type { GraphWriter } from './graph-writer.js';
import { type Affine, type FormulaValue, unchanged } from './values.js';

type Numbers = number | Float64Array;

function near(a: Numbers, b: number): boolean {
  return typeof a === 'number' && Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b));
}

function combine(a: Numbers, b: Numbers, f: (x: number, y: number) => number): Numbers {
  if (typeof a === 'number') return typeof b === 'number' ? f(a, b) : b.map((y) => f(a, y));
  return a.map((x, i) => f(x, typeof b === 'number' ? b : b[i]!));
}

/** outer(inner(x)). */
function compose(outer: Affine, inner: Affine): Affine {
  const multiply = (a: Numbers, b: Numbers): Numbers => combine(a, b, (x, y) => x * y);
  return {
    scale: multiply(outer.scale, inner.scale),
    shift: combine(multiply(outer.scale, inner.shift), outer.shift, (x, y) => x + y),
  };
}

function isUnchanged({ scale, shift }: Affine): boolean {
  return near(scale, 1) && near(shift, 0);
}

/** The formula y = x. */
export function formulaOf(base: string, shape: readonly number[]): FormulaValue {
  return { kind: 'formula', base, shape, before: unchanged, function: null, after: unchanged };
}

/** scale * formula + shift. */
export function withAffine(formula: FormulaValue, affine: Affine): FormulaValue {
  return formula.function === null
    ? { ...formula, before: compose(affine, formula.before) }
    : { ...formula, after: compose(affine, formula.after) };
}

/** An activation of a formula that has none yet, or undefined. */
export function withFunction(formula: FormulaValue, fn: ActivationName): FormulaValue | undefined {
  return formula.function === null ? { ...formula, function: fn } : undefined;
}

/** min(max(formula, low), high) with either bound infinite; undefined when the formula must be written out first. */
export function withClip(formula: FormulaValue, low: number, high: number): FormulaValue | undefined {
  if (low === Number.NEGATIVE_INFINITY && high === Number.POSITIVE_INFINITY) return formula;
  // a clip of a relu at 0 or above is a clip from 0
  const ofRelu = formula.function === 'relu' && isUnchanged(formula.after) && low <= 0 && high > 0;
  if (ofRelu)
    return high === Number.POSITIVE_INFINITY ? formula : withClip({ ...formula, function: null }, 0, high);
  if (formula.function !== null) return undefined;
  if (low === Number.NEGATIVE_INFINITY) {
    const turned = withAffine(formula, { scale: -1, shift: high });
    return { ...turned, function: 'relu', after: { scale: -1, shift: high } };
  }
  if (high === Number.POSITIVE_INFINITY)
    return {
      ...withAffine(formula, { scale: 1, shift: -low }),
      function: 'relu',
      after: { scale: 1, shift: low },
    };
  const factor = 6 / (high - low);
  const moved = withAffine(formula, { scale: factor, shift: -low * factor });
  return { ...moved, function: 'relu6', after: { scale: 1 / factor, shift: low } };
}

/** x times a formula of x: hard-swish and SiLU; undefined when it is neither. */
export function gated(x: FormulaValue, gate: FormulaValue): FormulaValue | undefined {
  const plain = x.function === null && near(x.before.shift, 0) && typeof x.before.scale === 'number';
  if (!plain || x.base !== gate.base || !near(gate.after.shift, 0)) return undefined;
  const factor = compose({ scale: x.before.scale, shift: 0 }, gate.after);
  if (gate.function === 'sigmoid' && isUnchanged(gate.before))
    return { ...gate, function: 'silu', after: factor };
  if (gate.function === 'relu6' && near(gate.before.scale, 1) && near(gate.before.shift, 3))
    return {
      ...gate,
      before: unchanged,
      function: 'hardSwish',
      after: compose({ scale: 6, shift: 0 }, factor),
    };
  return undefined;
}

function writeAffine(writer: GraphWriter, x: string, affine: Affine, name: string): string {
  if (isUnchanged(affine)) return x;
  const channels = writer.builder.channels(x);
  writer.reserve(4 * channels);
  const fill = (values: Numbers): Float32Array =>
    typeof values === 'number' ? new Float32Array(channels).fill(values) : Float32Array.from(values);
  const keep = (part: string, values: Numbers): string =>
    writer.parameter(`${name}.${part}`, [channels], fill(values));
  const [scale, shift] = [keep('weight', affine.scale), keep('bias', affine.shift)];
  const [mean, variance] = [keep('running_mean', 0), keep('running_var', 1)];
  const shape = [channels];
  return writer.add(
    {
      kind: 'batchNorm',
      name: writer.unique(name),
      inputs: [x],
      channels,
      eps: 0,
      momentum: 0.1,
      scale,
      shift,
      mean,
      variance,
    },
    {
      [scale]: { shape, role: 'scale' },
      [shift]: { shape, role: 'shift' },
      [mean]: { shape, role: 'statistic' },
      [variance]: { shape, role: 'statistic' },
    },
  );
}

/** Writes a formula as nodes: affine steps are batch norms, which fold into a convolution before them. */
export function writeFormula(writer: GraphWriter, formula: FormulaValue, name: string): string {
  let { before, function: fn, after } = formula;
  if (fn === null) return writeAffine(writer, formula.base, before, name);
  if (fn === 'relu6' && near(before.scale, 1) && near(before.shift, 3)) {
    before = unchanged;
    fn = 'hardSigmoid';
    after = compose(after, { scale: 6, shift: 0 });
  }
  const last = isUnchanged(after);
  const x = writeAffine(writer, formula.base, before, `${name}.before`);
  const activated = writer.add({
    kind: 'activation',
    name: writer.unique(last ? name : `${name}.${fn}`),
    inputs: [x],
    function: fn,
  });
  return writeAffine(writer, activated, after, name);
}
