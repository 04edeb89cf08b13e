/**
 * onnxruntime-node in a process of its own, for onnxruntime.ts: its native code can crash, and a crash must not end the
 * tests. Argument: a file beside which the package is found. Each message { model, feeds, level } is answered with
 * { outputs } or { error }.
 */
import { createRequire } from 'node:module';

const { InferenceSession, Tensor } = createRequire(process.argv[2])('onnxruntime-node');

async function run({ model, feeds, level }) {
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  try {
    const inputs = feeds.map(([name, { shape, data }]) => [name, new Tensor('float32', data, shape)]);
    const results = Object.entries(await session.run(Object.fromEntries(inputs)));
    return results.map(([name, { data, dims }]) => [name, { shape: dims.map(Number), data: data.slice() }]);
  } finally {
    await session.release();
  }
}

process.on('message', (task) => {
  run(task).then(
    (outputs) => process.send({ outputs }),
    (error) => process.send({ error: String(error?.message ?? error) }),
  );
});
