/**
 * A layer's weight as a product of thinner ones, by rank: a matrix by singular value decomposition, a k x k convolution
 * by Tucker-2 (Kim et al. 2016, "Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile
 * Applications"; factors by higher-order SVD). Where responses are known, the outputs' directions are their principal
 * ones (Zhang et al. 2016, "Accelerating Very Deep Convolutional Networks", section 3.1) instead of the weights'.
 *
 * Shape legend: weight [O, C, P] with P kernel positions; R ranks.
 */
import { gramOfRows, symmetricEigen } from '../eigen.js';

/** Directions of the outputs and inputs of one layer, most important first, and how much each holds. */
export interface Directions {
  /** [O, O], a unit vector a row; `energy` [O] sums to 1. Of a tall matrix [C, C], directions of the inputs. */
  readonly out: { readonly vectors: Float64Array; readonly energy: Float64Array };
  /** Whether `out` holds directions of the inputs: a tall matrix is cut there, where it has fewer. */
  readonly tall: boolean;
  /** [C, C]; absent for a matrix, which is cut on one side only. */
  readonly in?: { readonly vectors: Float64Array; readonly energy: Float64Array };
}

export interface WeightShape {
  readonly outputs: number;
  readonly inputs: number;
  readonly positions: number;
}

function directionsOf(gram: Float64Array, n: number): { vectors: Float64Array; energy: Float64Array } {
  const { values, vectors } = symmetricEigen(gram, n);
  const positive = values.map((value) => Math.max(value, 0));
  const total = positive.reduce((sum, value) => sum + value, 0);
  return { vectors, energy: total > 0 ? positive.map((value) => value / total) : positive };
}

/** The weight with inputs first: [C, O*P]. */
function inputsFirst(weight: ArrayLike<number>, { outputs, inputs, positions }: WeightShape): Float64Array {
  const unfolded = new Float64Array(outputs * inputs * positions);
  for (let o = 0; o < outputs; o++)
    for (let c = 0; c < inputs; c++)
      for (let p = 0; p < positions; p++)
        unfolded[(c * outputs + o) * positions + p] = weight[(o * inputs + c) * positions + p] as number;
  return unfolded;
}

/** Directions of a weight; `responses`, the covariance [O, O] of the outputs over pictures, replaces the outputs'. */
export function weightDirections(
  weight: ArrayLike<number>,
  shape: WeightShape,
  responses?: Float64Array,
): Directions {
  const { outputs, inputs, positions } = shape;
  const byInputs = (): { vectors: Float64Array; energy: Float64Array } =>
    directionsOf(gramOfRows(inputsFirst(weight, shape), inputs, outputs * positions), inputs);
  if (positions === 1 && inputs < outputs && !responses) return { out: byInputs(), tall: true };
  const out = directionsOf(responses ?? gramOfRows(weight, outputs, inputs * positions), outputs);
  return positions === 1 ? { out, tall: false } : { out, tall: false, in: byInputs() };
}

/** The most ranks that a cut of the outputs can have. */
export function mostRank({ outputs, inputs }: WeightShape, { tall }: Directions): number {
  return tall ? inputs : outputs;
}

/** The smallest rank whose directions hold `share` of the energy; at least 1. */
export function rankFor(energy: Float64Array, share: number): number {
  let [sum, rank] = [0, 0];
  while (rank < energy.length && (rank === 0 || sum < share - 1e-12)) sum += energy[rank++] as number;
  return rank;
}

export interface Factors {
  /** [R1, C], or absent when inputs are not cut. */
  readonly reduce: Float32Array | undefined;
  /** [R2, R1 or C, P]. */
  readonly core: Float32Array;
  /** [O, R2]. */
  readonly expand: Float32Array;
}

/** The weight at these ranks; `rankIn` equal to the inputs leaves the inputs uncut. */
export function factorize(
  weight: ArrayLike<number>,
  shape: WeightShape,
  directions: Directions,
  ranks: { readonly out: number; readonly in: number },
): Factors {
  const { outputs, inputs, positions } = shape;
  const row = inputs * positions;
  if (directions.tall) {
    const { vectors } = directions.out;
    const thin = new Float32Array(outputs * ranks.out);
    for (let o = 0; o < outputs; o++)
      for (let r = 0; r < ranks.out; r++) {
        let sum = 0;
        for (let c = 0; c < inputs; c++)
          sum += (weight[o * inputs + c] as number) * (vectors[r * inputs + c] as number);
        thin[o * ranks.out + r] = sum;
      }
    return {
      reduce: undefined,
      core: Float32Array.from(vectors.subarray(0, ranks.out * inputs)),
      expand: thin,
    };
  }
  // outputs projected: [R2, C, P]
  const projected = new Float64Array(ranks.out * row);
  for (let r = 0; r < ranks.out; r++)
    for (let o = 0; o < outputs; o++) {
      const u = directions.out.vectors[r * outputs + o] as number;
      for (let k = 0; k < row; k++)
        projected[r * row + k] = (projected[r * row + k] as number) + u * (weight[o * row + k] as number);
    }
  const expand = new Float32Array(outputs * ranks.out);
  for (let o = 0; o < outputs; o++)
    for (let r = 0; r < ranks.out; r++)
      expand[o * ranks.out + r] = directions.out.vectors[r * outputs + o] as number;
  if (!directions.in || ranks.in >= inputs)
    return { reduce: undefined, core: Float32Array.from(projected), expand };
  const { vectors } = directions.in;
  const core = new Float64Array(ranks.out * ranks.in * positions);
  for (let r = 0; r < ranks.out; r++)
    for (let q = 0; q < ranks.in; q++)
      for (let c = 0; c < inputs; c++) {
        const v = vectors[q * inputs + c] as number;
        const [to, from] = [(r * ranks.in + q) * positions, r * row + c * positions];
        for (let p = 0; p < positions; p++)
          core[to + p] = (core[to + p] as number) + v * (projected[from + p] as number);
      }
  return {
    reduce: Float32Array.from(vectors.subarray(0, ranks.in * inputs)),
    core: Float32Array.from(core),
    expand,
  };
}
