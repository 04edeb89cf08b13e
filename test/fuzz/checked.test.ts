/**
 * Checked builds (compile with `checked`): no kernel touches a byte that its step may not, in the table of op cases, in
 * networks of every family and in int8; results stay the same to the bit. And the proof that they notice: a kernel that is
 * given a wrong address for any of its operands is reported with step, node and address.
 */
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compile, compileQuantized } from '../../src/compiler/compile.js';
import type { CompiledModel } from '../../src/compiler/compiled-model.js';
import { errorCode } from '../../src/errors.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { createModel, listModels } from '../../src/models/registry.js';
import { instantiate } from '../../src/runtime/network.js';
import { quantizeCase } from '../op-cases/int8.js';
import type { OpCase } from '../op-cases/op-case.js';
import { describeCase } from '../op-cases/shrink.js';
import { opCases } from '../op-cases/table.js';
import { longForm, relaxedSimd, sameBits, simd } from '../op-cases/targets.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';

type Outputs = Readonly<Record<string, Float32Array>>;

async function run(compiled: CompiledModel, { graph, batch, seed, inputScale }: OpCase): Promise<Outputs> {
  const inputs = randomInputs(graph, { batch, seed, scale: inputScale });
  const network = await instantiate(compiled);
  try {
    return network.runAll(Object.fromEntries([...inputs].map(([name, { data }]) => [name, data])));
  } finally {
    network.dispose();
  }
}

/** Runs a case checked and unchecked; both must give the same bits. */
async function expectClean(opCase: OpCase, build: (options: CompileOptions) => CompiledModel): Promise<void> {
  const checked = await run(build({ checked: true }), opCase).catch((error: Error) =>
    expect.fail(`${error.message}\n${describeCase(opCase)}`),
  );
  const plain = await run(build({}), opCase);
  for (const [name, data] of Object.entries(plain))
    expect(sameBits(data, checked[name] ?? new Float32Array()), `${opCase.name}: ${name}`).toBe(true);
}

function inFloats(opCase: OpCase, relaxed: boolean): Promise<void> {
  const { graph, batch, seed } = opCase;
  const weights = randomWeights(graph, seed);
  return expectClean(opCase, (options) => compile(graph, weights, { batch, relaxed, ...options }));
}

describe.each([simd, relaxedSimd])('op cases on $name, checked', ({ missing, relaxed }) => {
  it.skipIf(missing !== '')('touch only what their steps may', async () => {
    for (const opCase of opCases.filter((_, i) => longForm() || i % 2 === 0)) await inFloats(opCase, relaxed);
  });

  it.skipIf(missing !== '')('touch only what their steps may in int8', async () => {
    let run = 0;
    for (const opCase of opCases.filter((_, i) => longForm() || i % 4 === 0)) {
      const network = await quantizeCase(opCase).catch((error: unknown) => {
        if (errorCode(error) === 'NOT_QUANTIZABLE') return undefined;
        throw error;
      });
      if (!network) continue;
      const { batch } = opCase;
      await expectClean(opCase, (options) => compileQuantized(network, { batch, relaxed, ...options }));
      run++;
    }
    expect(run).toBeGreaterThan(opCases.length / 6);
  });
});

describe('networks, checked', () => {
  /** One of each kind of block in the short form, all that the registry has in the long one. */
  const some = [
    'ghostnet-1.0x',
    'ghostnetv2-1.0x',
    'mobilenet_v3_large',
    'resnet18',
    'shufflenet_v2_x1_0',
    'squeezenet1_1',
    'ghost-resnet20-cifar',
  ];
  const names = longForm() ? listModels().map(({ name }) => name) : some;

  it.each(names)('%s touches only what its steps may', async (name) => {
    const inputSize = name.includes('vgg') ? 32 : /cifar|bn-after|-32/.test(name) ? 16 : 64;
    const graph = createModel(name, { classes: 5, inputSize });
    await inFloats({ name, graph, batch: 1, seed: 11, inputScale: 1 }, false);
  });
});

describe('what a checked build notices', () => {
  const g = new GraphBuilder('blocks');
  let x = g.input('x', [6, 9, 9]);
  x = g.conv2d('conv', x, { outChannels: 16, kernel: 3, padding: 1, stride: 2, bias: true });
  const cheap = g.conv2d('cheap', x, { outChannels: 16, kernel: 3, padding: 1, groups: 16 });
  x = g.concat('ghost', [x, cheap]);
  const gate = g.activation('gate', g.globalAvgPool('pool', x), 'hardSigmoid');
  x = g.mul('gated', x, gate);
  x = g.maxPool('max', x, { kernel: 2 });
  x = g.linear('fc', g.flatten('flat', x), { outFeatures: 10 });
  const opCase: OpCase = { name: 'blocks', graph: g.build([x]), batch: 1, seed: 2, inputScale: 1 };
  const weights = randomWeights(opCase.graph, 2);
  const misplaced = (step: number, operand: number, bytes: number): CompiledModel =>
    compile(opCase.graph, weights, { checked: true, trial: { misplace: { step, operand, bytes } } });

  it('names step, node, kernel and address of a wrong store', async () => {
    const { steps } = compile(opCase.graph, weights).manifest;
    const step = steps.findIndex(({ nodes }) => nodes.includes('conv'));
    // (input, weights, bias, output, ...)
    await expect(run(misplaced(step, 3, -64), opCase)).rejects.toMatchObject({
      code: 'MEMORY_VIOLATION',
      message: expect.stringMatching(
        /^network "blocks": step "conv" \(conv\), kernel conv, thread 0: stores 16 bytes at address \d+, .*which the step may not write; \d+ such accesses in this run$/,
      ),
    });
  });

  const { manifest, wasm } = compile(opCase.graph, weights, { checked: true });

  /** Wrong addresses that pass, and how many were tried: each operand of each step, moved by so many bytes. */
  async function unnoticed(bytes: number): Promise<readonly [readonly string[], number]> {
    const missed: string[] = [];
    let tried = 0;
    for (const [index, { name }] of manifest.steps.entries())
      for (let operand = 0; operand < 9; operand++) {
        const model = misplaced(index, operand, bytes);
        if (model.wasm.length === wasm.length) continue;
        tried++;
        const error = await run(model, opCase).catch((caught: unknown) => caught);
        if (errorCode(error) !== 'MEMORY_VIOLATION') missed.push(`${name}, operand ${operand}`);
      }
    return [missed, tried];
  }

  it.each([-65536, 65536])('a wrong address of any operand of any step, off by %i', async (bytes) => {
    const [missed, tried] = await unnoticed(bytes);
    expect(missed).toEqual([]);
    expect(tried).toBeGreaterThan(20);
  });

  it('one that is off by a single vector, unless the call may touch what is there too', async () => {
    // the end of a layer's weights is the beginning of its bias; the pool of two leaves the last of five rows out
    expect((await unnoticed(16))[0]).toEqual([
      'conv, operand 1',
      'cheap, operand 1',
      'max, operand 0',
      'fc, operand 1',
    ]);
    expect((await unnoticed(-16))[0]).toEqual(['conv, operand 2', 'cheap, operand 2', 'fc, operand 2']);
  });

  it('runs on after a violation, which is reported once', async () => {
    const network = await instantiate(misplaced(1, 0, 1 << 20));
    const input = new Float32Array(6 * 81);
    for (let i = 0; i < 2; i++) expect(() => network.run(input)).toThrow(/MEMORY_VIOLATION|may not read/);
    network.dispose();
  });
});
