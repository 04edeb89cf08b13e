/**
 * Progress lines on stderr, on a terminal only; elsewhere nothing is written. A thin coat over cli-progress.
 */
import cliProgress from 'cli-progress';
import { byteSize } from './terminal.js';

export interface Progress {
  /** Sets how much is done. */
  readonly update: (done: number) => void;
  /** Takes the line away. */
  readonly stop: () => void;
}

const silent: Progress = { update: () => {}, stop: () => {} };

/** A line for `total` steps, or bytes when `unit` says so. */
export function progress(title: string, total: number, unit: 'steps' | 'bytes' = 'steps'): Progress {
  if (!process.stderr.isTTY) return silent;
  const text = (value: number): string => (unit === 'bytes' ? byteSize(value) : String(value));
  const line = new cliProgress.SingleBar({
    format: (_options, { value, total: all, eta }) => {
      const columns = 24;
      const filled = Math.round((columns * value) / Math.max(all, 1));
      const barText = '█'.repeat(Math.min(filled, columns)).padEnd(columns, '░');
      const left = Number.isFinite(eta) && eta > 0 ? `, ${Math.ceil(eta)} s left` : '';
      return `${title} ${barText} ${text(value)} of ${text(all)}${left}`;
    },
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    fps: 10,
  });
  line.start(total, 0);
  return { update: (done) => line.update(done), stop: () => line.stop() };
}
