/** Ten steps of SGD on a small ghost network end where PyTorch's do (test/goldens/training.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Tensor } from '../graph/graph.js';
import { createTrainer } from './engine.js';

interface Packed {
  readonly shape: readonly number[];
  readonly data: string;
}
interface Golden {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly images: Packed;
  readonly labels: readonly (readonly number[])[];
  readonly losses: readonly number[];
  readonly before: Readonly<Record<string, Packed>>;
  readonly after: Readonly<Record<string, Packed>>;
}

function unpack({ shape, data }: Packed): Tensor {
  const bytes = Buffer.from(data, 'base64');
  return {
    shape,
    data: new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)),
  };
}

function network(): Graph {
  const g = new GraphBuilder('golden');
  let x = g.input('input', [3, 8, 8]);
  x = g.conv2d('stem', x, { outChannels: 8, kernel: 3, padding: 1 });
  x = g.activation('stem_act', g.batchNorm('stem_norm', x), 'relu');
  const unit = (
    name: string,
    from: string,
    options: { kernel: number; padding: number; groups: number },
  ): string =>
    g.activation(
      `${name}.act`,
      g.batchNorm(`${name}.1`, g.conv2d(`${name}.0`, from, { outChannels: 8, ...options })),
      'relu',
    );
  const primary = unit('ghost.primary_conv', x, { kernel: 1, padding: 0, groups: 1 });
  const cheap = unit('ghost.cheap_operation', primary, { kernel: 3, padding: 1, groups: 8 });
  x = g.concat('ghost', [primary, cheap]);
  let s = g.conv2d('reduce', g.globalAvgPool('squeeze', x), { outChannels: 4, kernel: 1, bias: true });
  s = g.conv2d('expand', g.activation('reduce_act', s, 'relu'), { outChannels: 16, kernel: 1, bias: true });
  x = g.mul('gated', x, g.activation('gate', s, 'hardSigmoid'));
  x = g.conv2d('down', x, { outChannels: 12, kernel: 3, stride: 2, padding: 1 });
  x = g.activation('down_act', g.batchNorm('down_norm', x), 'hardSwish');
  return g.build([g.linear('fc', g.flatten('flat', g.globalAvgPool('pool', x)), { outFeatures: 5 })]);
}

const path = new URL('../../test/goldens/training.json', import.meta.url);
const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden;

describe('ten steps of SGD', () => {
  it.each([1, 2, 3])('with %i threads', async (threads) => {
    const { learningRate, momentum, weightDecay, labelSmoothing } = golden;
    const images = unpack(golden.images);
    const count = images.data.length / golden.labels.length;
    const before = new Map(Object.entries(golden.before).map(([name, packed]) => [name, unpack(packed)]));
    const trainer = await createTrainer(network(), before, {
      batch: 8,
      threads,
      loss: { kind: 'crossEntropy', labelSmoothing },
      optimizer: { kind: 'sgd', momentum, nesterov: true, weightDecay },
    });
    golden.labels.forEach((labels, step) => {
      const { loss } = trainer.step({
        images: images.data.subarray(step * count, (step + 1) * count),
        targets: Int32Array.from(labels),
        learningRate,
      });
      const expected = golden.losses[step]!;
      expect(Math.abs(loss - expected) / expected, `loss of step ${step + 1}`).toBeLessThan(1e-4);
    });
    const after = trainer.weights();
    trainer.dispose();
    for (const [name, packed] of Object.entries(golden.after)) {
      const expected = unpack(packed).data;
      const ours = after.get(name)!.data;
      const norm = Math.hypot(...expected);
      const error = Math.hypot(...expected.map((value, i) => value - ours[i]!));
      expect(error / norm, name).toBeLessThan(1e-4);
    }
  });
});
