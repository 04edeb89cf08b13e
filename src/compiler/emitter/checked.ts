/**
 * A function whose every load and store asks first: the same code, with each instruction that touches memory replaced by
 * a call with its address, constant offset and width, and the instruction at the address that the call gives back. What
 * is allowed is the called functions' concern (src/compiler/guard.ts).
 */
import type { MemoryAccess } from './accesses.js';
import { FunctionBuilder, type Local } from './function.js';
import type { MemoryName, ValueType } from './opcodes.js';

/** Functions (address, offset, bytes) -> address, and the functions that must call them. */
export interface AccessChecks {
  readonly read: number;
  readonly write: number;
  /** Indices of the functions that are checked. */
  readonly functions: ReadonlySet<number>;
}

/** Bytes that a memory instruction touches, and for stores the type of the value on the stack. */
const widths: Readonly<Record<MemoryName, readonly [number] | readonly [number, ValueType] | null>> = {
  i32Load: [4],
  i32Load8S: [1],
  i32Load8U: [1],
  i32Load16U: [2],
  f32Load: [4],
  i32Store: [4, 'i32'],
  i32Store8: [1, 'i32'],
  i32Store16: [2, 'i32'],
  f32Store: [4, 'f32'],
  v128Load: [16],
  v128Load8x8U: [8],
  v128Load16x4S: [8],
  v128Load16x4U: [8],
  v128Load8Splat: [1],
  v128Load16Splat: [2],
  v128Load32Splat: [4],
  v128Load64Splat: [8],
  v128Load32Zero: [4],
  v128Load64Zero: [8],
  v128Store: [16, 'v128'],
  // threads talk through these, kernels do not
  atomicNotify: null,
  atomicWait32: null,
  i32AtomicLoad: null,
  i32AtomicStore: null,
  i32AtomicAdd: null,
};

/** Writes what stands in for one instruction; `spare` gives a local for a value that must be put aside. */
function checkedAccess(
  f: FunctionBuilder,
  { name, offset, lane }: MemoryAccess,
  { read, write }: AccessChecks,
  spare: (type: ValueType, which?: number) => Local,
): void {
  const ask = (check: number, bytes: number): void => {
    f.i32Const(offset).i32Const(bytes).call(check);
  };
  /** Puts the value on top of the address aside, asks for the address, and brings the value back. */
  const under = (type: ValueType, check: number, bytes: number): void => {
    const value = spare(type);
    f.set(value);
    ask(check, bytes);
    f.get(value);
  };
  switch (name) {
    case 'storeLane32':
      under('v128', write, 4);
      f.storeLane32(lane);
      return;
    case 'storeLane64':
      under('v128', write, 8);
      f.storeLane64(lane);
      return;
    case 'loadLane32':
      under('v128', read, 4);
      f.loadLane32(lane);
      return;
    case 'loadLane64':
      under('v128', read, 8);
      f.loadLane64(lane);
      return;
    case 'memoryCopy':
    case 'memoryFill': {
      // destination, then source or value, then bytes; where the answer is another address, nothing is moved
      const [to, from, bytes, target] = [0, 1, 2, 3].map((i) => spare('i32', i)) as [
        Local,
        Local,
        Local,
        Local,
      ];
      f.set(bytes).set(from).set(to);
      f.get(to).i32Const(0).get(bytes).call(write).tee(target).get(to).op('i32Eq');
      if (name === 'memoryCopy')
        f.get(from).i32Const(0).get(bytes).call(read).get(from).op('i32Eq').op('i32And');
      f.if(() => {
        f.get(target).get(from).get(bytes);
        if (name === 'memoryCopy') f.memoryCopy();
        else f.memoryFill();
      });
      return;
    }
    default: {
      const [bytes, stored] = widths[name] ?? [];
      if (bytes === undefined) throw new TypeError(`checked build: kernels have no ${name}`);
      if (stored) under(stored, write, bytes);
      else ask(read, bytes);
      f.mem(name);
    }
  }
}

/** The function with every load and store checked. */
export function withChecks(fn: FunctionBuilder, checks: AccessChecks): FunctionBuilder {
  const f = new FunctionBuilder(fn.params, fn.results);
  for (const type of fn.locals) f.local(type);
  const { code } = fn;
  let at = 0;
  for (const access of fn.accesses) {
    f.append(code.subarray(at, access.start));
    checkedAccess(f, access, checks, (type, which = 0) => f.scratch(type, which + 1)[which] as Local);
    at = access.end;
  }
  return f.append(code.subarray(at));
}
