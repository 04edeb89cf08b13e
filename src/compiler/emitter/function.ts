/**
 * Builds the body of one WebAssembly function, instruction by instruction, straight into bytes. Methods are named
 * after the instructions; control flow takes closures (`f.loop(() => ...)`). Exact instruction order is the caller's:
 * nothing is reordered or optimised here.
 */
import type { MemoryAccess, OtherAccess } from './accesses.js';
import { ByteWriter } from './bytes.js';
import {
  type MemoryName,
  memory,
  type PlainName,
  plain,
  type SimdName,
  simd,
  type ValueType,
  valueTypes,
} from './opcodes.js';

/** Index of a parameter or local. */
export type Local = number;

/** A tuple of so many locals, or a list where the number is not known to the types. */
export type Locals<Count extends number, Found extends readonly Local[] = []> = number extends Count
  ? readonly Local[]
  : Found['length'] extends Count
    ? Found
    : Locals<Count, readonly [...Found, Local]>;

export class FunctionBuilder {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #code = new ByteWriter(1024);
  readonly #pools = new Map<ValueType, Local[]>();
  readonly #accesses: MemoryAccess[] = [];
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

  /** `count` new locals, to be taken apart by name. */
  newLocals<const Count extends number>(type: ValueType, count: Count): Locals<Count> {
    return Array.from({ length: count }, () => this.local(type)) as readonly Local[] as Locals<Count>;
  }

  /** `count` locals of a type from a pool that every call shares: for scratch values of separate code parts. */
  scratch<const Count extends number>(type: ValueType, count: Count): Locals<Count> {
    const pool = this.#pools.get(type) ?? [];
    this.#pools.set(type, pool);
    while (pool.length < count) pool.push(this.local(type));
    return pool.slice(0, count) as readonly Local[] as Locals<Count>;
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
  i64Const(value: number): this {
    this.#code.byte(0x42);
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
    return this.#access(name, { offset }, () => {
      if (prefix === 0) this.#code.byte(opcode);
      else {
        this.#code.byte(prefix);
        this.#code.unsigned(opcode);
      }
      this.#code.unsigned(align);
      this.#code.unsigned(offset);
    });
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
    return this.#laneAccess('storeLane32', 90, 2, lane, offset);
  }
  /** One 64-bit lane of the vector on the stack stored at the address below it. */
  storeLane64(lane: number, offset = 0): this {
    return this.#laneAccess('storeLane64', 91, 3, lane, offset);
  }
  /** One 32-bit lane of the vector on the stack loaded from the address below it. */
  loadLane32(lane: number, offset = 0): this {
    return this.#laneAccess('loadLane32', 86, 2, lane, offset);
  }

  /** One 64-bit lane of the vector on the stack loaded from the address below it. */
  loadLane64(lane: number, offset = 0): this {
    return this.#laneAccess('loadLane64', 87, 3, lane, offset);
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
  globalGet(index: number): this {
    this.#code.byte(0x23);
    this.#code.unsigned(index);
    return this;
  }
  globalSet(index: number): this {
    this.#code.byte(0x24);
    this.#code.unsigned(index);
    return this;
  }
  /** Code that another builder has made. */
  append(code: Uint8Array): this {
    this.#code.bytes(code);
    return this;
  }
  /** Stack: destination, source, byte count. */
  memoryCopy(): this {
    return this.#access('memoryCopy', {}, () => this.#code.bytes([0xfc, 10, 0, 0]));
  }
  /** Stack: destination, byte value, byte count. */
  memoryFill(): this {
    return this.#access('memoryFill', {}, () => this.#code.bytes([0xfc, 11, 0]));
  }
  atomicFence(): this {
    this.#code.bytes([0xfe, 3, 0]);
    return this;
  }

  /** Bytes of code so far. */
  get codeLength(): number {
    return this.#code.length;
  }

  /** The code so far, without locals and end (a view that later instructions may leave behind). */
  get code(): Uint8Array {
    return this.#code.view();
  }

  /** Types of the locals after the parameters. */
  get locals(): readonly ValueType[] {
    return this.#locals;
  }

  /** Every load and store in the code, in order. */
  get accesses(): readonly MemoryAccess[] {
    return this.#accesses;
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

  #access(
    name: MemoryAccess['name'],
    { offset = 0, lane = 0 }: { readonly offset?: number; readonly lane?: number },
    emit: () => void,
  ): this {
    const start = this.#code.length;
    emit();
    this.#accesses.push({ name, start, end: this.#code.length, offset, lane });
    return this;
  }

  #laneAccess(name: OtherAccess, opcode: number, align: number, lane: number, offset: number): this {
    return this.#access(name, { offset, lane }, () => {
      this.#simdOpcode(opcode);
      this.#code.unsigned(align);
      this.#code.unsigned(offset);
      this.#code.byte(lane);
    });
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
