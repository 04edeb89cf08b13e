/**
 * Interleaved timing: several runners take turns in rounds, so that whatever else the machine does hits all of them
 * alike. Knows nothing of networks; only the order of calls and the statistics are here.
 */

/** One thing to time. `run` may be asynchronous; its whole time counts. */
export interface Timed {
  readonly run: () => unknown;
}

export interface Timing {
  /** Median over rounds of each round's median, in milliseconds. */
  readonly medianMs: number;
  /** Least of the rounds' medians: what a busy machine disturbs least. */
  readonly leastMs: number;
  /** 90th percentile of all single runs, in milliseconds. */
  readonly p90Ms: number;
  readonly rounds: number;
}

export interface MeasureOptions {
  readonly rounds: number;
  /** Roughly how long each runner runs in a round. At least two runs are made. */
  readonly sliceMs: number;
  /** Called after each round, for a progress line. */
  readonly onRound?: (done: number) => void;
  readonly now?: () => number;
}

/** The value below which `fraction` of the sorted samples lie (nearest rank). */
export function percentile(samples: readonly number[], fraction: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(Math.ceil(fraction * sorted.length) - 1, 0)] ?? Number.NaN;
}

/** The middle of the sorted samples; the mean of both middles of an even count. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Times all runners. Each round goes through them, starting one further each time; a runner first runs once untimed
 * (the others have emptied the caches), then until its slice is full.
 */
export async function measure(runners: readonly Timed[], options: MeasureOptions): Promise<Timing[]> {
  const now = options.now ?? (() => performance.now());
  const all: number[][] = runners.map(() => []);
  const roundMedians: number[][] = runners.map(() => []);
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < runners.length; turn++) {
      const index = (round + turn) % runners.length;
      const runner = runners[index]!;
      // A runner that never waits would keep signals and progress lines from being served.
      await new Promise((resolve) => setTimeout(resolve, 0));
      await runner.run();
      const samples: number[] = [];
      const started = now();
      let last = started;
      do {
        const result = runner.run();
        if (result instanceof Promise) await result;
        const end = now();
        samples.push(end - last);
        last = end;
      } while (last - started < options.sliceMs || samples.length < 2);
      all[index]!.push(...samples);
      roundMedians[index]!.push(median(samples));
    }
    options.onRound?.(round + 1);
  }
  return runners.map((_, index) => ({
    medianMs: median(roundMedians[index]!),
    leastMs: Math.min(...roundMedians[index]!),
    p90Ms: percentile(all[index]!, 0.9),
    rounds: options.rounds,
  }));
}
