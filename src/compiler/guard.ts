/**
 * The checks of a checked build: before every kernel call, the regions that this call may read and write, as the plan has
 * them, are put into globals of the thread's instance; every load and store of the kernel (emitter/checked.ts) then asks
 * whether it lies within one of them, whole. One that does not is counted, the first is kept for the message
 * (src/runtime/violation.ts), and it touches bytes that nobody uses instead, so that no thread is left waiting.
 */
import type { AccessChecks } from './emitter/checked.js';
import { FunctionBuilder } from './emitter/function.js';
import type { ModuleBuilder } from './emitter/module.js';

/** Bytes that a call may touch: `push` puts the address of the first on the stack. */
export interface Region {
  readonly push: () => void;
  readonly bytes: number;
  readonly access: 'read' | 'write';
}

/** Words at the address of the first violation: count, address, bytes (negative: a store), and where. */
export const violationWords = { count: 0, address: 4, bytes: 8, where: 12 } as const;

/** A place's number: which step and thread. */
export function placeOf(step: number, thread: number): number {
  return step * 32 + thread;
}

interface Pair {
  readonly start: number;
  readonly end: number;
}

export interface GuardOptions {
  /** Address of the violation's words. */
  readonly violation: number;
  /** Address of 16 bytes that wrong accesses touch. */
  readonly sink: number;
  /** Whether several threads may report at once. */
  readonly shared: boolean;
}

export class Guard {
  readonly #functions = new Set<number>();
  readonly #reads: Pair[] = [];
  readonly #writes: Pair[] = [];
  readonly #where: number;
  readonly #module: ModuleBuilder;
  readonly #options: GuardOptions;

  constructor(module: ModuleBuilder, options: GuardOptions) {
    this.#module = module;
    this.#options = options;
    this.#where = module.global();
  }

  /** Allows the regions, and nothing else, to the call of the kernel `index` that follows. */
  enter(f: FunctionBuilder, index: number, where: number, regions: readonly Region[]): void {
    this.#functions.add(index);
    f.i32Const(where).globalSet(this.#where);
    for (const access of ['read', 'write'] as const) {
      const pairs = access === 'read' ? this.#reads : this.#writes;
      const wanted = regions.filter((region) => region.access === access && region.bytes > 0);
      while (pairs.length < wanted.length)
        pairs.push({ start: this.#module.global(), end: this.#module.global() });
      wanted.forEach(({ push, bytes }, i) => {
        const { start, end } = pairs[i] as Pair;
        push();
        f.globalSet(start).globalGet(start).i32Const(bytes).op('i32Add').globalSet(end);
      });
    }
  }

  /** After a call: nothing is allowed any more. */
  leave(f: FunctionBuilder): void {
    for (const { start, end } of [...this.#reads, ...this.#writes])
      f.i32Const(0).globalSet(start).i32Const(0).globalSet(end);
  }

  /** Adds the functions that accesses ask; to be called after the last `enter`. */
  finish(): AccessChecks {
    return {
      read: this.#module.add(this.#emitCheck(this.#reads, false)),
      write: this.#module.add(this.#emitCheck(this.#writes, true)),
      functions: this.#functions,
    };
  }

  /** (address, offset, bytes) -> the address with its offset where that is allowed, else the sink. */
  #emitCheck(pairs: readonly Pair[], stores: boolean): FunctionBuilder {
    const { violation, sink, shared } = this.#options;
    const { count, address, bytes, where } = violationWords;
    const f = new FunctionBuilder(['i32', 'i32', 'i32'], ['i32']);
    const [ADDRESS, OFFSET, BYTES] = [0, 1, 2] as const;
    const at = f.local('i32');
    f.get(ADDRESS).get(OFFSET).op('i32Add').set(at);
    // an address that wraps around would trap in the kernel
    f.get(at).get(ADDRESS).op('i32GeU');
    f.if(() => {
      for (const { start, end } of pairs) {
        f.get(at).globalGet(start).op('i32GeU').get(at).globalGet(end).op('i32LeU').op('i32And');
        f.globalGet(end).get(at).op('i32Sub').get(BYTES).op('i32GeU').op('i32And');
        f.if(() => f.get(at).op('return'));
      }
    });
    if (shared)
      f.i32Const(0)
        .i32Const(1)
        .mem('i32AtomicAdd', violation + count);
    else {
      f.i32Const(0).mem('i32Load', violation + count);
      f.i32Const(0)
        .i32Const(0)
        .mem('i32Load', violation + count)
        .i32Const(1)
        .op('i32Add');
      f.mem('i32Store', violation + count);
    }
    f.op('i32Eqz').if(() => {
      f.i32Const(0)
        .get(at)
        .mem('i32Store', violation + address);
      f.i32Const(0).i32Const(0).get(BYTES);
      if (stores) f.op('i32Sub');
      else f.op('i32Add');
      f.mem('i32Store', violation + bytes);
      f.i32Const(0)
        .globalGet(this.#where)
        .mem('i32Store', violation + where);
    });
    return f.i32Const(sink);
  }
}
