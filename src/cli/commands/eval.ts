/**
 * `ghostnet eval`: how good a network is on pictures whose classes are known. Streams them, so that memory stays
 * bounded; keeps its state in a file on request, so that it can be stopped and go on.
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { Option } from 'commander';
import type { EvaluationState } from '../../train/node/evaluate-store.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { wholeNumber } from '../input/options.js';
import {
  noteUsualPreprocessing,
  preprocessingHelp,
  withPreprocessing,
} from '../input/preprocessing-option.js';
import { leaveNow, onInterrupt } from '../output/interrupt.js';
import { UsageError, warn } from '../output/report-error.js';
import { errorColors, note, printJson } from '../output/terminal.js';
import { duration } from '../output/train-view.js';

interface EvalOptions {
  readonly data: string;
  readonly network?: string;
  readonly labels?: string;
  readonly state?: string;
  readonly preprocessing?: string;
  readonly threads: number;
  readonly limit?: number;
  readonly badPictures: 'stop' | 'skip';
  readonly json?: boolean;
}

export const registerEval: Register = (program, act) => {
  program
    .command('eval')
    .description('measure how good a network is on pictures whose classes are known')
    .argument('<model>', '"default", a network by name (its pulled weights) or a model file')
    .requiredOption('--data <path>', 'CIFAR-10 folder, class folders, or a folder of pictures with --labels')
    .option('--labels <file>', 'rows "picture label" or "index n01234567 name" (text, TSV or CSV)')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--preprocessing <file>', preprocessingHelp)
    .option('--state <file>', 'keep the state here, and go on from it when it is there')
    .option('--limit <n>', 'only the first n pictures', wholeNumber(1))
    .option('--threads <n>', 'threads that run the network', wholeNumber(1, 32), 1)
    .addOption(
      new Option('--bad-pictures <what>', 'pictures that cannot be decoded')
        .choices(['stop', 'skip'])
        .default('stop'),
    )
    .option('--json', 'print { count, top1, top5, loss, ece, perClass, confusion, skipped, ... }')
    .addHelpText(
      'after',
      `
CIFAR-10 needs only test_batch.bin. Class folders bear the names of the network's classes, or WordNet ids (n01440764)
as ImageNet's do: all of them, or some with a list of ids by --labels. All shares are fractions in 0..1 with --json.

Examples:
  ghostnet eval default --data data/cifar10
  ghostnet eval my.safetensors --data photos/ --json
  ghostnet eval ghostnet-1.0x --data imagenet/val --state val.json --threads 4
  ghostnet eval squeezenet.onnx --data pictures/ --labels labels.tsv`,
    )
    .action(act(evalCommand));
};

interface SavedState extends EvaluationState {
  /** What the state is of. */
  readonly of: string;
}

async function readState(file: string, of: string): Promise<EvaluationState | undefined> {
  if (!existsSync(file)) return undefined;
  let saved: SavedState;
  try {
    saved = JSON.parse(await readFile(file, 'utf8')) as SavedState;
  } catch {
    throw new UsageError(
      `--state ${file}: this is no state of an evaluation; remove it or name another file`,
    );
  }
  if (saved.of !== of)
    throw new UsageError(`--state ${file}: it belongs to another evaluation; remove it or name another file`);
  return saved;
}

