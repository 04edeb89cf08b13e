/**
 * Training steps beside PyTorch (a child process) or, with --web, beside jax-js and TensorFlow.js in this process: the
 * same network, batch, optimiser and thread count, in turns. Needs the build; PyTorch needs a Python that has it
 * (GHOSTNET_PYTHON, default /usr/bin/python3). Saves bench/results/training[-web]-node<major>.csv.
 *
 *     node bench/training.mjs [--rounds 3] [--only ghost-resnet56-cifar]
 *     node bench/training.mjs --web
 */
import { spawnSync } from 'node:child_process';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { installPeer } from '../dist/cli/peers/peer.js';
import { createModel, initializeWeights, profile, toJson } from '../dist/index.js';
import { createTrainer, planTraining } from '../dist/train/index.js';
import { listOption, numberOption, saveResults, thisMachine } from './lib/results.mjs';
import { jaxStep } from './lib/train-jax.mjs';
import { tfjsStep } from './lib/train-tfjs.mjs';

const rounds = numberOption('--rounds', 3);
const only = listOption('--only');
const web = process.argv.includes('--web');
const optimizer = { kind: 'sgd', momentum: 0.9, weightDecay: 5e-4 };
const say = (line) => console.error(line);

function batchOf(batch, pixels) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 23 - 1;
  };
  const images = Float32Array.from({ length: batch * pixels }, next);
  return { batch, images, targets: Int32Array.from({ length: batch }, (_, i) => i % 10) };
}

/** Runners: functions that do `count` steps and give their milliseconds. The first call warms up. */
async function ownRunner(graph, weights, data, threads) {
  const trainer = await createTrainer(graph, weights, { batch: data.batch, threads, optimizer });
  const step = () => trainer.step({ ...data, learningRate: 0.01 }).loss;
  return { ...timed(step), dispose: () => trainer.dispose() };
}
function timed(step) {
  return {
    run: async (count) => {
      const times = [];
      for (let i = 0; i < count; i++) {
        const started = performance.now();
        await step();
        times.push(performance.now() - started);
      }
      return times;
    },
    dispose: () => {},
  };
}
let torchVersion = '';
function torchRunner(graph, batch, threads) {
  const python = process.env.GHOSTNET_PYTHON ?? '/usr/bin/python3';
  const script = fileURLToPath(new URL('training-torch.py', import.meta.url));
  const run = async (count) => {
    const args = [script, batch, threads, count].map(String);
    const child = spawnSync(python, args, { input: toJson(graph), encoding: 'utf8' });
    if (child.status !== 0) throw new Error(`PyTorch: ${child.stderr || child.error}`);
    const { version, times } = JSON.parse(child.stdout);
    torchVersion = version;
    return times;
  };
  return { run, dispose: () => {} };
}

/** Steps of all runners in turns; [name, medianMs, leastMs, steps]. */
async function measure(runners, counts) {
  const all = new Map();
  for (const [name, runner] of runners) {
    say(`  warming up ${name}`);
    if (!name.startsWith('pytorch')) await runner.run(counts.warm);
    all.set(name, []);
  }
  for (let round = 0; round < rounds; round++)
    for (const [name, runner] of runners) all.get(name).push(...(await runner.run(counts.steps)));
  for (const [, runner] of runners) runner.dispose();
  return [...all].map(([name, times]) => {
    times.sort((a, b) => a - b);
    const round = (value) => Number(value.toFixed(1));
    const median = (times[(times.length - 1) >> 1] + times[times.length >> 1]) / 2;
    return { name, medianMs: round(median), leastMs: round(times[0]), steps: times.length };
  });
}

const names = web
  ? ['ghost-resnet20-cifar']
  : ['ghost-resnet56-cifar', 'ghost-resnet20-cifar', 'resnet20-cifar', 'ghostnet-32'];
const batch = web ? 32 : 128;
const packages = {
  'jax-js': { '@jax-js/jax': '0.1.25' },
  tfjs: { '@tensorflow/tfjs': '4.22.0', '@tensorflow/tfjs-backend-wasm': '4.22.0' },
};
const rows = [];
for (const network of names.filter((name) => !only || only.includes(name))) {
  say(network);
  const graph = createModel(network);
  const weights = initializeWeights(graph, 1);
  const data = batchOf(batch, 3 * 32 * 32);
  const runners = new Map([['ghostnet 1', await ownRunner(graph, weights, data, 1)]]);
  if (web) {
    const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;
    const load = (name) => installPeer({ name, packages: packages[name] }, cache, say);
    const jax = await (await load('jax-js'))('@jax-js/jax');
    runners.set('jax-js 1', timed(await jaxStep(jax, graph, weights, data)));
    const loadTf = await load('tfjs');
    const tf = (await loadTf('@tensorflow/tfjs')).default;
    await loadTf('@tensorflow/tfjs-backend-wasm');
    await tf.setBackend('wasm');
    runners.set('tfjs 1', timed(await tfjsStep(tf, graph, weights, data)));
  } else {
    runners.set('pytorch 1', torchRunner(graph, batch, 1));
    runners.set('ghostnet 2', await ownRunner(graph, weights, data, 2));
    runners.set('pytorch 2', torchRunner(graph, batch, 2));
  }
  const counts = web ? { warm: 2, steps: 1 } : { warm: 4, steps: 4 };
  for (const { name, ...timing } of await measure(runners, counts)) {
    const [runtime, threads] = name.split(' ');
    const gflops = (6 * profile(graph).macs * batch) / 1e6 / timing.medianMs;
    const memory =
      runtime === 'ghostnet'
        ? planTraining(graph, { batch, threads: Number(threads), optimizer })
        : undefined;
    rows.push({
      network,
      batch,
      runtime,
      threads: Number(threads),
      ...timing,
      imagesPerSecond: Math.round((batch * 1000) / timing.medianMs),
      gflops: Number(gflops.toFixed(1)),
      memoryMB: memory ? Math.round(memory.peakBytes / 1e6) : '',
    });
    console.log(network, name, timing.medianMs);
  }
}
const [major] = process.versions.node.split('.');
const peers = web
  ? Object.values(packages)
      .map((list) =>
        Object.entries(list)
          .map(([name, version]) => `${name} ${version}`)
          .join(' + '),
      )
      .join('; ')
  : `PyTorch ${torchVersion}`;
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  peers,
  rounds,
  command: `node bench/training.mjs${web ? ' --web' : ''} --rounds ${rounds}`,
};
if (only) say('not saved: only some networks');
else saveResults(`training${web ? '-web' : ''}-node${major}.csv`, facts, rows);
process.exit(0);
