/** What `ghostnet inspect` says of a tensor. */

/** Part of the `--json` contract. */
export interface TensorFacts {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly min: number | null;
  readonly max: number | null;
  readonly notFinite: number;
}

/** Shape and range of a tensor's values. */
export function tensorFacts(
  name: string,
  dtype: string,
  tensor: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
): TensorFacts {
  let [min, max, notFinite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (let i = 0; i < tensor.data.length; i++) {
    const value = tensor.data[i]!;
    if (!Number.isFinite(value)) notFinite++;
    else {
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  const none = notFinite === tensor.data.length;
  return { name, dtype, shape: tensor.shape, min: none ? null : min, max: none ? null : max, notFinite };
}
