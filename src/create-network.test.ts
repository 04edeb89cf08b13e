/** Networks as users have them: run, views, errors, several at once, threads and their absence. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { compile } from './compiler/compile.js';
import { createNetwork } from './create-network.js';
import { errorCode } from './errors.js';
import { GraphBuilder } from './graph/builder.js';
import type { Graph, Weights } from './graph/graph.js';
import { initializeWeights } from './models/initialize.js';
import { Random } from './models/random.js';
import { createModel } from './models/registry.js';
import { runReference } from './reference/run.js';
import { detectFeatures, threadSupport } from './runtime/features.js';
import { instantiate } from './runtime/network.js';

const canThread = detectFeatures().threads.available;

function example(): { graph: Graph; weights: Weights; input: Float32Array } {
  const graph = createModel('ghostnet-0.5x', { inputSize: 32, classes: 7 });
  const random = new Random(5);
  const input = Float32Array.from({ length: 3 * 32 * 32 }, () => random.normal());
  return { graph, weights: initializeWeights(graph, 4), input };
}

/** Two inputs, two outputs: [2, 3, 4] each, and their sum and product. */
function twoPorts(): Graph {
  const g = new GraphBuilder('two ports');
  const [a, b] = [g.input('a', [2, 3, 4]), g.input('b', [2, 3, 4])];
  return g.build([g.add('sum', a, b), g.mul('product', a, b)]);
}

async function codeOf(run: () => unknown): Promise<string | undefined> {
  try {
    await run();
  } catch (error) {
    return errorCode(error);
  }
  return 'nothing was thrown';
}

describe('createNetwork', () => {
  const { graph, weights, input } = example();

  it('gives what the reference gives, in an array of its own each time', async () => {
    const network = await createNetwork(graph, weights);
    const first = network.run(input);
    const copy = first.slice();
    const expected = runReference(
      graph,
      weights,
      new Map([['input', { shape: [1, 3, 32, 32], data: input }]]),
    );
    const values = expected.get('classifier')?.data ?? new Float32Array();
    const scale = Math.max(...values.map(Math.abs));
    expect(first.length).toBe(7);
    for (const [i, value] of first.entries())
      expect(Math.abs(value - (values[i] as number))).toBeLessThan(1e-4 * scale);
    network.run(new Float32Array(input.length));
    expect(first).toEqual(copy);
    network.dispose();
  });

  it('runs in place through views, with no copy', async () => {
    const network = await createNetwork(graph, weights);
    network.inputView().set(input);
    network.execute();
    const view = network.outputView();
    expect([...view]).toEqual([...network.run(input)]);
    expect(view.buffer).toBe(network.inputView('input').buffer);
    network.dispose();
  });

  it('takes and gives several ports by name', async () => {
    const network = await createNetwork(twoPorts(), new Map());
    const a = Float32Array.from({ length: 24 }, (_, i) => i - 7);
    const b = Float32Array.from({ length: 24 }, (_, i) => 3 * i);
    const results = network.runAll({ a, b });
    expect(results['sum']).toEqual(a.map((value, i) => value + (b[i] as number)));
    expect(results['product']).toEqual(a.map((value, i) => value * (b[i] as number)));
    expect(network.inputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['a', [1, 2, 3, 4]],
      ['b', [1, 2, 3, 4]],
    ]);
    expect(await codeOf(() => network.run(a))).toBe('NOT_ONE_PORT');
    expect(await codeOf(() => network.runAll({ a }))).toBe('INPUT_MISSING');
    expect(await codeOf(() => network.inputView('c'))).toBe('UNKNOWN_PORT');
    network.dispose();
  });

  it('refuses inputs of the wrong kind or size', async () => {
    const network = await createNetwork(graph, weights);
    expect(await codeOf(() => network.run(new Float32Array(5)))).toBe('INPUT_SIZE');
    expect(await codeOf(() => network.run([1, 2] as unknown as Float32Array))).toBe('INPUT_TYPE');
    network.dispose();
  });

  it('is of no use after dispose, and says so', async () => {
    const network = await createNetwork(graph, weights);
    expect(network.memoryBytes).toBeGreaterThan(0);
    network.dispose();
    network.dispose();
    expect(network.memoryBytes).toBe(0);
    for (const use of [() => network.run(input), () => network.execute(), () => network.outputView()])
      expect(await codeOf(use)).toBe('NETWORK_DISPOSED');
    expect(await codeOf(() => network.warmUp())).toBe('NETWORK_DISPOSED');
  });

  it('several networks run side by side, each with its own memory', async () => {
    const other = createModel('resnet20-cifar');
    const networks = await Promise.all([
      createNetwork(graph, weights),
      createNetwork(other, initializeWeights(other, 1)),
      createNetwork(graph, initializeWeights(graph, 9)),
    ]);
    const alone = networks.map((network) => network.run(input));
    for (let round = 0; round < 3; round++)
      for (const [i, network] of networks.entries()) expect(network.run(input)).toEqual(alone[i]);
    expect(alone[0]).not.toEqual(alone[2]);
    for (const network of networks) network.dispose();
  });

  it('runs 10,000 times in the same memory', async () => {
    const g = new GraphBuilder('tiny');
    const conv = g.conv2d('conv', g.input('x', [3, 4, 4]), { outChannels: 5, kernel: 3, padding: 1 });
    const tiny = g.build([conv]);
    const network = await createNetwork(tiny, initializeWeights(tiny, 1));
    const x = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i));
    const [first, bytes] = [network.run(x), network.memoryBytes];
    for (let i = 0; i < 10_000; i++) network.run(x);
    expect(network.run(x)).toEqual(first);
    expect(network.memoryBytes).toBe(bytes);
    network.dispose();
  });

  it('warms up, then runs as before', async () => {
    const network = await createNetwork(graph, weights);
    const before = network.run(input);
    await network.warmUp(2);
    expect(network.run(input)).toEqual(before);
    network.dispose();
  });

  it('batches equal single pictures to the bit', async () => {
    const batch = await createNetwork(graph, weights, { batch: 3 });
    const single = await createNetwork(graph, weights);
    const pictures = Float32Array.from({ length: 3 * input.length }, (_, i) => Math.sin(i * 0.1));
    const together = batch.run(pictures);
    for (let n = 0; n < 3; n++)
      expect(together.slice(n * 7, n * 7 + 7)).toEqual(
        single.run(pictures.slice(n * input.length, (n + 1) * input.length)),
      );
    batch.dispose();
    single.dispose();
  });
});

