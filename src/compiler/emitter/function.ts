/**
 * Builds the body of one WebAssembly function, instruction by instruction, straight into bytes. Methods are named
 * after the instructions; control flow takes closures (`f.loop(() => ...)`). Exact instruction order is the caller's:
 * nothing is reordered or optimised here.
 */
import { ByteWriter } from './bytes.js';

/** Value types of the binary format. */
export const valueTypes = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;
export type ValueType = keyof typeof valueTypes;

/** Index of a parameter or local. */
export type Local = number;

/** Two-operand and one-operand instructions that are a bare opcode. */
const plain = {
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i32GtS: 0x4a,
  i32GtU: 0x4b,
  i32LeS: 0x4c,
  i32LeU: 0x4d,
  i32GeS: 0x4e,
  i32GeU: 0x4f,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32DivU: 0x6e,
  i32RemU: 0x70,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Shl: 0x74,
  i32ShrS: 0x75,
  i32ShrU: 0x76,
  f32Lt: 0x5d,
  f32Gt: 0x5e,
  f32Abs: 0x8b,
  f32Neg: 0x8c,
  f32Sqrt: 0x91,
  f32Add: 0x92,
  f32Sub: 0x93,
  f32Mul: 0x94,
  f32Div: 0x95,
  f32Min: 0x96,
  f32Max: 0x97,
  f32ConvertI32S: 0xb2,
  f32ConvertI32U: 0xb3,
  i32TruncF32S: 0xa8,
  i32ReinterpretF32: 0xbc,
  f32ReinterpretI32: 0xbe,
  drop: 0x1a,
  select: 0x1b,
  return: 0x0f,
  unreachable: 0x00,
} as const;

/** SIMD instructions without immediates (after the 0xfd prefix). */
const simd = {
  i8x16Swizzle: 14,
  i8x16Splat: 15,
  i16x8Splat: 16,
  i32x4Splat: 17,
  f32x4Splat: 19,
  f32x4Eq: 0x41,
  f32x4Ne: 0x42,
  f32x4Lt: 0x43,
  f32x4Gt: 0x44,
  f32x4Le: 0x45,
  f32x4Ge: 0x46,
  i32x4Eq: 0x37,
  i32x4GtS: 0x3b,
  v128Not: 0x4d,
  v128And: 0x4e,
  v128AndNot: 0x4f,
  v128Or: 0x50,
  v128Xor: 0x51,
  v128Bitselect: 0x52,
  v128AnyTrue: 0x53,
  i8x16NarrowI16x8S: 0x65,
  i8x16NarrowI16x8U: 0x66,
  i8x16Add: 0x6e,
  i8x16Sub: 0x71,
  i16x8NarrowI32x4S: 0x85,
  i16x8NarrowI32x4U: 0x86,
  i16x8ExtendLowI8x16S: 0x87,
  i16x8ExtendHighI8x16S: 0x88,
  i16x8ExtendLowI8x16U: 0x89,
  i16x8ExtendHighI8x16U: 0x8a,
  i16x8Add: 0x8e,
  i16x8Mul: 0x95,
  i16x8MinS: 0x96,
  i16x8MaxS: 0x98,
  i32x4ExtendLowI16x8S: 0xa7,
  i32x4ExtendHighI16x8S: 0xa8,
  i32x4Shl: 0xab,
  i32x4ShrS: 0xac,
  i32x4ShrU: 0xad,
  i32x4Add: 0xae,
  i32x4Sub: 0xb1,
  i32x4Mul: 0xb5,
  i32x4MinS: 0xb6,
  i32x4MaxS: 0xb8,
  i32x4DotI16x8S: 0xba,
  f32x4Abs: 0xe0,
  f32x4Neg: 0xe1,
  f32x4Sqrt: 0xe3,
  f32x4Add: 0xe4,
  f32x4Sub: 0xe5,
  f32x4Mul: 0xe6,
  f32x4Div: 0xe7,
  f32x4Min: 0xe8,
  f32x4Max: 0xe9,
  f32x4Pmin: 0xea,
  f32x4Pmax: 0xeb,
  f32x4Floor: 0x68,
  f32x4Nearest: 0x6a,
  i32x4TruncSatF32x4S: 0xf8,
  f32x4ConvertI32x4S: 0xfa,
  f32x4RelaxedMadd: 0x105,
  f32x4RelaxedNmadd: 0x106,
  i16x8RelaxedDotI8x16I7x16S: 0x112,
  i32x4RelaxedDotI8x16I7x16AddS: 0x113,
} as const;

