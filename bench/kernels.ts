/**
 * Speed of each kernel at the exact shapes of a network: GFLOP/s and the share of this machine's 128-bit peak, which
 * is measured first with multiply-adds that touch only registers. Convolutions include the padding copy they need.
 *
 *   npx esbuild bench/kernels.ts --bundle --platform=node --format=esm --outfile=build/bench-kernels.mjs
 *   node build/bench-kernels.mjs bench/shapes/ghostnet-1.0x.csv [--plain] [--only TEXT] [--save FILE.csv]
 *
 * `--plain` uses separate multiply and add even where the engine has relaxed SIMD.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Isa } from '../src/compiler/kernels/kernel.js';
import { emitKernel, type KernelSpec } from '../src/compiler/kernels/registry.js';
import { hasRelaxed, instantiate, measurePeak } from './lib/machine.js';

const pages = 2048;
const memory = new WebAssembly.Memory({ initial: pages });

/** Shortest and median milliseconds of a call, after warming up. */
function time(call: () => void, estimate: number): { readonly best: number; readonly median: number } {
  const batch = Math.max(1, Math.round(2 / estimate));
  const warm = performance.now() + 60;
  while (performance.now() < warm) for (let i = 0; i < batch; i++) call();
  const samples: number[] = [];
  for (let round = 0; round < 25; round++) {
    const start = performance.now();
    for (let i = 0; i < batch; i++) call();
    samples.push((performance.now() - start) / batch);
  }
  samples.sort((a, b) => a - b);
  return { best: samples[0] as number, median: samples[samples.length >> 1] as number };
}

interface Row {
  readonly layer: string;
  readonly count: number;
  readonly kernel: string;
  readonly C: number;
  readonly N: number;
  readonly size: number;
  readonly window: number;
  readonly stride: number;
  readonly padding: number;
}

function readRows(file: string): Row[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n').slice(1);
  return lines.map((line) => {
    const [layer = '', count, kernel = '', C, N, size, window, stride, padding] = line.split(',');
    return {
      layer,
      count: Number(count),
      kernel,
      C: Number(C),
      N: Number(N),
      size: Number(size),
      window: Number(window),
      stride: Number(stride),
      padding: Number(padding),
    };
  });
}

const stored = (channels: number): number => Math.ceil(channels / 4) * 4;
// addresses that do not share the low bits, as buffers in an arena do not
const [input, padded, weights, bias, output] = [0x10040, 0x1810080, 0x30100c0, 0x4010100, 0x4810140];

/** The calls of a row: [spec, arguments, units]. */
function plan(row: Row): readonly (readonly [KernelSpec, readonly number[], number])[] {
  const { C, N, size, window, stride, padding } = row;
  const out = Math.floor((size + 2 * padding - window) / stride) + 1;
  const units = Math.ceil(N / 4);
  const common = { ranges: [units], activation: 'relu', residual: false } as const;
  const pair = (n: number): readonly [number, number] => [n, n];
  const border = [padding, padding, padding, padding] as const;
  const map = { height: size, width: size, padding: border };
  const window_ = {
    kernel: pair(window),
    stride: pair(stride),
    dilation: pair(1),
    outHeight: out,
    outWidth: out,
  };
  switch (row.kernel) {
    case 'pointwise':
      return [
        [
          { kind: 'pointwise', K: stored(C), P: size * size, ...common },
          [input, weights, bias, output, 0],
          units,
        ],
      ];
    case 'depthwise': {
      const spec: KernelSpec = {
        kind: 'depthwise',
        ...map,
        ...window_,
        activation: 'relu',
        residual: false,
        dual: null,
      };
      return [[spec, [input, weights, bias, output, 0, 0, 0, 0], units]];
    }
    default: {
      const inputQuads = Math.ceil(C / 4);
      const conv: KernelSpec = {
        kind: 'conv',
        inputQuads,
        lastLanes: C - (inputQuads - 1) * 4,
        paddedHeight: size + 2 * padding,
        paddedWidth: size + 2 * padding,
        ...window_,
        ...common,
      };
      const from = padding > 0 ? padded : input;
      const run = [conv, [from, weights, bias, output, 0], units] as const;
      if (C < 4) return [[{ kind: 'import', channels: C, ...map }, [input, padded], 1], run];
      return padding > 0 ? [[{ kind: 'pad', ...map }, [input, padded], inputQuads], run] : [run];
    }
  }
}

const args = process.argv.slice(2);
const option = (name: string): string | undefined => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
};
const relaxed = !args.includes('--plain') && hasRelaxed();
const isa: Isa = { relaxed };
const peak = measurePeak(isa);
console.log(
  `node ${process.version}, ${relaxed ? 'relaxed madd' : 'mul + add'}, ${cpus()[0]?.model ?? '?'}: peak ${peak.toFixed(1)} GFLOP/s`,
);
new Float32Array(memory.buffer).fill(0.01);
const table = [
  'layer,count,kernel,inChannels,outChannels,size,window,stride,gflops,percentOfPeak,microseconds,moduleBytes',
];
let [total, floor, bytesTotal] = [0, 0, 0];
for (const row of readRows(args[0] ?? 'bench/shapes/ghostnet-1.0x.csv')) {
  const { layer, count, kernel, C, N, size, window, stride, padding } = row;
  const label = `${kernel} ${C}->${N} @${size} k${window} s${stride}`;
  if (!`${label} ${layer}`.includes(option('--only') ?? '')) continue;
  const calls = plan(row).map(([spec, addresses, units]) => {
    const { run, bytes } = instantiate(emitKernel(spec, isa), memory);
    return { bytes, call: () => run(...addresses, 0, units) };
  });
  const out = Math.floor((size + 2 * padding - window) / stride) + 1;
  const flop = 2 * (kernel === 'depthwise' ? 1 : C) * N * window * window * out * out;
  const { best } = time(
    () => {
      for (const { call } of calls) call();
    },
    flop / peak / 1e6,
  );
  const rate = flop / best / 1e6;
  const bytes = calls.reduce((sum, { bytes: b }) => sum + b, 0);
  total += count * best;
  floor += (count * flop) / peak / 1e6;
  bytesTotal += bytes;
  const percent = ((100 * rate) / peak).toFixed(1);
  console.log(
    `${label.padEnd(34)} x${count} ${rate.toFixed(1).padStart(6)} GFLOP/s ${percent.padStart(6)} % ${(best * 1e3).toFixed(1).padStart(9)} us ${String(bytes).padStart(6)} B`,
  );
  table.push(
    [
      layer,
      count,
      kernel,
      C,
      N,
      size,
      window,
      stride,
      rate.toFixed(2),
      percent,
      (best * 1e3).toFixed(2),
      bytes,
    ].join(),
  );
}
console.log(
  `sum ${total.toFixed(3)} ms, floor ${floor.toFixed(3)} ms, ${((100 * floor) / total).toFixed(1)} % of peak; ${bytesTotal} bytes of modules`,
);
const save = option('--save');
if (save) {
  const head = `# node ${process.version}, ${relaxed ? 'relaxed madd' : 'mul + add'}, ${cpus()[0]?.model ?? '?'}, peak ${peak.toFixed(1)} GFLOP/s\n`;
  writeFileSync(`${save}.part`, `${head}${table.join('\n')}\n`);
  renameSync(`${save}.part`, save);
}
