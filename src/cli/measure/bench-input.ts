/** The input that everybody gets who is timed. */

/** A fixed input for everybody: values of a normalised picture's size, the same on every machine. */
export function benchInput(shape: readonly number[]): Float32Array {
  let state = 12345;
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return ((state >>> 8) / 2 ** 24 - 0.5) * 4;
  });
}
