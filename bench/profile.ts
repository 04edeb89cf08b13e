/**
 * Where the time of a run goes, and what bounds it. Every step of a network is timed where it stands, in runs from the first
 * step to the last, so that it finds its weights where a run finds them, and again and again, with all in the cache. Beside
 * them, in the same process, the bounds: multiply-adds at the machine's peak; for products of a matrix and a vector, which
 * use every weight once, a plain sum over the same weights, in their place in the run; for steps that only move data, a
 * plain sum over as many bytes in the cache.
 *
 *   npx esbuild bench/profile.ts --bundle --platform=node --format=esm --outfile=.cache/profile.mjs
 *   node .cache/profile.mjs [--network ghostnet-1.0x] [--rounds 60] [--save FILE.csv]
 */
import { renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { compile } from '../src/compiler/compile.js';
import { lower } from '../src/compiler/lower.js';
import type { Step } from '../src/compiler/program.js';
import { initializeWeights } from '../src/models/initialize.js';
import { createModel } from '../src/models/registry.js';
import { eliminateDeadNodes } from '../src/passes/eliminate-dead-nodes.js';
import { foldForInference } from '../src/passes/fold-for-inference.js';
import { hasRelaxed, measurePeak, measureTilePeak, sumOver } from './lib/machine.js';

const option = (name: string, standard: string): string => {
  const at = process.argv.indexOf(name);
  return at < 0 ? standard : (process.argv[at + 1] ?? standard);
};
const name = option('--network', 'ghostnet-1.0x');
const rounds = Number(option('--rounds', '60'));

const relaxed = hasRelaxed();
const graph = createModel(name);
const weights = initializeWeights(graph, 1);
const model = compile(graph, weights, { relaxed, profile: true });
const folded = foldForInference(graph, weights);
const clean = eliminateDeadNodes(folded.graph, folded.weights);
const { steps } = lower(clean.graph, clean.weights);

const { pages, weightsAddress, inputs } = model.manifest;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
new Uint8Array(memory.buffer).set(model.weights, weightsAddress);
const module = new WebAssembly.Module(model.wasm as BufferSource);
const call = new WebAssembly.Instance(module, { env: { memory } }).exports as Record<
  string,
  (...args: number[]) => void
>;
for (const { address, shape } of inputs)
  new Float32Array(
    memory.buffer,
    address,
    shape.reduce((a, b) => a * b, 1),
  ).fill(0.5);

type Kind = 'matrix' | 'depthwise' | 'vector' | 'move';

function kindOf({ parts }: Step): Kind {
  const spec = parts[0]?.spec;
  if (spec?.kind === 'pointwise') return spec.P === 1 ? 'vector' : 'matrix';
  if (spec?.kind === 'depthwise') return 'depthwise';
  return spec?.kind === 'conv' || spec?.kind === 'winogradProducts' ? 'matrix' : 'move';
}

/** Where a step's weights begin, and how many bytes they are. */
function weightsOf({ parts }: Step): { readonly address: number; readonly bytes: number } {
  const operands = parts.flatMap(({ operands }) => operands).filter(({ kind }) => kind === 'weights');
  const first = operands[0];
  if (first?.kind !== 'weights') return { address: weightsAddress, bytes: 0 };
  return { address: weightsAddress + first.offset, bytes: first.bytes };
}

const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1] ?? 0;
const timed = (run: () => void): number => {
  const start = performance.now();
  run();
  return performance.now() - start;
};
const peak = measurePeak({ relaxed });
const tilePeak = measureTilePeak({ relaxed });
const sum = sumOver(memory);
const step = (i: number): void => call[`step${i}`]?.();

for (let i = 0; i < 20; i++) {
  call['main0']?.(0, 0);
  for (let k = 0; k < 50; k++) sum(weightsAddress, 2 ** 16);
  // optimised code is put in place between tasks
  await new Promise((resolve) => setTimeout(resolve, 1));
}
const nothing = median(Array.from({ length: 1000 }, () => timed(() => undefined)));
/** Bytes per millisecond of a sum over what the cache of the second level holds. */
const cached = 2 ** 19;
const cachedRate =
  cached / Math.min(...Array.from({ length: 200 }, () => timed(() => sum(weightsAddress, cached))));

