/**
 * Training steps beside PyTorch (a child process) or, with --web, beside jax-js and TensorFlow.js in this process: the
 * same network, batch, optimiser and thread count, in turns. A peer that fails keeps a row that says how. Needs the build;
 * PyTorch needs a Python that has it (GHOSTNET_PYTHON, default /usr/bin/python3). Saves
 * bench/results/training[-web]-node<major>.csv; a call for some networks replaces their rows and keeps the others.
 *
 *     node bench/training.mjs [--rounds 3] [--only ghost-resnet56-cifar] [--batch 128]
 *     node bench/training.mjs --web [...]
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { installPeer } from '../dist/cli/measure/peers/peer.js';
import { createModel, initializeWeights, profile, toJson } from '../dist/index.js';
import { createTrainer, planTraining } from '../dist/train/index.js';
import {
  listOption,
  numberOption,
  readResults,
  resultsFolder,
  saveResults,
  thisMachine,
} from './lib/results.mjs';
import { jaxStep } from './lib/train-jax.mjs';
import { tfjsStep } from './lib/train-tfjs.mjs';

const rounds = numberOption('--rounds', 3);
const only = listOption('--only');
const web = process.argv.includes('--web');
const packages = {
  'jax-js': { '@jax-js/jax': '0.1.25' },
  tfjs: { '@tensorflow/tfjs': '4.22.0', '@tensorflow/tfjs-backend-wasm': '4.22.0' },
};
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

const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;
const load = (name) => installPeer({ name, packages: packages[name] }, cache, say);
async function jaxRunner(graph, weights, data) {
  const jax = await (await load('jax-js'))('@jax-js/jax');
  return timed(await jaxStep(jax, graph, weights, data));
}
async function tfjsRunner(graph, weights, data) {
  const loadTf = await load('tfjs');
  const tf = (await loadTf('@tensorflow/tfjs')).default;
  await loadTf('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
  return timed(await tfjsStep(tf, graph, weights, data));
}

/**
 * Steps of all runners in turns; { name, medianMs, leastMs, steps, note }. `runners`: functions that make one. One that
 * fails is left out from then on, with its error as the note.
 */
async function measure(runners, counts) {
  const all = new Map();
  const made = new Map();
  const attempt = async (name, work) => {
    try {
      return await work();
    } catch (error) {
      if (name.startsWith('ghostnet') || error instanceof ReferenceError) throw error;
      const [first] = String(error?.message ?? error).split('\n');
      all.set(name, { times: [], note: `fails: ${first}` });
      made.delete(name);
      say(`  ${name} ${all.get(name).note}`);
    }
  };
  for (const [name, make] of runners) {
    say(`  warming up ${name}`);
    all.set(name, { times: [], note: '' });
    await attempt(name, async () => {
      made.set(name, await make());
      if (!name.startsWith('pytorch')) await made.get(name).run(counts.warm);
    });
  }
  for (let round = 0; round < rounds; round++)
    for (const name of [...made.keys()])
      await attempt(name, async () => all.get(name).times.push(...(await made.get(name).run(counts.steps))));
  for (const runner of made.values()) runner.dispose();
  return [...all].map(([name, { times, note }]) => {
    if (times.length === 0) return { name, medianMs: '', leastMs: '', steps: 0, note };
    times.sort((a, b) => a - b);
    const round = (value) => Number(value.toFixed(1));
    const median = (times[(times.length - 1) >> 1] + times[times.length >> 1]) / 2;
    return { name, medianMs: round(median), leastMs: round(times[0]), steps: times.length, note };
  });
}

const standard = web
  ? ['ghost-resnet56-cifar', 'ghost-resnet20-cifar']
  : ['ghost-resnet56-cifar', 'ghost-resnet20-cifar', 'resnet20-cifar', 'ghostnet-32'];
const batch = numberOption('--batch', 128);
const rows = [];
for (const network of only ?? standard) {
  say(network);
  const graph = createModel(network);
  const weights = initializeWeights(graph, 1);
  const data = batchOf(batch, 3 * 32 * 32);
  const own = (threads) => () => ownRunner(graph, weights, data, threads);
  const torch = (threads) => () => torchRunner(graph, batch, threads);
  const runners = web
    ? new Map([
        ['ghostnet 1', own(1)],
        ['jax-js 1', () => jaxRunner(graph, weights, data)],
        ['tfjs 1', () => tfjsRunner(graph, weights, data)],
      ])
    : new Map([
        ['ghostnet 1', own(1)],
        ['pytorch 1', torch(1)],
        ['ghostnet 2', own(2)],
        ['pytorch 2', torch(2)],
      ]);
  const counts = web ? { warm: 2, steps: 1 } : { warm: 4, steps: 4 };
  for (const { name, note, ...timing } of await measure(runners, counts)) {
    const [runtime, threads] = name.split(' ');
    const { medianMs } = timing;
    const memory =
      runtime === 'ghostnet' && planTraining(graph, { batch, threads: Number(threads), optimizer });
    rows.push({
      network,
      batch,
      runtime,
      threads: Number(threads),
      ...timing,
      imagesPerSecond: medianMs && Math.round((batch * 1000) / medianMs),
      gflops: medianMs && Number(((6 * profile(graph).macs * batch) / 1e6 / medianMs).toFixed(1)),
      memoryMB: memory ? Math.round(memory.peakBytes / 1e6) : '',
      note,
    });
    console.log(network, name, medianMs, note);
  }
}

/** The saved rows, those of the cases measured now replaced. */
function merged(file) {
  if (!existsSync(new URL(file, resultsFolder))) return rows;
  const measured = new Set(rows.map(({ network, batch }) => `${network} ${batch}`));
  const others = readResults(file).rows.filter(({ network, batch }) => !measured.has(`${network} ${batch}`));
  const place = ({ network, batch }) => 1e4 * standard.indexOf(network) - batch;
  return [...others, ...rows].sort((a, b) => place(a) - place(b));
}
const [major] = process.versions.node.split('.');
const versions = (list) => Object.entries(list).map(([name, version]) => `${name} ${version}`);
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  peers: web
    ? Object.values(packages)
        .map((list) => versions(list).join(' + '))
        .join('; ')
    : `PyTorch ${torchVersion}`,
  rounds,
  command: `node bench/training.mjs${web ? ' --web' : ''} --rounds ${rounds}; networks one call each (--only, --batch)`,
};
const file = `training${web ? '-web' : ''}-node${major}.csv`;
saveResults(file, facts, merged(file));
process.exit(0);
