/**
 * The package's own classifier and the weights of the other kept runs: each file keeps to what its run says of it, on
 * 1,000 test pictures of CIFAR-10, and in the long form (GHOSTNET_LONG=1) on all 10,000 to the picture.
 */
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { defaultModel } from '../../src/cli/input/default-model.js';
import { readCifar10 } from '../../src/data/cifar10.js';
import { squareStore } from '../../src/data/node/picture-store.js';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { cifar10Labels } from '../../src/models/ghost-resnet-bn-after.js';
import { evaluateStore } from '../../src/train/node/evaluate-store.js';
import { readTestBatch } from '../cifar10-test-batch.js';
import { longForm } from '../op-cases/targets.js';
import { sharedData } from '../shared-data.js';

const batchFile = sharedData('cifar10/test_batch.bin.med.br');
const runs = new URL('../../models/runs/', import.meta.url);
/** Model file and the run that made it; the package's own came out of the last of three legs. */
const kept = [
  { run: 'ghostnet-32-cifar10-leg-3', path: defaultModel().path },
  ...['ghost-resnet20-cifar10', 'resnet20-cifar10'].map((run) => ({
    run,
    path: fileURLToPath(new URL(`${run}/weights.safetensors`, runs)),
  })),
];

interface Said {
  readonly of: string;
  readonly count: number;
  readonly top1: number;
}
const evaluationOf = async (run: string): Promise<Said> =>
  JSON.parse(await readFile(new URL(`${run}/evaluation.json`, runs), 'utf8'));

describe('the package’s own classifier', () => {
  it('is small and says its classes', async () => {
    const { path } = defaultModel();
    expect((await stat(path)).size).toBeLessThan(1_500_000);
    expect((await readModelFile(path)).graph.meta.labels).toEqual(cifar10Labels);
  });

  it('reaches 91 % on the test pictures, says its run', async () => {
    const said = await evaluationOf(kept[0]!.run);
    expect(said).toMatchObject({ of: 'test', count: 10_000 });
    expect(said.top1).toBeGreaterThanOrEqual(0.91);
  });
});

describe('weights of kept runs', () => {
  it.skipIf(!batchFile).each(kept)(
    '$run is as right as it says',
    { timeout: 120_000 },
    async ({ run, path }) => {
      const { graph, weights } = await readModelFile(path);
      const { pictures, labels } = readCifar10(await readTestBatch(batchFile!), 'test_batch.bin');
      const store = squareStore(pictures, labels, 32);
      const count = longForm() ? 10_000 : 1000;
      const indices = Int32Array.from({ length: count }, (_, i) => i);
      const options = { classes: cifar10Labels, threads: 1 };
      const { top1 } = await evaluateStore(graph, weights, store, indices, options);
      const said = await evaluationOf(run);
      expect(said).toMatchObject({ of: 'test', count: 10_000 });
      // 1,000 pictures: within three standard deviations of the whole
      const slack = longForm() ? 2e-4 : 3 * Math.sqrt((said.top1 * (1 - said.top1)) / count);
      expect(Math.abs(top1 - said.top1)).toBeLessThanOrEqual(slack);
    },
  );
});