/** Memory instructions [prefix or 0, opcode, log2 alignment]; the offset is an argument. */
const memory = {
  i32Load: [0, 0x28, 2],
  i32Load8S: [0, 0x2c, 0],
  i32Load8U: [0, 0x2d, 0],
  f32Load: [0, 0x2a, 2],
  i32Store: [0, 0x36, 2],
  i32Store8: [0, 0x3a, 0],
  f32Store: [0, 0x38, 2],
  v128Load: [0xfd, 0, 4],
  v128Load8Splat: [0xfd, 7, 0],
  v128Load16Splat: [0xfd, 8, 1],
  v128Load32Splat: [0xfd, 9, 2],
  v128Load64Splat: [0xfd, 10, 3],
  v128Load32Zero: [0xfd, 92, 2],
  v128Load64Zero: [0xfd, 93, 3],
  v128Store: [0xfd, 11, 4],
  atomicNotify: [0xfe, 0x00, 2],
  atomicWait32: [0xfe, 0x01, 2],
  i32AtomicLoad: [0xfe, 0x10, 2],
  i32AtomicStore: [0xfe, 0x17, 2],
  i32AtomicAdd: [0xfe, 0x1e, 2],
} as const;

type PlainName = keyof typeof plain;
type SimdName = keyof typeof simd;
type MemoryName = keyof typeof memory;

export class FunctionBuilder {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #code = new ByteWriter(1024);
  readonly #pools = new Map<ValueType, Local[]>();
  #depth = 0;

  constructor(params: readonly ValueType[], results: readonly ValueType[] = []) {
    this.params = params;
    this.results = results;
  }

  /** A new local, zero at entry. */
  local(type: ValueType): Local {
    this.#locals.push(type);
    return this.params.length + this.#locals.length - 1;
  }

  /** `count` locals of a type from a pool that every call shares: for scratch values of separate code parts. */
  scratch(type: ValueType, count: number): readonly Local[] {
    const pool = this.#pools.get(type) ?? [];
    this.#pools.set(type, pool);
    while (pool.length < count) pool.push(this.local(type));
    return pool.slice(0, count);
  }

  get(local: Local): this {
    this.#code.byte(0x20);
    this.#code.unsigned(local);
    return this;
  }
  set(local: Local): this {
    this.#code.byte(0x21);
    this.#code.unsigned(local);
    return this;
  }
  tee(local: Local): this {
    this.#code.byte(0x22);
    this.#code.unsigned(local);
    return this;
  }

  i32Const(value: number): this {
    this.#code.byte(0x41);
    this.#code.signed(value);
    return this;
  }
  f32Const(value: number): this {
    this.#code.byte(0x43);
    this.#code.float32(value);
    return this;
  }
  /** A v128 constant of four equal floats. */
  f32x4Const(value: number): this {
    return this.v128Const(new Uint8Array(Float32Array.of(value, value, value, value).buffer));
  }
  /** A v128 constant of four equal 32-bit integers. */
  i32x4Const(value: number): this {
    return this.v128Const(new Uint8Array(Int32Array.of(value, value, value, value).buffer));
  }
  v128Const(bytes: Uint8Array): this {
    this.#simdOpcode(12);
    this.#code.bytes(bytes);
    return this;
  }

  /** Any instruction that is a bare opcode. */
  op(name: PlainName | SimdName): this {
    if (name in plain) this.#code.byte(plain[name as PlainName]);
    else this.#simdOpcode(simd[name as SimdName]);
    return this;
  }

  /** A load, store or atomic with a constant byte offset; the address is on the stack. */
  mem(name: MemoryName, offset = 0): this {
    const [prefix, opcode, align] = memory[name];
    if (prefix === 0) this.#code.byte(opcode);
    else {
      this.#code.byte(prefix);
      this.#code.unsigned(opcode);
    }
    this.#code.unsigned(align);
    this.#code.unsigned(offset);
    return this;
  }

