/**
 * `ghostnet recalibrate`: new batch-norm statistics for a model file from training pictures, weights untouched.
 */
import { EnvironmentError } from '../../errors.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { wholeNumber } from '../input/options.js';
import { progress } from '../output/progress.js';
import { grouped, print, printJson } from '../output/terminal.js';

interface RecalibrateOptions {
  readonly data: string;
  readonly out: string;
  readonly network?: string;
  readonly pictures: number;
  readonly batch: number;
  readonly threads: number;
  readonly json?: boolean;
}

export const registerRecalibrate: Register = (program, act) => {
  program
    .command('recalibrate')
    .description("give a model's batch norm new running statistics from pictures; weights stay as they are")
    .argument('<model>', 'model file (or network by name, with its pulled weights)')
    .requiredOption('--data <path>', 'CIFAR-10 folder or class folders; training pictures are taken')
    .requiredOption('--out <file>', 'the model file to write')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--pictures <n>', 'how many pictures', wholeNumber(2), 4096)
    .option('--batch <n>', 'pictures of one batch', wholeNumber(2), 128)
    .option('--threads <n>', 'threads', wholeNumber(1, 32), 1)
    .option('--json', 'print { out, layers, pictures }')
    .addHelpText(
      'after',
      `
After weights were averaged, pruned or quantised, the running means and variances no longer fit: this gives each layer
the mean statistics of batches of the pictures, as training would, in seconds.

Example:
  ghostnet recalibrate pruned.safetensors --data data/cifar10 --out better.safetensors`,
    )
    .action(act(recalibrateCommand));
};

async function recalibrateCommand(name: string, options: RecalibrateOptions): Promise<number> {
  const { loadModel } = await import('../input/load-model.js');
  const { epochBatches } = await import('../../data/batches.js');
  const { createBatchLoader } = await import('../../data/node/batch-loader.js');
  const { writeModelFile } = await import('../../formats/node/model-file.js');
  const { batchRecipe, inputSide } = await import('../../train/node/evaluate-store.js');
  const { openTrainingData } = await import('../../train/node/training-data.js');
  const { recalibrateBatchNorm } = await import('../../train/recalibrate.js');
  const { graph, weights } = await loadModel(name === 'default' ? undefined : name, options.network);
  const layers = graph.nodes.filter(({ kind }) => kind === 'batchNorm').length;
  if (layers === 0)
    throw new EnvironmentError(
      'NO_BATCH_NORM',
      `${name}: no batch norm is in this network (it was folded away); recalibrate the file before folding`,
    );
  const data = await openTrainingData(options.data, {
    keepSide: Math.round(inputSide(graph) * 1.15),
    fraction: 0,
    seed: 1,
    badPictures: 'skip',
  });
  const requests = epochBatches(data.train, options.batch, 1, 0);
  const taken = requests.slice(0, Math.max(1, Math.floor(options.pictures / options.batch)));
  const loader = createBatchLoader({
    store: data.store,
    recipe: batchRecipe(graph, data.classes.length, 1),
    workers: 1,
  });
  const line = progress('recalibrating', taken.length);
  try {
    let done = 0;
    const images = async function* (): AsyncGenerator<Float32Array> {
      for await (const batch of loader.batches(taken)) {
        yield batch.images;
        line.update(++done);
      }
    };
    const changed = await recalibrateBatchNorm(graph, weights, images(), { threads: options.threads });
    await writeModelFile(options.out, graph, changed);
  } finally {
    line.stop();
    await loader.dispose();
  }
  const pictures = taken.length * options.batch;
  if (options.json) printJson({ out: options.out, layers, pictures });
  else print(`${options.out}: new statistics for ${layers} batch norms from ${grouped(pictures)} pictures`);
  return exitCodes.ok;
}
