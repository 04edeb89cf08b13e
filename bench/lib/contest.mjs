/**
 * A contest: runners of the same network by this package and by its peers, warmed up, compared with each other and timed
 * in turns. Runs in Node and, bundled, in a page; knows no files.
 */
import { benchInput } from '../../dist/cli/measure/bench-input.js';
import { measure } from '../../dist/cli/measure/measure.js';
import { exportOnnx } from '../../dist/formats/onnx/export.js';
import { createNetwork, createQuantizedNetwork, foldBatchNorm, inferShapes } from '../../dist/index.js';

function inputShapeOf(graph, batch) {
  return [batch, ...graph.nodes.find((node) => node.kind === 'input').shape];
}

/** This package's own runner; with `quantized`, in int8. */
export async function ownRunner(graph, weights, { threads = 1, batch = 1, quantized, ...options } = {}) {
  const how = { threads, batch, ...options };
  const network = await (quantized
    ? createQuantizedNetwork(quantized, how)
    : createNetwork(graph, weights, how));
  const input = benchInput(inputShapeOf(graph, batch));
  const { relaxed } = network.backend;
  return { run: () => network.run(input), dispose: () => network.dispose(), relaxed };
}

/** A peer's runner; `load` is what its installation gave. */
export async function peerRunner(peer, load, graph, weights, { threads = 1, batch = 1, onnx = {} } = {}) {
  const folded = foldBatchNorm(graph, weights);
  const inputShape = inputShapeOf(graph, batch);
  const task = {
    ...folded,
    onnx: exportOnnx(folded.graph, folded.weights, { batch, ...onnx }),
    inputShape,
    outputShape: inferShapes(folded.graph, { batch }).get(folded.graph.outputs[0]),
    threads,
  };
  const runner = await peer.create(load, task);
  const input = benchInput(inputShape);
  return { run: () => runner.run(input), dispose: () => runner.dispose() };
}

/**
 * How long each runner warms up. Small networks run for long in the code that the engine makes first: in Chromium GhostNet 0.5x on
 * two threads takes 4.2 ms in its first quarter of a second, 2.5 in the second, 1.6 after that.
 */
const warmMs = 1000;

/** Throws when a runner answers otherwise than the first. */
async function checkAnswers(entries) {
  const [[, first], ...others] = entries;
  const expected = (await first.run()).slice();
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [name, runner] of others) {
    const got = await runner.run();
    const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
    if (!(worst <= 1e-3 * scale) || got.length !== expected.length)
      throw new Error(`${name} answers otherwise: largest difference ${worst} of values up to ${scale}`);
  }
}

/**
 * Times named runners in turns, 100 ms each a round; they are warmed up before and disposed after. Unless `compare` is
 * false, all must give the first one's answer. Returns { medianMs, p90Ms, leastMs } by name.
 */
export async function contest(runners, rounds, { compare = true } = {}) {
  const entries = Object.entries(runners);
  try {
    if (compare) await checkAnswers(entries);
    for (const [, { run }] of entries) {
      const start = performance.now();
      for (let i = 0; i < 3 || performance.now() - start < warmMs; i++) await run();
    }
    const timings = await measure(
      entries.map(([, runner]) => runner),
      { rounds, sliceMs: 100 },
    );
    return Object.fromEntries(
      entries.map(([name], i) => {
        const { medianMs, p90Ms, leastMs } = timings[i];
        const [median, p90, least] = [medianMs, p90Ms, leastMs].map((ms) => Number(ms.toFixed(4)));
        return [name, { medianMs: median, p90Ms: p90, leastMs: least }];
      }),
    );
  } finally {
    for (const [, runner] of entries) await runner.dispose();
  }
}
