import { describe, expect, it } from 'vitest';
import { measure, median, percentile } from './measure.js';

describe('statistics', () => {
  it('takes the middle, or the mean of both middles', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('takes percentiles by the nearest rank', () => {
    const samples = Array.from({ length: 10 }, (_, i) => 10 - i);
    expect(percentile(samples, 0.9)).toBe(9);
    expect(percentile(samples, 1)).toBe(10);
    expect(percentile([7], 0.9)).toBe(7);
  });
});

describe('measure', () => {
  /** A clock that only the runners move. */
  function clock() {
    let time = 0;
    const advance = (ms: number): void => {
      time += ms;
    };
    return { now: () => time, takes: (ms: number) => ({ run: () => advance(ms) }) };
  }

  it('gives each runner its own time, whatever the others take', async () => {
    const { now, takes } = clock();
    const timings = await measure([takes(3), takes(40)], { rounds: 5, sliceMs: 30, now });
    expect(timings).toEqual([
      { medianMs: 3, leastMs: 3, p90Ms: 3, rounds: 5 },
      { medianMs: 40, leastMs: 40, p90Ms: 40, rounds: 5 },
    ]);
  });

  it('goes in turns, starting one further each round, and leaves the first run of a turn out', async () => {
    const order: string[] = [];
    const { now, takes } = clock();
    const named = (name: string, ms: number) => {
      const { run } = takes(ms);
      return {
        run: async () => {
          order.push(name);
          run();
        },
      };
    };
    const done: number[] = [];
    await measure([named('a', 5), named('b', 5)], {
      rounds: 2,
      sliceMs: 1,
      now,
      onRound: (n) => done.push(n),
    });
    expect(order.join('')).toBe('aaabbbbbbaaa');
    expect(done).toEqual([1, 2]);
  });

  it('takes the median of the rounds, so that one bad round does not count', async () => {
    let time = 0;
    let calls = 0;
    const run = (): void => {
      calls++;
      time += calls <= 3 ? 1000 : 2;
    };
    const [timing] = await measure([{ run }], { rounds: 3, sliceMs: 4, now: () => time });
    expect(timing!.medianMs).toBe(2);
    expect(timing!.p90Ms).toBe(1000);
  });
});
