/**
 * The files that `exportOnnx` writes, run by onnxruntime-node beside our own compiled module: whole networks with and
 * without batch norm folded, the redundant Slice, 16-bit weights, a batch of two, and trained networks on real pictures
 * (random graphs of every op: test/fuzz). onnxruntime-node is fetched into the cache folder when it is not there; where that cannot be
 * done, the tests skip and say so.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { onnxruntimeNode } from '../../src/cli/measure/peers/onnxruntime.js';
import { installPeer, type PeerLoader } from '../../src/cli/measure/peers/peer.js';
import { createNetwork } from '../../src/create-network.js';
import { cacheFolder } from '../../src/formats/node/cache-folder.js';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { exportOnnx, type OnnxExportOptions } from '../../src/formats/onnx/export.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { type Graph, inputNodes, type Weights } from '../../src/graph/graph.js';
import { inferShapes } from '../../src/graph/shapes.js';
import { Random } from '../../src/models/random.js';
import { createModel } from '../../src/models/registry.js';
import { foldBatchNorm } from '../../src/passes/fold-batch-norm.js';
import { readTestBatch } from '../cifar10-test-batch.js';
import { randomWeights } from '../op-cases/values.js';
import { sharedData } from '../shared-data.js';

/** Relative to the largest value of the output. */
const tolerance = 1e-4;
let load: PeerLoader | undefined;

beforeAll(async () => {
  try {
    load = await installPeer(onnxruntimeNode, cacheFolder(), (line) => console.warn(line));
  } catch (error) {
    console.warn(`SKIPPED: tests that need onnxruntime-node: ${(error as Error).message}`);
  }
}, 300_000);

async function runOnnxruntime(
  context: TestContext,
  graph: Graph,
  weights: Weights,
  batch: number,
  input: Float32Array,
  options: OnnxExportOptions = {},
): Promise<Float32Array> {
  if (!load) return context.skip('onnxruntime-node cannot be installed');
  const inputShape = [batch, ...inputNodes(graph)[0]!.shape];
  const onnx = exportOnnx(graph, weights, options);
  const runner = await onnxruntimeNode.create(load, {
    onnx,
    graph,
    weights,
    inputShape,
    outputShape: inferShapes(graph, { batch }).get(graph.outputs[0]!)!,
    threads: 1,
  });
  try {
    return (await runner.run(input)).slice();
  } finally {
    await runner.dispose();
  }
}

async function runOurs(
  graph: Graph,
  weights: Weights,
  batch: number,
  input: Float32Array,
): Promise<Float32Array> {
  const network = await createNetwork(graph, weights, { batch });
  try {
    return (await network.run(input)).slice();
  } finally {
    await network.dispose();
  }
}

function randomInput(graph: Graph, batch: number, seed: number): Float32Array {
  const random = new Random(seed);
  const size = inputNodes(graph)[0]!.shape.reduce((a, b) => a * b, batch);
  return Float32Array.from({ length: size }, () => random.normal());
}

/** The largest difference, relative to the largest value (at least `floor`). */
function difference(given: Float32Array, expected: Float32Array, floor = 1e-9): number {
  let [worst, scale] = [0, floor];
  expected.forEach((value, i) => {
    worst = Math.max(worst, Math.abs(value - (given[i] ?? Number.NaN)));
    scale = Math.max(scale, Math.abs(value));
  });
  return given.length === expected.length ? worst / scale : Number.POSITIVE_INFINITY;
}

