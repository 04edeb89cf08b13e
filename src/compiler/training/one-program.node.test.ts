/**
 * A run of a thread is of one program, whatever the caller does to the mode word meanwhile: a thread that has left the last
 * meeting is still on its way out when the caller, who left it first, names the next run's program.
 */
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { initializeWeights } from '../../models/initialize.js';
import { createModel } from '../../models/registry.js';
import { detectFeatures } from '../../runtime/features.js';
import { createTrainer } from '../../train/engine.js';
import { control, modes } from './assemble.js';
import { compileTraining } from './compile-training.js';

const missing = detectFeatures().threads.reason;
const graph = createModel('ghost-resnet20-cifar', { classes: 3, inputSize: 8 });

/** Sets the mode word to the next program again and again. */
const restless = `
const { workerData, parentPort } = require('node:worker_threads');
const words = new Int32Array(workerData.memory.buffer);
parentPort.postMessage('ready');
for (let mode = 0; ; mode = (mode + 1) % 3) Atomics.store(words, workerData.at, mode);`;

it.skipIf(missing !== '')('a thread goes through one program, though the mode word changes', async () => {
  const compiled = compileTraining(graph, {
    ...{ batch: 2, threads: 2, isa: { relaxed: false }, loss: { kind: 'crossEntropy' } },
    ...{ rule: { kind: 'sgd', momentum: 0, nesterov: false }, weightDecay: 0, decayNormAndBias: false },
    ...{ clipNorm: 0, average: false, recompute: false, checked: false },
  });
  const { pages } = compiled;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const words = new Int32Array(memory.buffer);
  for (const { address, data } of compiled.tables) if (data) words.set(data, address / 4);
  const { instance } = await WebAssembly.instantiate(compiled.module() as BufferSource, { env: { memory } });
  const main = instance.exports['main1'] as (base: number, mayWait: number) => void;
  /** How many meetings the thread comes to; nobody is waited for, since the counter is far ahead. */
  const meetings = (): number => {
    Atomics.store(words, control.counter / 4, 1 << 20);
    main(0, 0);
    return Atomics.load(words, control.counter / 4) - (1 << 20);
  };
  const alone = Object.values(modes).map((mode) => {
    words[control.mode / 4] = mode;
    return meetings();
  });
  const [train = 0, evaluate = 0, statistics = 0] = alone;
  for (const several of [0, train + evaluate, evaluate + statistics, train + statistics])
    expect(alone).not.toContain(several);
  const worker = new Worker(restless, { eval: true, workerData: { memory, at: control.mode / 4 } });
  try {
    await new Promise((resolve) => worker.once('message', resolve));
    for (let run = 0; run < 200; run++) expect(alone).toContain(meetings());
  } finally {
    await worker.terminate();
  }
});

it.skipIf(missing !== '')(
  'steps, evaluations and statistics in turns end, with the same bits each time',
  async () => {
    const images = Float32Array.from({ length: 2 * 3 * 8 * 8 }, (_, i) => Math.sin(i));
    const targets = Int32Array.of(1, 2);
    const rounds: Float32Array[][] = [];
    for (let round = 0; round < 2; round++) {
      const trainer = await createTrainer(graph, initializeWeights(graph, 2), {
        ...{ batch: 2, threads: 2, checked: round === 1, optimizer: { kind: 'sgd' } },
      });
      const logits = Array.from({ length: 50 }, () => {
        trainer.step({ images, targets, learningRate: 1e-3 });
        const values = trainer.evaluate(images);
        trainer.updateStatistics(images);
        return values;
      });
      trainer.dispose();
      rounds.push(logits);
    }
    expect(rounds[1]).toEqual(rounds[0]);
  },
);
