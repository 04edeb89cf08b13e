/**
 * Are the layers that stream weights faster when these stay f16 in memory (`halfWeights` of the compiler)? GhostNet 1.0x's
 * matrix-vector products at batch 1 with either kernel, checked against float64 first, and the whole network with
 * either. `hot` reads the same weights again and again, `streamed` reads a set of `--megabytes` in turn, and `after` is
 * one call after each run of the whole network, as a layer finds its weights there.
 *
 *   npx esbuild bench/half-weights.ts --bundle --platform=node --format=esm --outfile=.cache/half-weights.mjs
 *   node .cache/half-weights.mjs [--megabytes 24] [--save FILE.csv]
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { emitKernel } from '../src/compiler/kernels/registry.js';
import { createNetwork } from '../src/create-network.js';
import { float16ToNumber, numberToFloat16 } from '../src/formats/float16.js';
import { initializeWeights } from '../src/models/initialize.js';
import { createModel } from '../src/models/registry.js';
import type { Network } from '../src/runtime/network.js';
import { hasRelaxed, instantiate } from './lib/machine.js';

const shapes = [
  { layer: 'SE squeeze', K: 672, N: 168 },
  { layer: 'SE open', K: 168, N: 672 },
  { layer: 'SE squeeze of the last stage', K: 960, N: 240 },
  { layer: 'SE open of the last stage', K: 240, N: 960 },
  { layer: 'head', K: 960, N: 1280 },
  { layer: 'classifier', K: 1280, N: 1000 },
];

const option = (name: string, standard: string): string => {
  const at = process.argv.indexOf(name);
  return at < 0 ? standard : (process.argv[at + 1] ?? standard);
};
const megabytes = Number(option('--megabytes', '24'));
const pages = Math.ceil((2 * megabytes + 16) * 16);
const memory = new WebAssembly.Memory({ initial: pages });
const floats = new Float32Array(memory.buffer);
const halves = new Uint16Array(memory.buffer);
const [input, bias, output, weights] = [0x10040, 0x20080, 0x300c0, 0x40100];

const relaxed = hasRelaxed();

/** Median milliseconds of a call in turns with the others: calls are given a running number. */
function times(calls: readonly ((turn: number) => void)[], estimate: number): number[] {
  const batch = Math.max(4, Math.round(1.5 / estimate));
  const samples = calls.map((): number[] => []);
  let turn = 0;
  for (let round = -6; round < 41; round++)
    calls.forEach((call, i) => {
      const start = performance.now();
      for (let n = 0; n < batch; n++) call(turn++);
      if (round >= 0) samples[i]?.push((performance.now() - start) / batch);
    });
  return samples.map((list) => list.sort((a, b) => a - b)[list.length >> 1] as number);
}

let state = 1;
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 31 - 1;
};

/** Median milliseconds of one call after a run of the network, in turns with the others. */
function timesAfter(network: Network, calls: readonly (() => void)[]): number[] {
  const samples = calls.map((): number[] => []);
  for (let round = -5; round < 60; round++)
    calls.forEach((call, i) => {
      network.execute();
      const start = performance.now();
      call();
      if (round >= 0) samples[i]?.push(performance.now() - start);
    });
  return samples.map((list) => list.sort((a, b) => a - b)[list.length >> 1] as number);
}

const graph = createModel('ghostnet-1.0x');
const rounded = new Map(
  [...initializeWeights(graph, 1)].map(([name, { shape, data }]) => [
    name,
    { shape, data: Float32Array.from(data, (value) => float16ToNumber(numberToFloat16(value))) },
  ]),
);
const [network, halved] = [
  await createNetwork(graph, rounded),
  await createNetwork(graph, rounded, { halfWeights: true }),
];
for (const one of [network, halved]) one.inputView().fill(0.5);
const [wholeMs = 0, halvedMs = 0] = times([() => network.execute(), () => halved.execute()], 3);
console.log(`ghostnet-1.0x ${wholeMs.toFixed(3)} ms, with f16 ${halvedMs.toFixed(3)} ms`);

