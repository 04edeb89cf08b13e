/**
 * What a training shows: what starts, a line that lives while an epoch runs (on a terminal; elsewhere one line a
 * minute), a line for each epoch, and the result.
 */
import type { RunEvents, RunOutcome } from '../../train/node/run-training.js';
import { progress } from './progress.js';
import { errorColors, grouped, note, outColors, print, table } from './terminal.js';

export interface TrainingView extends RunEvents {
  readonly stop: () => void;
  readonly summary: (outcome: RunOutcome) => void;
}

const everyMs = 60_000;

/** 3725 seconds as 1 h 02 min. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60
    ? `${minutes} min`
    : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** Everything to stderr but the summary. */
export function trainingView(): TrainingView {
  const live = process.stderr.isTTY === true;
  const { dim, bold } = errorColors;
  let reading: ReturnType<typeof progress> | undefined;
  let evaluating: ReturnType<typeof progress> | undefined;
  let written = 0;
  let shown = false;
  const clear = (): void => {
    if (shown) process.stderr.write('\r\x1b[K');
    shown = false;
  };
  const stop = (): void => {
    reading?.stop();
    evaluating?.stop();
    [reading, evaluating] = [undefined, undefined];
    clear();
  };
  return {
    stop,
    onData(done, total) {
      reading ??= progress('reading pictures', total);
      reading.update(done);
      if (done === total) stop();
    },
    onStart({ config, graph, data, trainer, resumedAt }) {
      stop();
      const parameters = Object.values(graph.parameters)
        .filter(({ role }) => role !== 'statistic' && role !== 'constant')
        .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      note(
        `${bold(graph.name)}: ${grouped(parameters)} params; ${grouped(data.train.length)} training and ` +
          `${grouped(data.validation.length)} validation pictures of ${data.classes.length} classes`,
      );
      const { skipped = [], emptyClasses = [] } = data.split ?? {};
      if (skipped.length > 0)
        note(`left out: ${counted(skipped.length, 'picture')} that cannot be decoded (split.json)`);
      if (emptyClasses.length > 0)
        note(
          `left out: ${counted(emptyClasses.length, 'class folder')} without pictures (${emptyClasses.join(', ')})`,
        );
      note(
        `recipe ${config.recipe}: ${config.epochs} epochs of ${Math.floor(data.train.length / config.batch)} steps of ${config.batch}; ` +
          `seed ${config.seed}; ${config.threads} thread${config.threads === 1 ? '' : 's'}, ` +
          `${(trainer.memory.peakBytes / 2 ** 20).toFixed(0)} MiB planned`,
      );
      if (resumedAt) note(`going on in epoch ${resumedAt.epoch} after step ${resumedAt.step}`);
    },
    onStep(report) {
      const line =
        `epoch ${report.epoch}/${report.epochs}  step ${report.step}/${report.stepsPerEpoch}  loss ${report.loss.toFixed(3)}  ` +
        `accuracy ${percent(report.accuracy)}  ${report.imagesPerSecond.toFixed(0)} images/s  ${duration(report.secondsLeft)} left` +
        (report.waiting > 0.02 ? `  waiting ${percent(report.waiting, 0)}` : '');
      if (live) {
        process.stderr.write(`\r\x1b[K${line.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1))}`);
        shown = true;
      } else if (performance.now() - written > everyMs) {
        written = performance.now();
        note(line);
      }
    },
    onEpoch(row, best) {
      clear();
      const held =
        row.validationAccuracy === null ? '' : `  validation ${percent(row.validationAccuracy, 2)}`;
      note(
        `epoch ${String(row.epoch).padStart(3)}  loss ${row.trainLoss.toFixed(4)}  accuracy ${percent(row.trainAccuracy, 2)}${held}` +
          `${best ? ' *' : '  '}  ${dim(`${duration(row.seconds)}, ${row.imagesPerSecond.toFixed(0)} images/s, ${percent(row.waiting)} waiting`)}`,
      );
    },
    onEvaluate(done, total) {
      evaluating ??= progress('evaluating', total);
      evaluating.update(done);
    },
    summary({ config, folder, report, evaluation, bestEpoch }) {
      const { result, of } = evaluation!;
      print(outColors.bold(`${config.out}: ${percent(result.top1, 2)} of the ${of} pictures right`));
      const rows = [
        [`${of} pictures`, grouped(result.count)],
        ['top-1', percent(result.top1, 2)],
        ...(result.perClass.length > 5 ? [['top-5', percent(result.top5, 2)]] : []),
        ['cross-entropy', result.loss.toFixed(4)],
        ['calibration error', percent(result.ece, 2)],
        ['chosen epoch', `${bestEpoch ?? '-'} of ${config.epochs}`],
        ['run folder', folder],
        ['report', report ?? '-'],
      ];
      print(table(rows, 'll').replaceAll(/^/gm, '  '));
    },
  };
}