  /** Lanes of 32 bits picked from two vectors: 0-3 the first's, 4-7 the second's. */
  shuffle32(a: number, b: number, c: number, d: number): this {
    return this.shuffle8(
      [a, b, c, d].flatMap((lane) => [lane * 4, lane * 4 + 1, lane * 4 + 2, lane * 4 + 3]),
    );
  }
  /** Sixteen lanes of 8 bits picked from two vectors. */
  shuffle8(lanes: readonly number[]): this {
    this.#simdOpcode(13);
    this.#code.bytes(lanes);
    return this;
  }
  extractF32(lane: number): this {
    this.#simdOpcode(31);
    this.#code.byte(lane);
    return this;
  }
  extractI32(lane: number): this {
    this.#simdOpcode(27);
    this.#code.byte(lane);
    return this;
  }
  replaceF32(lane: number): this {
    this.#simdOpcode(32);
    this.#code.byte(lane);
    return this;
  }
  /** One 32-bit lane of the vector on the stack stored at the address below it. */
  storeLane32(lane: number, offset = 0): this {
    this.#simdOpcode(90);
    this.#code.unsigned(2);
    this.#code.unsigned(offset);
    this.#code.byte(lane);
    return this;
  }
  /** One 32-bit lane of the vector on the stack loaded from the address below it. */
  loadLane32(lane: number, offset = 0): this {
    this.#simdOpcode(86);
    this.#code.unsigned(2);
    this.#code.unsigned(offset);
    this.#code.byte(lane);
    return this;
  }

  /** local += value. */
  increment(local: Local, value: number): this {
    return value === 0 ? this : this.get(local).i32Const(value).op('i32Add').set(local);
  }

  /** accumulator += a * b, fused when `relaxed`. */
  multiplyAdd(accumulator: Local, a: Local, b: Local, relaxed: boolean): this {
    if (relaxed) return this.get(a).get(b).get(accumulator).op('f32x4RelaxedMadd').set(accumulator);
    return this.get(accumulator).get(a).get(b).op('f32x4Mul').op('f32x4Add').set(accumulator);
  }

  block(body: (label: Label) => void): this {
    return this.#structured(0x02, body);
  }
  /** A loop; branching to its label starts it again. */
  loop(body: (label: Label) => void): this {
    return this.#structured(0x03, body);
  }
  /** Takes an i32 from the stack; void arms. */
  if(then: () => void, otherwise?: () => void): this {
    this.#code.byte(0x04);
    this.#code.byte(0x40);
    this.#depth++;
    then();
    if (otherwise) {
      this.#code.byte(0x05);
      otherwise();
    }
    this.#depth--;
    this.#code.byte(0x0b);
    return this;
  }
  br(label: Label): this {
    this.#code.byte(0x0c);
    this.#code.unsigned(this.#depth - label.depth);
    return this;
  }
  brIf(label: Label): this {
    this.#code.byte(0x0d);
    this.#code.unsigned(this.#depth - label.depth);
    return this;
  }

  /** A loop that runs `body` a constant number of times (at least once), counting `counter` down to zero. */
  repeat(counter: Local, count: number, body: () => void): this {
    if (count <= 0) return this;
    this.i32Const(count).set(counter);
    return this.loop((again) => {
      body();
      this.get(counter).i32Const(1).op('i32Sub').tee(counter).brIf(again);
    });
  }

  call(functionIndex: number): this {
    this.#code.byte(0x10);
    this.#code.unsigned(functionIndex);
    return this;
  }
  /** Stack: destination, source, byte count. */
  memoryCopy(): this {
    this.#code.bytes([0xfc, 10, 0, 0]);
    return this;
  }
  /** Stack: destination, byte value, byte count. */
  memoryFill(): this {
    this.#code.bytes([0xfc, 11, 0]);
    return this;
  }
  atomicFence(): this {
    this.#code.bytes([0xfe, 3, 0]);
    return this;
  }

  /** Bytes of code so far. */
  get codeLength(): number {
    return this.#code.length;
  }

  /** The function body as the code section holds it, without its length. */
  body(): Uint8Array {
    const out = new ByteWriter(this.#code.length + 32);
    const runs: [ValueType, number][] = [];
    for (const type of this.#locals) {
      const last = runs.at(-1);
      if (last && last[0] === type) last[1]++;
      else runs.push([type, 1]);
    }
    out.unsigned(runs.length);
    for (const [type, count] of runs) {
      out.unsigned(count);
      out.byte(valueTypes[type]);
    }
    out.bytes(this.#code.view());
    out.byte(0x0b);
    return out.view();
  }

  #simdOpcode(opcode: number): void {
    this.#code.byte(0xfd);
    this.#code.unsigned(opcode);
  }

  #structured(opcode: number, body: (label: Label) => void): this {
    this.#code.byte(opcode);
    this.#code.byte(0x40);
    this.#depth++;
    body({ depth: this.#depth });
    this.#depth--;
    this.#code.byte(0x0b);
    return this;
  }
}

/** Target of a branch, given to the closure of `block` or `loop`. */
export interface Label {
  readonly depth: number;
}
