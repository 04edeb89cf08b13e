/**
 * Delays before kernels and barriers, so that threads come in ever other orders: for tests that look for races. Not a
 * part of any network that is used.
 */
import { FunctionBuilder, type Local } from './emitter/function.js';

/** Most turns of a delay, a power of two: some 100 microseconds. */
const mostTurns = 1 << 16;

/**
 * delay(state) -> state: the next state of xorshift32, after as many turns of it as it says: evenly many of every
 * length from none to the most, by powers of two.
 */
export function emitDelay(): FunctionBuilder {
  const f = new FunctionBuilder(['i32'], ['i32']);
  const [state, left] = [0, f.local('i32')];
  const turn = (): void => {
    f.get(state).get(state).i32Const(13).op('i32Shl').op('i32Xor').set(state);
    f.get(state).get(state).i32Const(17).op('i32ShrU').op('i32Xor').set(state);
    f.get(state).get(state).i32Const(5).op('i32Shl').op('i32Xor').set(state);
  };
  turn();
  // mostTurns >> (0 .. 15), and of that a random part
  f.get(state).i32Const(8).op('i32ShrU');
  f.i32Const(mostTurns).get(state).i32Const(15).op('i32And').op('i32ShrU').op('i32RemU').set(left);
  f.get(left).if(() => {
    f.loop((again) => {
      turn();
      f.get(left).i32Const(1).op('i32Sub').tee(left).brIf(again);
    });
  });
  return f.get(state);
}

/** Sets the state that a thread starts a run with: another for every run, since the counter's base moves on. */
export function seedDelays(
  f: FunctionBuilder,
  options: {
    readonly seed: number;
    readonly thread: number;
    /** Local with the barrier counter's value at the start. */
    readonly base: Local;
    readonly state: Local;
  },
): void {
  const { seed, thread, base, state } = options;
  f.get(base).i32Const(0x9e3779b1).op('i32Mul');
  f.i32Const(Math.imul(seed + 1, 0x85ebca6b) ^ Math.imul(thread + 1, 0xc2b2ae35)).op('i32Xor');
  // never zero, where xorshift stays
  f.i32Const(1).op('i32Or').set(state);
}
