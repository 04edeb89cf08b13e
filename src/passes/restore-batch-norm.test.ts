/** Batch norm that is put back changes nothing, and carries the statistics of the pictures. */
import { describe, expect, it } from 'vitest';
import { couplingNetworks } from '../../test/networks/coupling-networks.js';
import { difference } from '../../test/op-cases/compare.js';
import { randomInputs, randomWeights } from '../../test/op-cases/values.js';
import { calibrationOf } from '../calibration.js';
import { runReference } from '../reference/run.js';
import { foldBatchNorm } from './fold-batch-norm.js';
import { restoreBatchNorm } from './restore-batch-norm.js';

describe('restoreBatchNorm', () => {
  it.each(['fire', 'inverted residual', 'ghost-resnet20-cifar'])(
    '%s, folded: the same outputs',
    async (name) => {
      const network = couplingNetworks[name]!.build();
      const folded = foldBatchNorm(network, randomWeights(network, 3));
      const inputs = randomInputs(network, { batch: 4, seed: 9 });
      const [input] = [...inputs.values()];
      const size = input!.data.length / 4;
      const pictures = [0, 1, 2, 3].map((n) => input!.data.slice(n * size, (n + 1) * size));
      const restored = await restoreBatchNorm(folded.graph, folded.weights, calibrationOf(pictures));
      const norms = restored.graph.nodes.filter(({ kind }) => kind === 'batchNorm');
      const convolutions = restored.graph.nodes.filter(({ kind }) => kind === 'conv2d');
      expect(norms).toHaveLength(convolutions.length);
      expect(restored.plan).toHaveLength(convolutions.length);
      const tap = norms[1]!;
      const expected = runReference(folded.graph, folded.weights, inputs);
      const actual = runReference(restored.graph, restored.weights, inputs, { taps: [tap.inputs[0]!] });
      for (const output of network.outputs)
        expect(difference(actual.get(output)!, expected.get(output)!).relative).toBeLessThan(1e-5);
      // the mean of the first channel, over the four pictures
      const { shape, data } = actual.get(tap.inputs[0]!)!;
      const [, channels = 1, h = 1, w = 1] = shape;
      let sum = 0;
      for (let n = 0; n < 4; n++) for (let p = 0; p < h * w; p++) sum += data[n * channels * h * w + p]!;
      const mean = restored.weights.get(`${tap.name}.running_mean`)!.data[0]!;
      expect(Math.abs(mean - sum / (4 * h * w))).toBeLessThan(1e-5);
      // and folding takes it out again
      const again = foldBatchNorm(restored.graph, restored.weights);
      expect(again.graph.nodes.some(({ kind }) => kind === 'batchNorm')).toBe(false);
    },
  );

  it('leaves a network that has batch norm', async () => {
    const graph = couplingNetworks['resnet20-cifar']!.build();
    const weights = randomWeights(graph, 3);
    const restored = await restoreBatchNorm(graph, weights, calibrationOf([new Float32Array(3 * 64)]));
    expect(restored.graph).toBe(graph);
  });
});
