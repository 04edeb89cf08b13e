/**
 * The table that `npm start` shows: a few pictures, the three best classes of each with bars, the time and what ran it.
 * `ghostnet classify` (classify.ts) is the command for everything else.
 */

import { exitCodes } from '../../exit-codes.js';
import { openModel } from '../../input/open-model.js';
import { reportError, warn } from '../../output/report-error.js';
import { bar, milliseconds, outColors, print, table } from '../../output/terminal.js';
import { classifyPictures, exitCodeOf, type PictureResult } from '../classify.js';

/** A picture whose right answer is known. */
export interface Photograph {
  readonly name: string;
  readonly file: string;
  /** The label that a perfect network would give. */
  readonly truth: string;
}

/** Classifies the pictures with the default network and prints a table. Resolves to the exit code; never rejects. */
export async function showPhotographs(photographs: readonly Photograph[]): Promise<number> {
  const { bold, dim } = outColors;
  try {
    const started = performance.now();
    const model = await openModel(undefined, { threads: 1 });
    const opened = performance.now() - started;
    try {
      const rows: string[][] = [['picture', 'the network says', '', '', 'time'].map((text) => dim(text))];
      const results: PictureResult[] = [];
      for await (const result of classifyPictures(model, photographs, 3)) {
        const { name, truth } = photographs[results.length]!;
        results.push(result);
        if ('error' in result) warn(result.error.message);
        else rows.push(...pictureRows(name, truth, result));
      }
      print();
      print(table(rows, 'lllrr'));
      print();
      print(verdict(photographs, results));
      print(model.description);
      print(dim(`read, compiled to WebAssembly and warmed up in ${milliseconds(opened)}; ${model.backend}`));
      print();
      print(`Your own pictures: ${bold('npx ghostnet classify <files or folders>')}`);
      return exitCodeOf(results);
    } finally {
      await model.network.dispose();
    }
  } catch (error) {
    reportError(error);
    return exitCodes.failure;
  }
}

/** How many first answers are right, said plainly. */
function verdict(photographs: readonly Photograph[], results: readonly PictureResult[]): string {
  const right = results.filter(
    (result, i) => 'predictions' in result && result.predictions[0]?.label === photographs[i]!.truth,
  ).length;
  const all = `${right} of ${photographs.length} first answers are right`;
  return right === photographs.length
    ? `${all}.`
    : `${all}. These are old sepia photographs, scaled to a few pixels: far from what the network was trained on.`;
}

function pictureRows(
  name: string,
  truth: string,
  result: Extract<PictureResult, { predictions: unknown }>,
): string[][] {
  const { bold, cyan, dim } = outColors;
  return result.predictions.map(({ label, probability }, rank) => {
    const percent = `${(100 * probability).toFixed(1)} %`;
    const shownBar = cyan(bar(probability, 30));
    return rank === 0
      ? [bold(name), bold(label), shownBar, bold(percent), milliseconds(result.ms)]
      : [rank === 1 ? dim(`  shows: ${truth}`) : '', dim(label), shownBar, dim(percent), ''];
  });
}