describe('onnxruntime-node gives our numbers', () => {
  const forms = [
    ['as it is', {}, false],
    ['with batch norm folded', {}, true],
    ['with the redundant Slice', { redundantSlices: true }, true],
    ['with 16-bit weights', { dtype: 'F16' }, false],
  ] as const;
  for (const [title, options, folds] of forms)
    it(`for GhostNet 0.5x at 64 x 64, two pictures, ${title}`, { timeout: 60_000 }, async (context) => {
      const graph = createModel('ghostnet-0.5x', { inputSize: 64 });
      const weights = randomWeights(graph, 1);
      const model = folds ? foldBatchNorm(graph, weights) : { graph, weights };
      const input = randomInput(graph, 2, 3);
      const theirs = await runOnnxruntime(context, model.graph, model.weights, 2, input, options);
      const ours = await runOurs(graph, weights, 2, input);
      // halves are off by up to 2^-11 in each weight
      expect(difference(theirs, ours)).toBeLessThan('dtype' in options ? 0.02 : tolerance);
    });

  // rows drop a last window that would start beyond the padding, columns keep theirs
  it.for(['maxPool', 'avgPool'] as const)(
    'for a ceil-mode %s of which one axis drops a window',
    async (kind, context) => {
      const g = new GraphBuilder('pool');
      const window = { kernel: [2, 3], stride: [3, 2], padding: [1, 0, 1, 0], ceilMode: true } as const;
      const x = g.input('x', [2, 5, 6]);
      const pooled =
        kind === 'maxPool'
          ? g.maxPool('y', x, window)
          : g.avgPool('y', x, { ...window, countIncludePad: false });
      const graph = g.build([g.concat('both', [pooled, pooled])]);
      expect(inferShapes(graph).get('y')).toEqual([1, 2, 2, 3]);
      const input = randomInput(graph, 1, 3);
      const theirs = await runOnnxruntime(context, graph, new Map(), 1, input);
      expect(difference(theirs, await runOurs(graph, new Map(), 1, input))).toBeLessThan(tolerance);
    },
  );

  // weights that two convolutions share, shifts, gates at half resolution, vectors spread over maps, shuffles
  it.for(['versatile_v2_resnet50', 'fe_net_x1_0', 'ghostnetv2-1.0x', 'g_ghost_regnetx_002', 'igcv3'])(
    'for %s, small',
    { timeout: 60_000 },
    async (name, context) => {
      const graph = createModel(name, { classes: 5, inputSize: 64, width: 0.5 });
      const weights = randomWeights(graph, 1);
      const input = randomInput(graph, 2, 3);
      const theirs = await runOnnxruntime(context, graph, weights, 2, input);
      const ours = await runOurs(graph, weights, 2, input);
      expect(difference(theirs, ours)).toBeLessThan(tolerance);
    },
  );
});

describe('trained networks, read, written again and run by onnxruntime-node on real pictures', () => {
  const file = sharedData('models/onnx/ghost_resnet56_cifar10.onnx');
  const expectedFile = sharedData('models/onnx/expected_ghost_resnet56_cifar10.json');
  const batchFile = sharedData('cifar10/test_batch.bin.med.br');

  it.skipIf(!file || !expectedFile || !batchFile)(
    'Ghost-ResNet-56',
    { timeout: 120_000 },
    async (context) => {
      const { graph, weights } = await readModelFile(file!);
      const folded = foldBatchNorm(graph, weights);
      const records = await readTestBatch(batchFile!);
      const [mean, std] = [
        [0.4914, 0.4822, 0.4465],
        [0.2023, 0.1994, 0.201],
      ];
      const { images } = JSON.parse(readFileSync(expectedFile!, 'utf8')) as {
        images: Record<string, { top5: number[]; logits: number[] }>;
      };
      const batch = 8;
      const input = Float32Array.from({ length: batch * 3072 }, (_, i) => {
        const [record, k] = [Math.floor(i / 3072), i % 3072];
        return (records[record * 3073 + 1 + k]! / 255 - mean[k >> 10]!) / std[k >> 10]!;
      });
      for (const model of [{ graph, weights }, folded]) {
        const logits = await runOnnxruntime(context, model.graph, model.weights, batch, input);
        for (let n = 0; n < batch; n++) {
          const known = images[`test_batch/${n}`]!;
          const scale = Math.max(...known.logits.map(Math.abs));
          for (const [k, index] of known.top5.entries())
            expect(Math.abs(logits[n * 10 + index]! - known.logits[k]!)).toBeLessThan(tolerance * scale);
        }
      }
    },
  );
});
