/**
 * Trains a network on CIFAR-10 within a time budget: SGD with Nesterov momentum, one cycle of the learning rate over
 * the budget, random crops and alternating flips, and a moving average of the weights, which is what is saved (f16).
 * The last 1000 training pictures are kept for validation and never trained on.
 *
 *   node scripts/train-cifar10.mjs <network> <folder of data_batch_*.bin> <out.safetensors> [minutes=30] [threads=2]
 *
 * Same seed, but a schedule by the clock: two runs do not end with the same bits.
 */
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assembleBatch, epochBatches } from '../dist/data/batches.js';
import { cifar10TestFile, cifar10TrainFiles, joinPictures, readCifar10 } from '../dist/data/cifar10.js';
import { saveModel } from '../dist/formats/model-file.js';
import { initializeWeights } from '../dist/models/initialize.js';
import { createModel } from '../dist/models/registry.js';
import { createTrainer } from '../dist/train/engine.js';

const [name, folder, out, minutes = '30', threads = '2'] = process.argv.slice(2);
if (!name || !folder || !out) {
  console.error(
    'usage: node scripts/train-cifar10.mjs <network> <folder> <out.safetensors> [minutes] [threads]',
  );
  process.exit(2);
}
const [seed, batch, classes, peak] = [1, 128, 10, 0.2];
const read = (file) => readCifar10(readFileSync(join(folder, file)), file);
const source = ({ count, labels, pictures }) => ({
  count,
  labels,
  picture: (i) => ({ width: 32, height: 32, data: pictures.subarray(i * 3072, (i + 1) * 3072) }),
});
const training = source(joinPictures(cifar10TrainFiles.map(read)));
const test = source(read(cifar10TestFile));
const trained = training.count - 1000;

const log = (line) => {
  console.log(line);
  appendFileSync(`${out}.log`, `${line}\n`);
};
const graph = createModel(name);
const { mean, std } = graph.meta.preprocessing;
const trainer = await createTrainer(graph, initializeWeights(graph, seed), {
  batch,
  threads: Number(threads),
  loss: { kind: 'crossEntropy', labelSmoothing: 0.1 },
  optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  ema: { decay: 0.99 },
  seed,
});
log(
  `${name}, memory ${(trainer.memory.peakBytes / 2 ** 20).toFixed(0)} MiB, relaxed SIMD ${trainer.relaxed}, node ${process.version}`,
);
const plain = { size: 32, classes, mean, std, seed };
const augmented = { ...plain, augment: { crop: { kind: 'pad', padding: 2 }, flip: 'alternating' } };

/** Share of pictures [from, to) that are classified right, with the running statistics. */
async function accuracy(pictures, from, to) {
  let right = 0;
  for (let i = from; i < to; i += batch) {
    const indices = Int32Array.from({ length: Math.min(batch, to - i) }, (_, k) => i + k);
    const made = await assembleBatch(pictures, plain, { epoch: 0, indices });
    const logits = trainer.evaluate(made.images);
    indices.forEach((_, k) => {
      const row = logits.subarray(k * classes, (k + 1) * classes);
      if (row.indexOf(Math.max(...row)) === made.labels[k]) right++;
    });
  }
  return right / (to - from);
}

const indices = Int32Array.from({ length: trained }, (_, i) => i);
const started = performance.now();
const share = () => (performance.now() - started) / (Number(minutes) * 60_000);
let [step, loss, correct, steps] = [0, 0, 0, 0];
run: for (let epoch = 0; ; epoch++)
  for (const request of epochBatches(indices, batch, seed, epoch)) {
    const done = share();
    if (done >= 1) break run;
    const learningRate = peak * (done < 0.2 ? 0.05 + (0.95 * done) / 0.2 : (1 - done) / 0.8);
    const { images, labels } = await assembleBatch(training, augmented, request);
    const result = trainer.step({ images, targets: labels, learningRate });
    if (!Number.isFinite(result.loss))
      throw new Error(`the loss is ${result.loss} at step ${step}, first in ${trainer.firstNonFinite()}`);
    step++;
    steps++;
    loss += result.loss;
    correct += result.correct;
    if (step % 25 === 0) {
      const each = (performance.now() - started) / step;
      log(
        `epoch ${epoch} step ${step} lr ${learningRate.toFixed(4)} loss ${(loss / steps).toFixed(4)} ` +
          `accuracy ${(correct / steps / batch).toFixed(4)} ${each.toFixed(0)} ms/step`,
      );
      [loss, correct, steps] = [0, 0, 0];
    }
  }
const average = trainer.weights('average');
trainer.setWeights(average);
const validation = await accuracy(training, trained, training.count);
const top1 = await accuracy(test, 0, test.count);
const bytes = saveModel(graph, average, { dtype: 'F16' });
writeFileSync(`${out}.tmp`, bytes);
renameSync(`${out}.tmp`, out);
log(
  `validation ${validation} test ${top1}, ${step} steps, ${((step * batch) / trained).toFixed(2)} epochs, ${bytes.length} bytes`,
);
trainer.dispose();
