/** What `ghostnet eval` prints: the numbers, the classes, what is taken for what; or all of it as JSON. */
import type { Evaluation } from '../../train/metrics.js';
import { bar, grouped, outColors, print, table } from './terminal.js';

export interface EvaluationFacts {
  readonly model: string;
  readonly data: string;
  readonly skipped: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
}

/** The `--json` contract; shares are fractions in 0..1. */
export function evaluationJson(
  evaluation: Evaluation,
  facts: EvaluationFacts,
  nameOf: (index: number) => string,
): unknown {
  const { worst, ...numbers } = evaluation;
  return {
    ...numbers,
    worst: worst.map(({ index, ...rest }) => ({ picture: nameOf(index), ...rest })),
    ...facts,
  };
}

const percent = (share: number | null): string => (share === null ? '-' : `${(100 * share).toFixed(2)} %`);

/** Above this many classes only the weakest are listed. */
const mostRows = 20;

/** Pairs of classes that are confused most. */
function confusions({ confusion, perClass }: Evaluation): string[][] {
  return confusion
    .flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, 5)
    .map(({ label, predicted, count }) => [
      perClass[label]!.name,
      `taken for ${perClass[predicted]!.name}`,
      `${count} of ${perClass[label]!.count}`,
    ]);
}

export function printEvaluation(evaluation: Evaluation, facts: EvaluationFacts): void {
  const { bold, dim, cyan } = outColors;
  const { perClass } = evaluation;
  const indented = (rows: string[][], align: string): void =>
    print(table(rows, align).replaceAll(/^/gm, '  '));
  print(bold(`${facts.model} on ${facts.data}`));
  indented(
    [
      ['pictures', `${grouped(evaluation.count)}${facts.skipped > 0 ? `, ${facts.skipped} left out` : ''}`],
      ['top-1', bold(percent(evaluation.top1))],
      ...(perClass.length > 5 ? [['top-5', percent(evaluation.top5)]] : []),
      ['cross-entropy', evaluation.loss.toFixed(4)],
      ['calibration error', percent(evaluation.ece)],
    ],
    'll',
  );
  const met = perClass.filter(({ count }) => count > 0);
  const shown = [...met].sort((a, b) => (a.accuracy ?? 0) - (b.accuracy ?? 0));
  const rows = met.length <= mostRows ? met : shown.slice(0, mostRows);
  print();
  print(met.length <= mostRows ? 'classes' : `the ${mostRows} weakest of ${met.length} classes`);
  indented(
    [
      [dim('class'), dim('pictures'), dim('found'), '', dim('right when said')],
      ...rows.map(({ name, count, accuracy, precision }) => [
        name,
        String(count),
        percent(accuracy),
        cyan(bar(accuracy ?? 0, 16)),
        percent(precision),
      ]),
    ],
    'lrrlr',
  );
  const pairs = confusions(evaluation);
  if (pairs.length > 0) {
    print();
    print('most confused');
    indented(pairs, 'llr');
  }
  print();
  print(dim(`${facts.imagesPerSecond.toFixed(0)} images/s, ${facts.seconds.toFixed(1)} s`));
}
