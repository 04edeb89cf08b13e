/**
 * Every network of the registry, small: builds, counts, survives as JSON, compiles, runs, takes a training step, and
 * exports to ONNX. Networks that are the same when small (widths of one family) are tried once, in the long form
 * (GHOSTNET_LONG=1) the others at their own width too. Outputs are compared with the reference's; of those that only
 * repeat another's layers (depths, other searched tables) in the long form alone, else they must differ between two
 * pictures.
 */
import { describe, expect, it } from 'vitest';
import { profile } from '../../src/analysis/profile.js';
import { exportOnnx } from '../../src/formats/onnx/export.js';
import type { Graph, Weights } from '../../src/graph/graph.js';
import { fromJson, toJson } from '../../src/graph/json.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { hashText } from '../../src/models/random.js';
import { createModel, listModels, type ModelOptions } from '../../src/models/registry.js';
import { runReference } from '../../src/reference/run.js';
import { createTrainer } from '../../src/train/engine.js';
import { difference } from '../op-cases/compare.js';
import { longForm, runCompiled, simd } from '../op-cases/targets.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';

const batch = 2;
/** More than two, because batch norm over two 1x1 maps has no slope. */
const trainingBatch = 4;
const classes = 5;
const tolerance = 2e-4;

/** The least work that still visits every kind of layer of the network. */
function small(name: string): ModelOptions {
  if (name.includes('shufflenet')) return { classes, inputSize: 32, width: 0.5 };
  if (name.includes('vgg16')) return { classes, inputSize: 32, width: 0.0625 };
  if (name.includes('cifar') || name.includes('bn-after')) return { classes, inputSize: 8 };
  if (name.startsWith('ghostnet-32')) return { classes, inputSize: 8 };
  return { classes, inputSize: 32, width: 0.25 };
}

const repeats =
  /resnet(32|44|56|110|34)|shiftresnet\d+-[369]|_g3|x1_0$|nas_(cpu|gpu)|fbnet_[ac]|regnetx_0[348]|vgg16-cifar|resnet50-s4/;
const seen = new Set<number>();
const networks = listModels().flatMap(({ name }) => {
  const graph = createModel(name, small(name));
  const hash = hashText(toJson({ ...graph, name: '', meta: {} }));
  const same = seen.has(hash);
  seen.add(hash);
  if (!same) return [{ name, graph, compared: longForm() || !repeats.test(name) }];
  // another width of a network that is compared: its own channels, without the reference
  return longForm() ? [{ name, graph: createModel(name, { classes, inputSize: 32 }), compared: false }] : [];
});

async function trains(graph: Graph, name: string, weights: Weights): Promise<void> {
  const trainer = await createTrainer(graph, weights, {
    batch: trainingBatch,
    optimizer: { kind: 'sgd' },
    relaxed: false,
  });
  try {
    const images =
      randomInputs(graph, { batch: trainingBatch, seed: 4 }).get('input')?.data ?? new Float32Array();
    const { loss } = trainer.step({ images, targets: Int32Array.from([1, 3, 0, 2]), learningRate: 0.01 });
    expect(Number.isFinite(loss) && loss > 0, `${name}: loss ${loss}`).toBe(true);
    const moved = [...trainer.weights()].filter(([parameter, { data }]) => {
      const before = weights.get(parameter)?.data;
      return graph.parameters[parameter]?.role === 'weight' && data.some((value, i) => value !== before?.[i]);
    });
    const learned = Object.values(graph.parameters).filter(({ role }) => role === 'weight').length;
    expect(moved.length, `${name}: weights that the step changed`).toBeGreaterThan(learned / 2);
  } finally {
    trainer.dispose();
  }
}

describe.each(networks)('$name', ({ name, graph, compared }) => {
  // drawn once, and not before a test runs
  let drawn: Weights | undefined;
  const initial = (): Weights => {
    drawn ??= initializeWeights(graph, 3);
    return drawn;
  };

  it('counts, survives as JSON, exports', () => {
    expect(profile(graph).params).toBeGreaterThan(0);
    expect(toJson(fromJson(toJson(graph)))).toBe(toJson(graph));
    expect(exportOnnx(graph, initial()).length).toBeGreaterThan(1000);
  });

  it('runs as the reference', async () => {
    const weights = randomWeights(graph, 7);
    const inputs = randomInputs(graph, { batch, seed: 7 });
    const output = graph.outputs[0] as string;
    const actual = (await runCompiled(simd, graph, weights, inputs)).get(output);
    if (!actual) throw new Error(`no output "${output}"`);
    expect(actual.shape).toEqual([batch, classes]);
    if (!compared) {
      const [first, second] = [actual.data.slice(0, classes), actual.data.slice(classes)];
      expect([...first, ...second].every(Number.isFinite)).toBe(true);
      expect(second).not.toEqual(first);
      return;
    }
    const expected = runReference(graph, weights, inputs).get(output);
    if (!expected) throw new Error(`no output "${output}" of the reference`);
    const { relative, report } = difference(actual, expected);
    expect(relative, report).toBeLessThan(tolerance);
  }, 60_000);

  it('trains', () => trains(graph, name, initial()), 60_000);
});
