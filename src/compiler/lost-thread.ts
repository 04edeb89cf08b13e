/**
 * What becomes of threads when one of them is gone: whoever notices marks the stop word, at which nobody waits at a barrier
 * any more. The run then ends, with nonsense, and its caller finds the mark.
 *
 * A thread whose kernel traps says so itself, and the caller's event loop learns of one that ended between runs; but while
 * the caller is inside of the module it can learn nothing, so there a barrier's patience ends.
 */

/** The stop word when a thread was lost; 1 when the caller ends the threads, 0 while they serve. */
export const lostMark = 2;

/**
 * How long a thread waits at a barrier for the others, in rounds of looking at the counter (assemble.ts): some twenty seconds
 * and more of looking, or 32 sleeps of a second in which nobody came. A kernel takes a fraction of a second, and a
 * program that is stopped as a whole sleeps once.
 */
export const patience = { rounds: 2 ** 22, sleepNanoseconds: 1e9, roundsOfSleep: 2 ** 17 } as const;
