/** Writes a run's evaluation.json and report.html from what the run knows. The page itself is laid out in report.ts. */
import sharp from 'sharp';
import { profile } from '../../analysis/profile.js';
import { openStore, type PictureStore } from '../../data/node/picture-store.js';
import { writeFileAtomically } from '../../formats/node/model-file.js';
import type { Graph } from '../../graph/graph.js';
import type { Progress } from '../loop.js';
import type { Evaluation } from '../metrics.js';
import { type ReportPicture, reportHtml } from '../report.js';
import type { RunFile, runPaths } from './run-folder.js';
import type { TrainingData } from './training-data.js';

/** The pictures that the final numbers are of. */
export interface HeldOut {
  readonly of: 'test' | 'validation';
  readonly store: PictureStore;
  readonly indices: Int32Array;
  readonly nameOf: (index: number) => string;
}

export interface ReportInput {
  readonly run: RunFile;
  readonly data: TrainingData;
  readonly held: HeldOut;
  readonly evaluation: Evaluation;
  readonly progress: Progress;
  readonly graph: Graph;
}

async function worstPictures({ held, evaluation, data }: ReportInput): Promise<ReportPicture[]> {
  const source = openStore(held.store);
  const pictures: ReportPicture[] = [];
  for (const { index, label, predicted, confidence } of evaluation.worst) {
    const at = held.indices[index] ?? 0;
    const { width, height, data: bytes } = await source.picture(at);
    const png = await sharp(bytes, { raw: { width, height, channels: 3 } })
      .resize(Math.min(160, width), undefined, { fit: 'inside' })
      .png()
      .toBuffer();
    pictures.push({
      source: `data:image/png;base64,${png.toString('base64')}`,
      label: data.classes[label] ?? String(label),
      predicted: data.classes[predicted] ?? String(predicted),
      confidence,
      name: held.nameOf(at),
    });
  }
  return pictures;
}

/** Writes both files. */
export async function writeReport(paths: ReturnType<typeof runPaths>, input: ReportInput): Promise<void> {
  const { run, data, held, evaluation, progress, graph } = input;
  const { config, facts } = run;
  const { params, macs } = profile(graph);
  const seconds = progress.history.reduce((sum, row) => sum + row.seconds, 0);
  const count = held.indices.length.toLocaleString('en-US');
  const evaluationName = `${held.of === 'test' ? 'Test' : 'Validation'} pictures (${count}), none of them trained on`;
  await writeFileAtomically(
    paths.evaluation,
    `${JSON.stringify({ of: held.of, ...evaluation, params, macs, seconds, bestEpoch: progress.best?.epoch ?? null }, null, 1)}\n`,
  );
  await writeFileAtomically(
    paths.report,
    reportHtml({
      title: `${graph.name} on ${data.kind === 'cifar10' ? 'CIFAR-10' : config.data}`,
      facts: [
        [
          'network',
          `${graph.name}, ${params.toLocaleString('en-US')} params, ${macs.toLocaleString('en-US')} MACs`,
        ],
        [
          'data',
          `${data.train.length.toLocaleString('en-US')} training, ${data.validation.length.toLocaleString('en-US')} validation pictures, ${data.classes.length} classes`,
        ],
        ['left out', `${data.split?.skipped.length ?? 0} pictures that could not be decoded`],
        ['recipe', `${config.recipe}, ${config.epochs} epochs of batch ${config.batch}, seed ${config.seed}`],
        ...(run.changes ?? []).map(({ epoch, step, from, to }): [string, string] => [
          'changed',
          `from ${from} to ${to} epochs, after epoch ${epoch} and ${step} steps`,
        ]),
        ['chosen epoch', `${progress.best?.epoch ?? 'last'}, by validation`],
        ['time of the epochs', `${(seconds / 60).toFixed(1)} minutes, ${config.threads} thread(s)`],
        [
          'machine',
          `${facts.cpu}, ${facts.cores} cores, ${facts.memoryGiB} GiB; Node ${facts.node}, ${facts.platform}`,
        ],
        ['ghostnet', `${facts.ghostnet}${facts.commit ? `, commit ${facts.commit}` : ''}`],
        ['started', facts.started],
        ['command', facts.command],
      ],
      history: progress.history,
      evaluationName,
      evaluation,
      worst: await worstPictures(input),
      config,
    }),
  );
}
