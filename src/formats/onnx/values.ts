/**
 * What a value of an ONNX graph can be while the graph is read. Only maps become nodes: reshapes, transposes, slices,
 * paddings and elementwise formulas wait as values until someone needs a map, so that a channel shuffle written as
 * reshape-transpose-reshape or a hard-swish written as Add-Clip-Mul-Div is seen whole.
 *
 * Shapes are for one image: N = 1. Shape legend: maps are [1, C, H, W], features [1, F].
 */
import type { ActivationName, Padding } from '../../graph/nodes.js';
import type { Constant } from './tensor-data.js';

/** A run of `size` elements of the base, `stride` apart. */
export interface Factor {
  readonly size: number;
  readonly stride: number;
}

/** Elements of a node's output in another order or shape; each dimension is a product of factors, outermost first. */
export interface ViewValue {
  readonly kind: 'view';
  readonly base: string;
  readonly offset: number;
  readonly dims: readonly (readonly Factor[])[];
}

/** a * x + b, the same for all channels or one number a channel. */
export interface Affine {
  readonly scale: number | Float64Array;
  readonly shift: number | Float64Array;
}

/** after(function(before(base))); the function may be absent. */
export interface FormulaValue {
  readonly kind: 'formula';
  readonly base: string;
  readonly shape: readonly number[];
  readonly before: Affine;
  readonly function: ActivationName | null;
  readonly after: Affine;
}

/** A map with a rim of one number, which a convolution or a pool may take as its padding. */
export interface PaddedValue {
  readonly kind: 'padded';
  readonly base: string;
  readonly shape: readonly number[];
  readonly padding: Padding;
  readonly fill: 'zero' | 'lowest';
}

/** x W, waiting for the bias that may be added next. Weight [outFeatures, inFeatures]. */
export interface ProductValue {
  readonly kind: 'product';
  readonly base: string;
  readonly shape: readonly number[];
  readonly weight: Constant;
  readonly weightName: string;
}

export interface ConstantValue {
  readonly kind: 'constant';
  readonly constant: Constant;
}

/** The result of something that is not supported and was reported. */
export interface UnknownValue {
  readonly kind: 'unknown';
}

export type Value = ViewValue | FormulaValue | PaddedValue | ProductValue | ConstantValue | UnknownValue;

export const unchanged: Affine = { scale: 1, shift: 0 };

/** Row-major factors of a shape. */
export function wholeView(base: string, shape: readonly number[]): ViewValue {
  let stride = 1;
  const dims: Factor[][] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    dims.unshift(size === 1 ? [] : [{ size, stride }]);
    stride *= size;
  }
  return { kind: 'view', base, offset: 0, dims };
}

export function dimSize(factors: readonly Factor[]): number {
  return factors.reduce((product, { size }) => product * size, 1);
}

/** Undefined when unknown. */
export function valueShape(value: Value): readonly number[] | undefined {
  if (value.kind === 'unknown') return undefined;
  if (value.kind === 'constant') return value.constant.shape;
  return value.kind === 'view' ? value.dims.map(dimSize) : value.shape;
}

/** Joins neighbours that are one run. */
function simplified(factors: readonly Factor[]): Factor[] {
  const result: Factor[] = [];
  for (const factor of factors) {
    const last = result.at(-1);
    if (last && last.stride === factor.stride * factor.size)
      result[result.length - 1] = { size: last.size * factor.size, stride: factor.stride };
    else if (factor.size !== 1) result.push(factor);
  }
  return result;
}

/** Whether a view is all `count` elements of its base in their order. */
export function isWhole(view: ViewValue, count: number): boolean {
  const [factor, ...more] = simplified(view.dims.flat());
  if (view.offset !== 0 || more.length > 0) return false;
  return factor ? factor.size === count && factor.stride === 1 : count === 1;
}

/** The same elements in another shape, or undefined when the factors cannot be cut so. */
export function reshapeView(view: ViewValue, shape: readonly number[]): ViewValue | undefined {
  const waiting = simplified(view.dims.flat());
  const dims: Factor[][] = [];
  for (const size of shape) {
    const taken: Factor[] = [];
    let left = size;
    while (left > 1) {
      const next = waiting.shift();
      if (!next) return undefined;
      if (left % next.size === 0) {
        taken.push(next);
        left /= next.size;
      } else if (next.size % left === 0) {
        const rest = next.size / left;
        taken.push({ size: left, stride: next.stride * rest });
        waiting.unshift({ size: rest, stride: next.stride });
        left = 1;
      } else return undefined;
    }
    dims.push(simplified(taken));
  }
  return waiting.length === 0 ? { ...view, dims } : undefined;
}

/** `count` elements from `start` on, `step` apart, of one axis; undefined when the axis is of several factors. */
export function sliceView(
  view: ViewValue,
  axis: number,
  range: { readonly start: number; readonly step: number; readonly count: number },
): ViewValue | undefined {
  const factors = view.dims[axis]!;
  const { start, step, count } = range;
  if (start === 0 && step === 1 && count === dimSize(factors)) return view;
  if (factors.length > 1) return undefined;
  const stride = factors[0]?.stride ?? 0;
  const cut = count === 1 ? [] : [{ size: count, stride: stride * step }];
  return {
    ...view,
    offset: view.offset + start * stride,
    dims: view.dims.map((dim, i) => (i === axis ? cut : dim)),
  };
}

export function transposeView(view: ViewValue, order: readonly number[]): ViewValue {
  return { ...view, dims: order.map((axis) => view.dims[axis]!) };
}

/** Offsets into the base of all elements along some factors, in order. */
export function offsetsOf(factors: readonly Factor[], from = 0): Int32Array {
  let offsets = Int32Array.of(from);
  for (const { size, stride } of factors) {
    const next = new Int32Array(offsets.length * size);
    offsets.forEach((offset, i) => {
      for (let k = 0; k < size; k++) next[i * size + k] = offset + k * stride;
    });
    offsets = next;
  }
  return offsets;
}