const whole: number[] = [];
const inRun = steps.map((): number[] => []);
const summed = steps.map((): number[] => []);
for (let round = -5; round < rounds; round++) {
  const ms = timed(() => call['main0']?.(0, 0));
  const times = steps.map((_, i) => timed(() => step(i)));
  const sums = steps.map((one, i) => {
    if (kindOf(one) !== 'vector') {
      step(i);
      return 0;
    }
    const { address, bytes } = weightsOf(one);
    return timed(() => sum(address, bytes - (bytes % 128)));
  });
  if (round < 0) continue;
  whole.push(ms);
  times.forEach((time, i) => {
    inRun[i]?.push(time - nothing);
    summed[i]?.push((sums[i] as number) - nothing);
  });
}
const alone = steps.map((_, i) =>
  Math.min(...Array.from({ length: 60 }, () => timed(() => step(i)) - nothing)),
);

const groups = [
  { layers: 'stem', bound: 'multiply-adds', has: (s: Step) => s.parts[0]?.spec.kind === 'conv' },
  { layers: '1x1 convolutions', bound: 'multiply-adds', has: (s: Step) => kindOf(s) === 'matrix' },
  { layers: 'depthwise convolutions', bound: 'multiply-adds', has: (s: Step) => kindOf(s) === 'depthwise' },
  { layers: 'SE, head, classifier', bound: 'their weights', has: (s: Step) => kindOf(s) === 'vector' },
  { layers: 'import, means, gates, export', bound: 'bytes moved', has: () => true },
] as const;
const left = new Set(steps.keys());
const rows = groups.map(({ layers, bound, has }) => {
  const members = [...left].filter((i) => has(steps[i] as Step));
  for (const i of members) left.delete(i);
  const total = (value: (i: number) => number): number => members.reduce((all, i) => all + value(i), 0);
  const macs = total((i) => steps[i]?.macs ?? 0);
  const moved = total((i) => model.manifest.steps[i]?.bytes ?? 0);
  const inRunMs = total((i) => median(inRun[i] ?? []));
  const sumMs = total((i) => median(summed[i] ?? []));
  // the loads of a tile count where a kernel is a matrix product
  const compute = layers === 'depthwise convolutions' ? peak : tilePeak;
  const boundMs = {
    'multiply-adds': (2 * macs) / 1e6 / compute,
    'their weights': sumMs,
    'bytes moved': moved / cachedRate,
  }[bound];
  return {
    layers,
    steps: members.length,
    macs,
    weightBytes: total((i) => weightsOf(steps[i] as Step).bytes),
    inRunMs: inRunMs.toFixed(4),
    aloneMs: total((i) => alone[i] ?? 0).toFixed(4),
    bound,
    boundMs: boundMs.toFixed(4),
    peakMs: ((2 * macs) / 1e6 / peak).toFixed(4),
  };
});
const facts = {
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  os: `${process.platform} ${process.arch}`,
  node: process.versions.node,
  v8: process.versions.v8,
  date: new Date().toISOString().slice(0, 10),
  command: `node .cache/profile.mjs --network ${name} --rounds ${rounds}`,
  relaxed,
  peak: peak.toFixed(1),
  tilePeak: tilePeak.toFixed(1),
  cachedGBs: (cachedRate / 1e6).toFixed(1),
  wholeMs: median(whole).toFixed(4),
  leastMs: Math.min(...whole).toFixed(4),
};
const lines = [
  ...Object.entries(facts).map(([key, value]) => `# ${key}: ${value}`),
  Object.keys(rows[0] ?? {}).join(','),
  ...rows.map((row) =>
    Object.values(row)
      .map((value) => (String(value).includes(',') ? `"${value}"` : value))
      .join(','),
  ),
];
console.log(lines.join('\n'));
const file = option('--save', '');
if (file) {
  writeFileSync(`${file}.tmp`, `${lines.join('\n')}\n`);
  renameSync(`${file}.tmp`, file);
}
