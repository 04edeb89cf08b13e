/** Every named instruction is one that the engine knows, with the operands and the result that its name promises. */
import { describe, expect, it } from 'vitest';
import { FunctionBuilder } from './function.js';
import { ModuleBuilder } from './module.js';
import { memory, type PlainName, plain, type SimdName, simd, type ValueType } from './opcodes.js';

type Signature = readonly [operands: readonly ValueType[], result: ValueType | null];

function validates(
  [operands, result]: Signature,
  emit: (f: FunctionBuilder) => void,
  shared = false,
): boolean {
  const f = new FunctionBuilder(operands, result === null ? [] : [result]);
  for (let i = 0; i < operands.length; i++) f.get(i);
  emit(f);
  const module = new ModuleBuilder();
  module.add(f, 'run');
  const limits = shared ? { initial: 1, maximum: 1, shared } : { initial: 1 };
  return WebAssembly.validate(module.encode(limits) as BufferSource);
}

const types = ['i32', 'f32', 'v128'] as const;
const operandLists: readonly (readonly ValueType[])[] = [
  ...types.map((type) => [type]),
  ...types.map((type) => [type, type]),
  ['v128', 'i32'],
  ['v128', 'v128', 'v128'],
];

/** The only signature that validates, as text; several mean that the instruction does not fix its types. */
function signatureOf(emit: (f: FunctionBuilder) => void): string {
  return operandLists
    .flatMap((operands) => types.map((result): Signature => [operands, result]))
    .filter((signature) => validates(signature, emit))
    .map(([operands, result]) => `${operands.join(' ')} > ${result}`)
    .join(', ');
}

const relaxed = validates([['v128', 'v128', 'v128'], 'v128'], (f) => f.op('f32x4RelaxedMadd'));

/** What a name promises. */
function expected(name: string): string {
  if (/^v128AnyTrue/.test(name)) return 'v128 > i32';
  if (/Splat$/.test(name)) return `${name.startsWith('f32') ? 'f32' : 'i32'} > v128`;
  if (/x\d/.test(name) || name.startsWith('v128')) {
    if (/Bitselect|Madd|Nmadd|AddS$/.test(name)) return 'v128 v128 v128 > v128';
    if (/Sh[lr]/.test(name)) return 'v128 i32 > v128';
    const unary =
      /Not$|Neg|Abs|Sqrt|Floor|Nearest|Extend|Pairwise|Trunc|Convert/.test(name) && !/AndNot/.test(name);
    return unary ? 'v128 > v128' : 'v128 v128 > v128';
  }
  const conversion = /^(i32|f32)(?:Trunc|Convert|Reinterpret)(I32|F32)/.exec(name);
  if (conversion) return `${conversion[2]?.toLowerCase()} > ${conversion[1]}`;
  const type = name.slice(0, 3);
  if (/Eqz|Abs|Neg|Sqrt/.test(name)) return `${type} > ${name.endsWith('Eqz') ? 'i32' : type}`;
  return `${type} ${type} > ${/^...(Eq|Ne|[LG][te])/.test(name) ? 'i32' : type}`;
}

const untyped = ['drop', 'select', 'return', 'unreachable'];

describe('instructions', () => {
  it.each(Object.keys(plain).filter((name) => !untyped.includes(name)) as PlainName[])('%s', (name) => {
    expect(signatureOf((f) => f.op(name))).toBe(expected(name));
  });
  it.each((Object.keys(simd) as SimdName[]).filter((name) => relaxed || !name.includes('elaxed')))(
    '%s',
    (name) => {
      expect(signatureOf((f) => f.op(name))).toBe(expected(name));
    },
  );
  it.each(Object.keys(memory) as (keyof typeof memory)[])('%s', (name) => {
    const value = name.startsWith('v128') ? 'v128' : name.startsWith('f32') ? 'f32' : 'i32';
    const emit = (f: FunctionBuilder): unknown => f.mem(name, 16);
    if (name === 'atomicWait32') {
      const wait = (f: FunctionBuilder): unknown => f.i64Const(-1).mem(name, 16);
      expect(validates([['i32', 'i32'], 'i32'], wait, true)).toBe(true);
    } else if (name === 'atomicNotify' || name === 'i32AtomicAdd')
      expect(validates([['i32', 'i32'], 'i32'], emit, true)).toBe(true);
    else if (name.includes('Store')) expect(validates([['i32', value], null], emit, true)).toBe(true);
    else expect(validates([['i32'], value], emit, true)).toBe(true);
  });
});
