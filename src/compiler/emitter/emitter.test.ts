/** The emitter's output validates and computes what it says; small functions, run by the engine. */
import { describe, expect, it } from 'vitest';
import { ByteWriter } from './bytes.js';
import { FunctionBuilder } from './function.js';
import { ModuleBuilder } from './module.js';

type Fn = (...args: number[]) => number;

function build(
  make: (module: ModuleBuilder) => void,
  memory = new WebAssembly.Memory({ initial: 1 }),
): Record<string, Fn> {
  const module = new ModuleBuilder();
  make(module);
  const bytes = module.encode({ initial: 1 });
  expect(WebAssembly.validate(bytes as BufferSource)).toBe(true);
  const compiled = new WebAssembly.Module(bytes as BufferSource);
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as Record<string, Fn>;
}

describe('LEB128', () => {
  it.each([
    [0, [0]],
    [127, [127]],
    [128, [128, 1]],
    [624485, [0xe5, 0x8e, 0x26]],
    [0xffffffff, [255, 255, 255, 255, 15]],
  ])('unsigned %i', (value, bytes) => {
    const writer = new ByteWriter(1);
    writer.unsigned(value);
    expect([...writer.view()]).toEqual(bytes);
  });

  it.each([
    [0, [0]],
    [63, [63]],
    [64, [0xc0, 0]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-123456, [0xc0, 0xbb, 0x78]],
    [-(2 ** 31), [0x80, 0x80, 0x80, 0x80, 0x78]],
  ])('signed %i', (value, bytes) => {
    const writer = new ByteWriter(1);
    writer.signed(value);
    expect([...writer.view()]).toEqual(bytes);
  });
});

describe('functions', () => {
  it('loops, branches, calls and shares pooled locals', () => {
    const { factorial, twice } = build((module) => {
      const f = new FunctionBuilder(['i32'], ['i32']);
      const [product = 0] = f.scratch('i32', 1);
      expect(f.scratch('i32', 1)[0]).toBe(product);
      f.i32Const(1).set(product);
      f.block((done) => {
        f.loop((again) => {
          f.get(0).op('i32Eqz').brIf(done);
          f.get(product).get(0).op('i32Mul').set(product);
          f.increment(0, -1).br(again);
        });
      });
      f.get(product);
      const index = module.add(f, 'factorial');
      const g = new FunctionBuilder(['i32'], ['i32']);
      const r = g.local('i32');
      g.get(0).if(
        () => g.get(0).call(index).set(r),
        () => g.i32Const(-7).set(r),
      );
      g.get(r).i32Const(2).op('i32Mul');
      module.add(g, 'twice');
    });
    expect(factorial?.(6)).toBe(720);
    expect(twice?.(5)).toBe(240);
    expect(twice?.(0)).toBe(-14);
  });

  it('multiplies and adds vectors in memory', () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const floats = new Float32Array(memory.buffer);
    floats.set([1, 2, 3, 4, 10, 20, 30, 40], 0);
    const { run } = build((module) => {
      const f = new FunctionBuilder([]);
      const [a, b, sum] = [f.local('v128'), f.local('v128'), f.local('v128')];
      f.i32Const(0).mem('v128Load').set(a).i32Const(0).mem('v128Load32Splat', 16).set(b);
      f.f32x4Const(0.5).set(sum).multiplyAdd(sum, a, b, false);
      f.i32Const(64).get(sum).get(sum).shuffle32(3, 2, 5, 4).mem('v128Store');
      const n = f.local('i32');
      f.repeat(n, 3, () =>
        f.i32Const(80).i32Const(80).mem('i32Load').i32Const(5).op('i32Add').mem('i32Store'),
      );
      module.add(f, 'run');
    }, memory);
    run?.();
    expect([...floats.subarray(16, 20)]).toEqual([40.5, 30.5, 20.5, 10.5]);
    expect(new Int32Array(memory.buffer)[20]).toBe(15);
  });

  it('makes one function a key', () => {
    const module = new ModuleBuilder();
    const make = (): FunctionBuilder => new FunctionBuilder([]);
    expect(module.once('a', make)).toBe(module.once('a', make));
    expect(module.once('b', make)).toBe(1);
    expect(module.functionCount).toBe(2);
  });
});
