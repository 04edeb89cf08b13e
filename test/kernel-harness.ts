/**
 * Runs one compiled kernel on buffers of a test. Buffers lie between guards of NaN: a kernel that reads beyond its
 * input shows NaN in its output, one that writes beyond its output breaks a guard.
 */
import { FunctionBuilder } from '../src/compiler/emitter/function.js';
import { ModuleBuilder } from '../src/compiler/emitter/module.js';
import type { Activation, Isa } from '../src/compiler/kernels/kernel.js';
import { emitKernel, type KernelSpec } from '../src/compiler/kernels/registry.js';

/** Whether this engine runs relaxed SIMD. */
export const hasRelaxed = (() => {
  const f = new FunctionBuilder([]);
  const v = f.local('v128');
  f.multiplyAdd(v, v, v, true);
  const module = new ModuleBuilder();
  module.add(f, 'run');
  return WebAssembly.validate(module.encode({ initial: 1 }) as BufferSource);
})();

/** The instruction sets to test here. */
export const isas: readonly Isa[] = hasRelaxed
  ? [{ relaxed: false }, { relaxed: true }, { relaxed: true, narrow: true }]
  : [{ relaxed: false }];

export type Buffer_ = Float32Array | Int32Array | null;

/**
 * Calls the kernel with the addresses of `buffers` (null: 0, a repeated array: the same address) once for every range
 * of units and leaves the results in the buffers. Throws when a guard is broken.
 */
export function runKernel(
  spec: KernelSpec,
  isa: Isa,
  buffers: readonly Buffer_[],
  ranges: readonly (readonly [number, number])[],
): void {
  const guard = 64;
  const addresses = new Map<Float32Array | Int32Array, number>();
  let top = guard;
  for (const buffer of buffers) {
    if (!buffer || addresses.has(buffer)) continue;
    addresses.set(buffer, top * 4);
    top += Math.ceil(buffer.length / 4) * 4 + guard;
  }
  const pages = Math.ceil((top * 4) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages });
  const floats = new Float32Array(memory.buffer).fill(Number.NaN);
  const words = new Int32Array(memory.buffer);
  const guardWord = words[0];
  for (const [buffer, address] of addresses)
    (buffer instanceof Int32Array ? words : floats).set(buffer, address / 4);
  const module = new ModuleBuilder();
  module.add(emitKernel(spec, isa), 'run');
  const compiled = new WebAssembly.Module(module.encode({ initial: pages }) as BufferSource);
  const { run } = new WebAssembly.Instance(compiled, { env: { memory } }).exports as {
    run: (...args: number[]) => void;
  };
  for (const [from, to] of ranges)
    run(...buffers.map((b) => (b ? (addresses.get(b) as number) : 0)), from, to);
  let at = 0;
  for (const [buffer, address] of addresses) {
    for (; at < address / 4; at++)
      if (words[at] !== guardWord) throw new Error(`guard broken at word ${at}: ${JSON.stringify(spec)}`);
    at += buffer.length;
    buffer.set((buffer instanceof Int32Array ? words : floats).subarray(address / 4, at));
  }
  for (; at < words.length; at++)
    if (words[at] !== guardWord) throw new Error(`guard broken at word ${at}: ${JSON.stringify(spec)}`);
}

/** Repeatable values in [-1, 1). */
export function values(length: number, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Planar [C][P] to quads [ceil(C/4)][P][4]; missing lanes are zero. */
export function toQuads(planar: ArrayLike<number>, C: number, P: number): Float32Array {
  const quads = new Float32Array(Math.ceil(C / 4) * P * 4);
  for (let c = 0; c < C; c++)
    for (let p = 0; p < P; p++) quads[((c >> 2) * P + p) * 4 + (c & 3)] = planar[c * P + p] as number;
  return quads;
}

/** The plain definition of every activation. */
export function activate(x: number, activation: Activation): number {
  switch (activation) {
    case null:
      return x;
    case 'relu':
      return Math.max(0, x);
    case 'relu6':
      return Math.min(6, Math.max(0, x));
    case 'hardSigmoid':
      return Math.min(6, Math.max(0, x + 3)) / 6;
    case 'hardSwish':
      return (x * Math.min(6, Math.max(0, x + 3))) / 6;
    case 'sigmoid':
      return 1 / (1 + Math.exp(-x));
    case 'silu':
      return x / (1 + Math.exp(-x));
  }
}

/** Largest difference, relative to 1 or the expected value, whichever is larger; NaN counts as infinite. */
export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    const d = Math.abs(a - e) / Math.max(1, Math.abs(e));
    if (!(d <= worst)) worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }
  return worst;
}

/** [0, units) cut into ranges of the given lengths. */
export function cut(lengths: readonly number[]): readonly (readonly [number, number])[] {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return [at - length, at] as const;
  });
}