async function evalCommand(name: string, options: EvalOptions): Promise<number> {
  const { loadRunnable, openRunnable } = await import('../input/load-runnable.js');
  const { classifierShape } = await import('../../graph/classifier.js');
  const { imagenetLabels } = await import('../../data/imagenet-labels.js');
  const { openEvaluationData } = await import('../../data/node/evaluation-files.js');
  const { evaluatePictures } = await import('../../train/node/evaluate-store.js');
  const { writeFileAtomically } = await import('../../formats/node/model-file.js');
  const { evaluationJson, printEvaluation } = await import('../output/eval-view.js');

  const loaded = await loadRunnable(name === 'default' ? undefined : name, options.network);
  const model = await withPreprocessing(loaded, options.preprocessing);
  const outputs = classifierShape(model.graph).classes;
  const known = model.graph.meta.labels;
  const usual = outputs === 1001 ? ['background', ...imagenetLabels] : imagenetLabels;
  const classes =
    known?.length === outputs
      ? known
      : usual.length === outputs
        ? usual
        : Array.from({ length: outputs }, (_, index) => `class ${index}`);
  const data = await openEvaluationData(options.data, {
    classes,
    ...(options.labels === undefined ? {} : { labels: options.labels }),
  });
  const total = Math.min(options.limit ?? data.source.count, data.source.count);
  const { preprocessing } = model.graph.meta;
  const of = JSON.stringify([name, options.data, options.labels ?? null, total, preprocessing ?? null]);
  noteUsualPreprocessing(model);
  const start = options.state === undefined ? undefined : await readState(options.state, of);
  const controller = new AbortController();
  const save = (state: EvaluationState): Promise<void> =>
    writeFileAtomically(options.state!, JSON.stringify({ of, ...state } satisfies SavedState));
  const release = onInterrupt(() => {
    if (options.state === undefined || controller.signal.aborted) leaveNow();
    controller.abort();
  });
  const view = liveLine(total, start?.next ?? 0);
  const started = performance.now();
  let saved = started;
  try {
    const { state, evaluation } = await evaluatePictures(
      model.graph,
      (given) => openRunnable(model, given),
      data.source,
      Int32Array.from({ length: total }, (_, index) => index),
      {
        classes,
        threads: options.threads,
        badPictures: options.badPictures,
        ...(start ? { start } : {}),
        signal: controller.signal,
        onProgress: async (done, now) => {
          view.update(done, now);
          if (options.state === undefined || performance.now() - saved < 10_000) return;
          saved = performance.now();
          await save(now());
        },
      },
    );
    view.stop();
    if (controller.signal.aborted && state.next < total) {
      await save(state);
      note(`ghostnet: stopped after ${state.next} of ${total}; the same command goes on`);
      return exitCodes.interrupted;
    }
    if (options.state !== undefined) await rm(options.state, { force: true });
    if (!evaluation) throw new UsageError(`${options.data}: no picture could be decoded`);
    for (const { index, message } of state.skipped.slice(0, 5)) warn(`${data.nameOf(index)}: ${message}`);
    if (state.skipped.length > 5) warn(`and ${state.skipped.length - 5} more pictures were left out`);
    const seconds = (performance.now() - started) / 1000;
    const facts = {
      model: model.description,
      data: data.description,
      skipped: state.skipped.length,
      seconds: Number(seconds.toFixed(2)),
      imagesPerSecond: Number(((state.next - (start?.next ?? 0)) / seconds).toFixed(1)),
    };
    if (options.json) printJson(evaluationJson(evaluation, facts, data.nameOf));
    else printEvaluation(evaluation, facts);
    return exitCodes.ok;
  } finally {
    view.stop();
    release();
  }
}

interface LiveLine {
  readonly update: (done: number, state: () => EvaluationState) => void;
  readonly stop: () => void;
}

/** How far it is, how fast, how good so far: on a terminal in one line, elsewhere now and then. */
function liveLine(total: number, first: number): LiveLine {
  const live = process.stderr.isTTY === true;
  const started = performance.now();
  let last = started;
  let shown = false;
  return {
    update(done, state) {
      if (performance.now() - last < (live ? 200 : 60_000)) return;
      last = performance.now();
      const rate = (done - first) / ((last - started) / 1000);
      const { right, count } = state().evaluator;
      const text =
        `${done} of ${total}  top-1 ${((100 * right) / Math.max(1, count)).toFixed(2)} %  ` +
        `${rate.toFixed(0)} images/s  ${duration((total - done) / rate)} left`;
      if (!live) return note(text);
      process.stderr.write(`\r\x1b[K${errorColors.dim(text)}`);
      shown = true;
    },
    stop() {
      if (shown) process.stderr.write('\r\x1b[K');
      shown = false;
    },
  };
}
