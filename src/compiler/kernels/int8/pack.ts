/** Weights and constants of int8 kernels in the order in which the kernels read them. */
import type { Epilogue } from '../../../passes/quantize/arithmetic.js';
import { constantBytes, type Element, magicBits } from './element.js';

/**
 * Six vectors a quad: bias, multiplier, residual, post, offset, and what turns a rounded float's bits into steps. Where
 * sums are rounded in 16 bits, behind the bias are factors, zero points, and what residuals, products or hard
 * activations need, for two pixels.
 */
export function packConstants(epilogue: Epilogue, positions: Int32Array, quads: number): Int32Array {
  const words = new Int32Array((quads * constantBytes) / 4);
  const floats = new Float32Array(words.buffer);
  for (let i = 0; i < words.length; i += 24) words.fill(magicBits, i + 20, i + 24);
  const shorts = new Int16Array(words.buffer);
  positions.forEach((position, c) => {
    if (position < 0) return;
    const base = (position >> 2) * 24 + (position & 3);
    if (epilogue.narrow) {
      words[base] = epilogue.bias[c] as number;
      const pair = (position >> 2) * 48 + (position & 3);
      for (const lane of [pair, pair + 4]) {
        shorts[lane + 8] = epilogue.narrow.factors[c] as number;
        const { eighths, hard } = epilogue.narrow;
        shorts[lane + 16] = (eighths?.offset ?? epilogue.zeroPoint)[c] as number;
        shorts[lane + 24] = (hard?.ends ?? eighths?.residual ?? epilogue.bias)[c] as number;
        shorts[lane + 32] = hard ? 2 * (hard.ends[c] as number) : (epilogue.offset[c] as number);
      }
      return;
    }
    words[base] = epilogue.bias[c] as number;
    floats[base + 4] = epilogue.multiplier[c] as number;
    floats[base + 8] = epilogue.residual[c] as number;
    floats[base + 12] = epilogue.post[c] as number;
    floats[base + 16] = epilogue.offset[c] as number;
    words[base + 20] = magicBits - (epilogue.zeroPoint[c] as number);
  });
  return words;
}

export type Packed = Int8Array | Int16Array;

function array(element: Element, length: number): Packed {
  return element.bytes === 1 ? new Int8Array(length) : new Int16Array(length);
}

/**
 * A filter [N][C][taps] in stored order (N and C multiples of 4) to [N/8][C/4][taps][words][2][4][perWord]: pairs of
 * output quads, a word of input channels at a time.
 */
export function packFilter(weights: Int8Array, N: number, C: number, taps: number, element: Element): Packed {
  const { perWord, words } = element;
  const packed = array(element, Math.ceil(N / 8) * 8 * C * taps);
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let tap = 0; tap < taps; tap++) {
        const word = (((c >> 2) * taps + tap) * words + Math.floor((c & 3) / perWord)) * 8 + (n & 7);
        const at = ((n >> 3) * (C / 4) * taps * words * 8 + word) * perWord + (c % perWord);
        packed[at] = weights[(n * C + c) * taps + tap] as number;
      }
  return packed;
}
