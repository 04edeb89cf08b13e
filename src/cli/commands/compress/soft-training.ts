/**
 * Epochs of training for soft filter pruning: plain SGD on class folders or CIFAR-10, the learning rate falling by a
 * cosine over all epochs. Recipes, checkpoints and reports are `ghostnet train`'s affair.
 */
import { assembleBatch, epochBatches } from '../../../data/batches.js';
import { findCifar10, loadCifar10 } from '../../../data/node/cifar10-files.js';
import { listImageFolder } from '../../../data/node/image-folder.js';
import { openStore, type PictureStore } from '../../../data/node/picture-store.js';
import { rangeError } from '../../../errors.js';
import { type Graph, inputNodes, type Weights } from '../../../graph/graph.js';
import { inferShapes } from '../../../graph/shapes.js';
import { createTrainer } from '../../../train/engine.js';

const batch = 64;
const peak = 0.01;

async function storeOf(path: string, graph: Graph, side: number): Promise<PictureStore> {
  const cifar = await findCifar10(path);
  if (cifar) return loadCifar10(cifar.folder, 'train');
  const { labels: classes } = graph.meta;
  const { files, labels } = await listImageFolder(path, classes ? { classes } : {});
  return { kind: 'files', files, labels, keepSide: side };
}

/**
 * A function that trains the network for one epoch of `epochs`. `onStep` hears of every step, counted over all epochs.
 * Throws RangeError `NOT_TRAINABLE` for a network without preprocessing, and what reading and training throw.
 */
export async function softTraining(
  path: string,
  graph: Graph,
  epochs: number,
  options: { readonly threads: number; readonly onStep: (done: number, steps: number) => void },
): Promise<(graph: Graph, weights: Weights, epoch: number) => Promise<Weights>> {
  const { preprocessing } = graph.meta;
  const [, size = 0] = inputNodes(graph)[0]?.shape ?? [];
  if (!preprocessing)
    throw rangeError(
      'NOT_TRAINABLE',
      `${graph.name}: the file says nothing of preprocessing; train another way`,
    );
  const source = openStore(await storeOf(path, graph, size));
  const classes = inferShapes(graph).get(graph.outputs[0] ?? '')?.[1] ?? 0;
  const { mean, std } = preprocessing;
  const recipe = { size, classes, mean, std, seed: 1, augment: { flip: 'random' } } as const;
  const indices = Int32Array.from({ length: source.count }, (_, i) => i);
  return async (network, weights, epoch) => {
    const trainer = await createTrainer(network, weights, {
      batch,
      threads: options.threads,
      optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
      seed: epoch + 1,
    });
    try {
      const requests = epochBatches(indices, batch, 1, epoch);
      for (const [step, request] of requests.entries()) {
        const done = epoch * requests.length + step;
        const total = epochs * requests.length;
        const { images, labels } = await assembleBatch(source, recipe, request);
        trainer.step({
          images,
          targets: labels,
          learningRate: (peak * (1 + Math.cos((Math.PI * done) / total))) / 2,
        });
        options.onStep(done + 1, total);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      return trainer.weights();
    } finally {
      trainer.dispose();
    }
  };
}
