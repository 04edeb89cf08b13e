/**
 * What this machine can do at most, measured by loops that do nothing else: multiply-adds on registers, the same beside the
 * loads of a matrix tile, and a plain sum over memory.
 */
import { FunctionBuilder } from '../../src/compiler/emitter/function.js';
import { ModuleBuilder } from '../../src/compiler/emitter/module.js';
import type { Isa } from '../../src/compiler/kernels/kernel.js';

/** The function as the one export of a module that imports this memory. */
export function instantiate(
  f: FunctionBuilder,
  memory: WebAssembly.Memory,
): { readonly run: (...args: number[]) => void; readonly bytes: number } {
  const module = new ModuleBuilder();
  module.add(f, 'run');
  const encoded = module.encode({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(encoded as BufferSource), {
    env: { memory },
  });
  return { run: exports['run'] as (...args: number[]) => void, bytes: encoded.length };
}

/** Whether this engine has the fused multiply-add. */
export function hasRelaxed(): boolean {
  const f = new FunctionBuilder([]);
  const v = f.local('v128');
  f.multiplyAdd(v, v, v, true);
  const module = new ModuleBuilder();
  module.add(f, 'run');
  return WebAssembly.validate(module.encode({ initial: 1 }) as BufferSource);
}

/** Least milliseconds of a call, after warming up. */
function least(call: () => void): number {
  const warm = performance.now() + 60;
  while (performance.now() < warm) call();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 60; round++) {
    const start = performance.now();
    for (let i = 0; i < 8; i++) call();
    best = Math.min(best, (performance.now() - start) / 8);
  }
  return best;
}

/** Stores the sum of vectors at address 0, so that none of them is left out by the engine. */
function keep(f: FunctionBuilder, values: readonly number[]): void {
  f.i32Const(0);
  values.forEach((value, i) => {
    f.get(value);
    if (i > 0) f.op('f32x4Add');
  });
  f.mem('v128Store');
}

const own = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 1 });

/** GFLOP/s of 12 independent chains of multiply-adds in registers. */
export function measurePeak(isa: Isa): number {
  const f = new FunctionBuilder(['i32']);
  const chains = f.scratch('v128', 12);
  const [a, b] = [f.local('v128'), f.local('v128')];
  f.f32x4Const(1e-9).set(a).f32x4Const(1e-9).set(b);
  f.loop((again) => {
    for (let r = 0; r < 4; r++) for (const chain of chains) f.multiplyAdd(chain, a, b, isa.relaxed);
    f.get(0).i32Const(1).op('i32Sub').tee(0).brIf(again);
  });
  keep(f, chains);
  const { run } = instantiate(f, own());
  const steps = 2000;
  return (steps * 4 * 12 * 8) / least(() => run(steps)) / 1e6;
}

/**
 * GFLOP/s of the innermost loop of a matrix product, on data in the first cache: the multiply-adds of a tile of m pixels by
 * two quads beside its m + 2 loads and the steps of its two addresses. 6 pixels with fusion, 4 without, the largest tiles
 * whose values fit the registers that V8 leaves.
 */
export function measureTilePeak(isa: Isa): number {
  const m = isa.relaxed ? 6 : 4;
  const channels = 256;
  const f = new FunctionBuilder(['i32']);
  const sums = f.scratch('v128', 2 * m);
  const [x, w0, w1] = [f.local('v128'), f.local('v128'), f.local('v128')];
  const [weight, input] = [f.local('i32'), f.local('i32')];
  f.loop((again) => {
    f.i32Const(8192).set(weight).i32Const(1024).set(input);
    f.loop((next) => {
      f.get(weight).mem('v128Load').set(w0).get(weight).mem('v128Load', 16).set(w1);
      for (let i = 0; i < m; i++) {
        f.get(input)
          .mem('v128Load32Splat', i * 16)
          .set(x);
        f.multiplyAdd(sums[2 * i] as number, x, w0, isa.relaxed);
        f.multiplyAdd(sums[2 * i + 1] as number, x, w1, isa.relaxed);
      }
      f.increment(weight, 32).increment(input, 4);
      f.get(input)
        .i32Const(1024 + channels * 4)
        .op('i32LtU')
        .brIf(next);
    });
    f.get(0).i32Const(1).op('i32Sub').tee(0).brIf(again);
  });
  keep(f, sums);
  const { run } = instantiate(f, own());
  const steps = 40;
  return (steps * channels * 2 * m * 8) / least(() => run(steps)) / 1e6;
}

/** (address, bytes): adds up the floats there, a multiple of 128 bytes, and forgets the sum. */
export function sumOver(memory: WebAssembly.Memory): (address: number, bytes: number) => void {
  const f = new FunctionBuilder(['i32', 'i32']);
  const sums = f.scratch('v128', 8);
  const end = f.local('i32');
  f.get(0).get(1).op('i32Add').set(end);
  f.loop((again) => {
    sums.forEach((sum, i) => {
      f.get(sum)
        .get(0)
        .mem('v128Load', i * 16)
        .op('f32x4Add')
        .set(sum);
    });
    f.increment(0, 128).get(0).get(end).op('i32LtU').brIf(again);
  });
  keep(f, sums);
  return instantiate(f, memory).run;
}