describe('threads', () => {
  const { graph, weights, input } = example();
  afterEach(() => vi.restoreAllMocks());

  it.skipIf(!canThread)('give the same bits, run after run, and end with dispose', async () => {
    const one = await createNetwork(graph, weights);
    const expected = one.run(input);
    for (const threads of [2, 4]) {
      const network = await createNetwork(graph, weights, { threads });
      expect(network.backend).toMatchObject({ threads, reason: '' });
      for (let i = 0; i < 20; i++) expect(network.run(input)).toEqual(expected);
      network.dispose();
      expect(await codeOf(() => network.run(input))).toBe('NETWORK_DISPOSED');
    }
    one.dispose();
  });

  it.skipIf(!canThread)('sleep between runs and wake up again', async () => {
    const network = await createNetwork(graph, weights, { threads: 2 });
    const expected = network.run(input);
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(network.run(input)).toEqual(expected);
    }
    network.dispose();
  });

  it('that cannot be had are said aloud once, and one runs', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const features = {
      ...detectFeatures(),
      threads: threadSupport({ SharedArrayBuffer: Object, crossOriginIsolated: false }, false),
    };
    const one = await createNetwork(graph, weights);
    for (let i = 0; i < 2; i++) {
      const network = await createNetwork(graph, weights, { threads: 2, features });
      expect(network.backend.threads).toBe(1);
      expect(network.backend.reason).toContain('crossOriginIsolated');
      expect(network.run(input)).toEqual(one.run(input));
      network.dispose();
    }
    one.dispose();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toContain('crossOriginIsolated');
  });

  it('are possible where the platform has all they need', () => {
    const all = { SharedArrayBuffer: Object, crossOriginIsolated: true, Worker: class {} };
    expect(threadSupport(all, false)).toEqual({ available: true, reason: '' });
    expect(threadSupport({ SharedArrayBuffer: Object }, true).available).toBe(true);
    expect(threadSupport({ ...all, SharedArrayBuffer: undefined }, false).reason).toContain(
      'SharedArrayBuffer',
    );
    expect(threadSupport({ SharedArrayBuffer: Object }, false).reason).toContain('Worker');
  });
});

describe('compiled models', () => {
  const { graph, weights, input } = example();

  it('survive JSON and run without the graph', async () => {
    const compiled = compile(graph, weights);
    const manifest = JSON.parse(JSON.stringify(compiled.manifest)) as typeof compiled.manifest;
    const network = await instantiate({ ...compiled, manifest });
    const direct = await createNetwork(graph, weights, { relaxed: false });
    expect(network.run(input)).toEqual(direct.run(input));
    network.dispose();
    direct.dispose();
  });

  it('in a list: the first that can run here does', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const models = [2, 1].map((threads) => compile(graph, weights, { threads }));
    const features = { ...detectFeatures(), threads: { available: false, reason: 'none here' } };
    const network = await instantiate(models, { features });
    expect(network.backend.threads).toBe(1);
    expect(network.backend.reason).toContain('none here');
    const single = await createNetwork(graph, weights, { relaxed: false });
    expect(network.run(input)).toEqual(single.run(input));
    expect(await codeOf(() => instantiate(models.slice(0, 1), { features }))).toBe('NO_THREADS');
    expect(await codeOf(() => instantiate([]))).toBe('NO_MODEL');
    const relaxed = compile(graph, weights, { relaxed: true });
    expect(await codeOf(() => instantiate(relaxed, { features: { ...features, relaxed: false } }))).toBe(
      'NO_RELAXED_SIMD',
    );
    network.dispose();
    single.dispose();
  });

  it('of the profiling kind time every step', async () => {
    const network = await createNetwork(graph, weights, { profile: true });
    const plain = await createNetwork(graph, weights);
    expect(network.run(input)).toEqual(plain.run(input));
    const steps = network.profileSteps(2);
    expect(steps.length).toBeGreaterThan(50);
    for (const step of steps) expect(step.ms).toBeGreaterThanOrEqual(0);
    expect(steps.reduce((sum, step) => sum + step.macs, 0)).toBeGreaterThan(1e6);
    expect(await codeOf(() => plain.profileSteps())).toBe('NOT_PROFILED');
    network.dispose();
    plain.dispose();
  });

  it('are refused for wrong options and missing weights', async () => {
    expect(await codeOf(() => compile(graph, weights, { threads: 0 }))).toBe('BAD_THREADS');
    expect(await codeOf(() => compile(graph, weights, { threads: 2, profile: true }))).toBe('BAD_THREADS');
    expect(await codeOf(() => compile(graph, weights, { batch: 0 }))).toBe('BAD_BATCH');
    const some = new Map([...weights].slice(0, -1));
    expect(await codeOf(() => compile(graph, some))).toBe('WEIGHTS_MISSING');
    expect(await codeOf(() => compile(graph, weights, { inputShapes: { input: [4, 32, 32] } }))).toBe(
      'SHAPE_MISMATCH',
    );
  });
});
