/**
 * A network that others trained, on the CIFAR-10 test pictures: the compiled Ghost-ResNet-56 gives the answers that a
 * numpy forward pass gave, on 1,000 pictures, and in the long form (GHOSTNET_LONG=1) on all 10,000: 9,254 are right.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createNetwork } from '../../src/create-network.js';
import { readCifar10 } from '../../src/data/cifar10.js';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { readTestBatch } from '../cifar10-test-batch.js';
import { longForm } from '../op-cases/targets.js';
import { sharedData } from '../shared-data.js';

const folder = 'models/ghost-resnet56-cifar10';
const weightsFile = sharedData(`${folder}/gr_multistep.safetensors`);
const expectedFile = sharedData(`${folder}/expected_test_batch.json`);
const batchFile = sharedData('cifar10/test_batch.bin.med.br');

interface Expected {
  readonly correct: number;
  readonly predictions: string;
  readonly logits_first_32: readonly (readonly number[])[];
}

const [mean, std] = [
  [0.4914, 0.4822, 0.4465],
  [0.2023, 0.1994, 0.201],
];

/** [N][32][32][3] bytes of `count` pictures from `first` as normalised planes [N][3][32][32]. */
function planes(pictures: Uint8Array, first: number, count: number): Float32Array {
  const values = new Float32Array(count * 3072);
  for (let n = 0; n < count; n++)
    for (let c = 0; c < 3; c++)
      for (let p = 0; p < 1024; p++) {
        const byte = pictures[(first + n) * 3072 + p * 3 + c] as number;
        values[n * 3072 + c * 1024 + p] = (byte / 255 - (mean?.[c] ?? 0)) / (std?.[c] ?? 1);
      }
  return values;
}

describe.skipIf(!weightsFile || !expectedFile || !batchFile)('Ghost-ResNet-56 trained on CIFAR-10', () => {
  const count = longForm() ? 10_000 : 1000;
  it(`is as right as it was on ${count} of 10,000 test pictures`, { timeout: 120_000 }, async () => {
    const { graph, weights } = await readModelFile(weightsFile as string, {
      network: 'ghost-resnet56-bn-after',
    });
    const expected = JSON.parse(await readFile(expectedFile as string, 'utf8')) as Expected;
    const { pictures, labels } = readCifar10(await readTestBatch(batchFile as string), 'test_batch.bin');
    const batch = 50;
    const network = await createNetwork(graph, weights, { batch });
    let correct = 0;
    let different = 0;
    let known = 0;
    for (let first = 0; first < count; first += batch) {
      const logits = network.run(planes(pictures, first, batch));
      for (let n = 0; n < batch; n++) {
        const row = logits.subarray(n * 10, n * 10 + 10);
        const answer = row.indexOf(Math.max(...row));
        if (answer === labels[first + n]) correct++;
        const before = Number(expected.predictions[first + n]);
        if (before === labels[first + n]) known++;
        if (answer !== before) different++;
        const logitsBefore = expected.logits_first_32[first + n] ?? [];
        for (const [i, value] of logitsBefore.entries()) expect(row[i]).toBeCloseTo(value, 3);
      }
    }
    network.dispose();
    if (count === 10_000) expect(known).toBe(9254);
    expect(Math.abs(correct - known)).toBeLessThanOrEqual(3);
    expect(different).toBeLessThanOrEqual(3);
  });
});