const rows: Record<string, string | number>[] = [];
for (const { layer, K, N } of shapes) {
  const units = N / 4;
  const stored = N * K;
  const spec = { kind: 'pointwise', K, P: 1, ranges: [units], activation: null, residual: false } as const;
  const kernels = [
    ['f32', instantiate(emitKernel(spec, { relaxed }), memory).run, 4],
    ['f16', instantiate(emitKernel({ ...spec, halfWeights: true }, { relaxed }), memory).run, 2],
  ] as const;
  // for the check: weights of any size, many subnormal halves among them; for the times: such as networks have
  const wide = Float32Array.from({ length: stored }, (_, i) =>
    float16ToNumber(numberToFloat16(random() * 2 ** -(i % 24))),
  );
  const values = Float32Array.from({ length: stored }, () =>
    float16ToNumber(numberToFloat16(random() * 0.1)),
  );
  const x = Float32Array.from({ length: K }, random);
  floats.set(x, input / 4);
  floats.fill(0, bias / 4, bias / 4 + N);
  const expected = Float64Array.from({ length: N }, (_, n) => {
    let sum = 0;
    for (let k = 0; k < K; k++)
      sum += (wide[(n >> 2) * 4 * K + (k >> 2) * 16 + (n & 3) * 4 + (k & 3)] as number) * (x[k] as number);
    return sum;
  });
  const row: Record<string, string | number> = {
    layer,
    K,
    N,
    megabytes: ((stored * 4) / 2 ** 20).toFixed(2),
  };
  // as many bytes of either kind are read in turn
  const copies = (bytes: number): number => Math.max(1, Math.floor((megabytes * 2 ** 20) / (stored * bytes)));
  const start = { 4: weights, 2: weights + megabytes * 2 ** 20 } as const;
  floats.set(wide, start[4] / 4);
  halves.set(Uint16Array.from(wide, numberToFloat16), start[2] / 2);
  for (const [name, run, bytes] of kernels) {
    floats.fill(Number.NaN, output / 4, output / 4 + N);
    run(input, start[bytes], bias, output, 0, 0, units);
    expected.forEach((value, n) => {
      const got = floats[output / 4 + n] as number;
      if (!(Math.abs(got - value) < 1e-4)) throw new Error(`${layer} ${name}: ${n} is ${got}, not ${value}`);
    });
  }
  const packed = Uint16Array.from(values, numberToFloat16);
  for (let copy = 0; copy < copies(4); copy++) floats.set(values, start[4] / 4 + copy * stored);
  for (let copy = 0; copy < copies(2); copy++) halves.set(packed, start[2] / 2 + copy * stored);
  const found = times(
    kernels.flatMap(([, run, bytes]) => [
      () => run(input, start[bytes], bias, output, 0, 0, units),
      (turn) => run(input, start[bytes] + (turn % copies(bytes)) * stored * bytes, bias, output, 0, 0, units),
    ]),
    (K * N) / 8e6,
  );
  const after = timesAfter(
    network,
    kernels.map(
      ([, run, bytes]) =>
        () =>
          run(input, start[bytes], bias, output, 0, 0, units),
    ),
  );
  kernels.forEach(([name], i) => {
    row[`${name}AfterUs`] = ((after[i] ?? 0) * 1000).toFixed(1);
    row[`${name}HotUs`] = ((found[2 * i] ?? 0) * 1000).toFixed(1);
    row[`${name}StreamedUs`] = ((found[2 * i + 1] ?? 0) * 1000).toFixed(1);
  });
  rows.push(row);
  console.log(Object.values(row).join(' '));
}

const file = option('--save', '');
if (file) {
  const facts = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    os: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    date: new Date().toISOString().slice(0, 10),
    networkMs: wholeMs.toFixed(3),
    halvedMs: halvedMs.toFixed(3),
    command: `node .cache/half-weights.mjs --megabytes ${megabytes}`,
  };
  const lines = [
    ...Object.entries(facts).map(([key, value]) => `# ${key}: ${value}`),
    Object.keys(rows[0] ?? {}).join(','),
    ...rows.map((row) => Object.values(row).join(',')),
  ];
  writeFileSync(`${file}.tmp`, `${lines.join('\n')}\n`);
  renameSync(`${file}.tmp`, file);
  console.log(`saved ${file}: ${readFileSync(file, 'utf8').length} bytes`);
}
