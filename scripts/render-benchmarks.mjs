/** Writes docs/benchmarks.md and its plots from the saved results in bench/results/. */
import { existsSync, writeFileSync } from 'node:fs';
import { readResults, resultsFolder } from '../bench/lib/results.mjs';
import { colors, Plot, savePlot } from './lib/plot.mjs';

const root = new URL('../', import.meta.url);
const has = (name) => existsSync(new URL(name, resultsFolder));
const ms = (value) => (value === undefined ? '' : `${value >= 100 ? value.toFixed(0) : value.toFixed(2)} ms`);
const times = (value) => (Number.isFinite(value) ? `${value.toFixed(2)}x` : '');
const markdown = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
const about = ({ cpu, cores, os, command, rounds, peers, date }) =>
  `${cpu}, ${cores} cores, ${os}, ${date}. \`${command}\`, ${rounds} rounds. Peers: ${peers}.`;

const places = [
  ['networks-node20.csv', ({ node, v8 }) => `Node ${node} (V8 ${v8}: no relaxed SIMD)`, 'Node 20'],
  ['networks-node24.csv', ({ node, v8 }) => `Node ${node} (V8 ${v8})`, 'Node 24'],
  ['networks-chromium.csv', ({ chromium }) => `Chromium ${chromium}`, 'Chromium'],
].filter(([name]) => has(name));

/** Peers' columns: milliseconds, and how many times ours. */
function networkTable(rows) {
  const networks = [...new Set(rows.map(({ network }) => network))];
  const runtimes = [...new Set(rows.map(({ runtime }) => runtime))].filter((name) => name !== 'ghostnet');
  const threads = Math.max(...rows.filter(({ runtime }) => runtime !== 'ghostnet').map((row) => row.threads));
  const at = (network, runtime, count) =>
    rows.find((row) => row.network === network && row.runtime === runtime && row.threads === count)?.medianMs;
  const table = (count) =>
    markdown(
      [
        'network',
        'M MACs',
        `ghostnet, ${count} thread${count > 1 ? 's' : ''}`,
        ...(count > 1 ? ['gain'] : []),
        ...runtimes.flatMap((name) => [name, 'to ours']),
      ],
      networks.map((network) => {
        const own = at(network, 'ghostnet', count);
        const two = at(network, 'ghostnet', 2);
        const one = at(network, 'ghostnet', 1);
        const gain = times(one / two);
        return [
          network,
          (rows.find((row) => row.network === network).macs / 1e6).toFixed(0),
          ms(own),
          ...(count > 1 ? [gain] : []),
          ...runtimes.flatMap((name) => [
            ms(at(network, name, count)),
            times(at(network, name, count) / own),
          ]),
        ];
      }),
    );
  return threads > 1 ? `${table(1)}\n\n${table(2)}` : table(1);
}

const sections = places.map(([name, title]) => {
  const { facts, rows } = readResults(name);
  return `## ${title(facts)}\n\n${about(facts)}\n\n${networkTable(rows)}`;
});

// how many times our time a peer needs, one thread
const bars = places.flatMap(([name, , place]) => {
  const { rows } = readResults(name);
  return rows
    .filter(({ runtime, threads }) => runtime !== 'ghostnet' && threads === 1)
    .map((row) => {
      const own = rows.find(
        ({ network, runtime, threads }) => network === row.network && runtime === 'ghostnet' && threads === 1,
      );
      return { place, network: row.network, runtime: row.runtime, ratio: row.medianMs / own.medianMs };
    });
});
const networks = [...new Set(bars.map(({ network }) => network))];
const runtimes = [...new Set(bars.map(({ runtime }) => runtime))];
savePlot('docs/plots/benchmarks.svg', {
  title: 'How many times our time the peers need, one thread',
  width: 900,
  height: 90 + 74 * networks.length,
  marginLeft: 8,
  marginRight: 40,
  marginTop: 60,
  marginBottom: 46,
  fx: { domain: places.map(([, , place]) => place), label: null },
  fy: { domain: networks, label: null, axis: null },
  x: {
    label: 'times our time (log scale; right of the line: slower than ours) →',
    type: 'log',
    grid: true,
    domain: [0.3, 12],
  },
  y: { domain: runtimes, axis: null },
  color: { domain: runtimes, range: colors },
  marks: [
    Plot.barX(bars, { x1: 1, x2: 'ratio', y: 'runtime', fx: 'place', fy: 'network', fill: 'runtime' }),
    Plot.ruleX([1], { stroke: '#222222' }),
    Plot.text(bars, {
      x: (row) => Math.max(row.ratio, 1),
      y: 'runtime',
      fx: 'place',
      fy: 'network',
      text: (row) => `${row.ratio.toFixed(2)}x ${row.runtime}`,
      textAnchor: 'start',
      dx: 4,
      fontSize: 9,
    }),
    Plot.text(networks, {
      fy: (network) => network,
      text: (network) => network,
      frameAnchor: 'top-left',
      dy: -8,
      fontWeight: 'bold',
    }),
  ],
});

const chains = ['20', '24']
  .filter((major) => has(`chains-node${major}.csv`))
  .map((major) => {
    const { rows } = readResults(`chains-node${major}.csv`);
    return [major, rows];
  });
const chainRows = chains[0][1].filter(({ runtime }) => runtime === 'ghostnet');
const ratio = (rows, runtime, channels) =>
  rows.find((row) => row.runtime === runtime && row.channels === channels).timeRatio.toFixed(3);
const chainTable = markdown(
  [
    'channels @ map',
    'FLOPs',
    ...chains.flatMap(([major]) => [`ghostnet, Node ${major}`, `onnxruntime-web, Node ${major}`]),
  ],
  chainRows.map(({ channels, size, flopRatio }) => [
    `${channels} @ ${size}x${size}`,
    flopRatio.toFixed(3),
    ...chains.flatMap(([, rows]) => [
      ratio(rows, 'ghostnet', channels),
      ratio(rows, 'onnxruntime-web', channels),
    ]),
  ]),
);
const slices = chains
  .filter(([major]) => has(`slice-node${major}.csv`))
  .map(([major]) => {
    const { rows } = readResults(`slice-node${major}.csv`);
    const [plain, slice] = ['plain', 'slice'].map((file) => rows.find((row) => row.file === file).medianMs);
    return `on Node ${major} ${ms(plain)}, against ${ms(slice)} with them`;
  });

/** The sweeps over batch, image size and threads: a plot each. */
function sweepSection() {
  const name = ['sweeps-node24.csv', 'sweeps-node20.csv'].find(has);
  if (!name) return '';
  const { facts, rows } = readResults(name);
  const line = (sweep, y, labels, domain) => {
    const data = rows.filter((row) => row.sweep === sweep);
    const ends = [...new Set(data.map(({ runtime }) => runtime))].map((runtime) =>
      data.findLast((row) => row.runtime === runtime),
    );
    savePlot(`docs/plots/${sweep}.svg`, {
      title: labels.title,
      height: 320,
      marginRight: 120,
      marginLeft: 56,
      x: { label: labels.x, ...domain },
      y: { label: labels.y, grid: true, zero: true },
      color: { domain: ['ghostnet', 'onnxruntime-web', 'onnxruntime-node'], range: colors },
      marks: [
        Plot.lineY(data, { x: 'value', y, stroke: 'runtime', strokeWidth: 2 }),
        Plot.dot(data, { x: 'value', y, fill: 'runtime', r: 3 }),
        Plot.text(ends, { x: 'value', y, text: 'runtime', fill: 'runtime', textAnchor: 'start', dx: 8 }),
      ],
    });
  };
  const batches = [...new Set(rows.filter(({ sweep }) => sweep === 'batch').map(({ value }) => value))];
  line(
    'batch',
    'imagesPerSecond',
    { title: 'Images a second by batch', x: 'batch (log scale) →', y: '↑ images a second' },
    { type: 'log', base: 2, ticks: batches, tickFormat: 'd' },
  );
  line('size', 'medianMs', { title: 'Milliseconds by image size', x: 'side of the image →', y: '↑ ms' }, {});
  line(
    'threads',
    'medianMs',
    { title: 'Milliseconds by threads', x: 'threads →', y: '↑ ms' },
    {
      ticks: [...new Set(rows.filter(({ sweep }) => sweep === 'threads').map(({ value }) => value))],
      tickFormat: 'd',
    },
  );
  return `## GhostNet 1.0x by batch, image size and threads

Node ${facts.node}. ${about(facts)}

![Images a second by batch](plots/batch.svg)
![Milliseconds by image size](plots/size.svg)
![Milliseconds by threads](plots/threads.svg)

`;
}

/** Start, memory, download. */
function footprintSection() {
  const files = ['20', '24'].filter((major) => has(`footprint-node${major}.csv`));
  if (files.length === 0) return '';
  const runs = files.map((major) => [major, readResults(`footprint-node${major}.csv`)]);
  const names = runs[0][1].rows.map(({ runtime }) => runtime);
  const table = markdown(
    [
      'runtime',
      ...runs.flatMap(([major]) => [`first answer, Node ${major}`, `peak memory, Node ${major}`]),
      'a page loads (gzip)',
    ],
    names.map((runtime) => {
      const rowOf = ({ rows }) => rows.find((row) => row.runtime === runtime);
      const bytes = rowOf(runs[0][1]).pageGzipBytes;
      return [
        runtime,
        ...runs.flatMap(([, run]) => [
          `${rowOf(run).firstAnswerMs.toFixed(0)} ms`,
          `${rowOf(run).peakMB.toFixed(0)} MB`,
        ]),
        bytes ? `${(bytes / 1000).toFixed(0)} kB` : '',
      ];
    }),
  );
  return `## Start, memory, download

GhostNet 1.0x. From importing the runtime to the first answer (ours reads the model file and compiles the network on the way;
peers create a session), peak memory of the process, and the code that a page loads besides the weights. ${about(runs.at(-1)[1].facts)}

${table}

`;
}

/** Two threads against one, measured before any peer is loaded. */
function threadSection() {
  const files = ['20', '24'].filter((major) => has(`threads-node${major}.csv`));
  if (files.length === 0) return '';
  const runs = files.map((major) => [major, readResults(`threads-node${major}.csv`).rows]);
  const at = (rows, network, threads) =>
    rows.find((row) => row.network === network && row.threads === threads)?.medianMs;
  const table = markdown(
    [
      'network',
      ...runs.flatMap(([major]) => [`1 thread, Node ${major}`, `2 threads, Node ${major}`, 'gain']),
    ],
    [...new Set(runs.flatMap(([, rows]) => rows.map(({ network }) => network)))].map((network) => [
      network,
      ...runs.flatMap(([, rows]) => {
        const [one, two] = [at(rows, network, 1), at(rows, network, 2)];
        return [ms(one), ms(two), times(one / two)];
      }),
    ]),
  );
  return `## Two threads

One and two threads in turns, in a process that has not yet loaded any peer (the engine compiles their megabytes of
WebAssembly on the second core for long). Results are the same to the bit.

${table}

`;
}

/** Memory and speed of `ghostnet eval` over as many pictures as ImageNet's validation set has. */
function evalSection() {
  if (!has('eval-memory.csv')) return '';
  const { facts, rows } = readResults('eval-memory.csv');
  const parts = 5;
  const names = {
    whole: 'in one go',
    first: `stopped after ${Number(facts.stoppedAfter).toLocaleString('en-US')}`,
    second: 'gone on',
  };
  const table = markdown(
    [
      'run',
      ...Array.from({ length: parts }, (_, i) => `${(100 * i) / parts} to ${(100 * (i + 1)) / parts} %`),
    ],
    Object.entries(names).map(([run, name]) => {
      const values = rows.filter((row) => row.run === run).map(({ residentMB }) => residentMB);
      const part = (i) =>
        Math.max(...values.slice((i * values.length) / parts, ((i + 1) * values.length) / parts));
      return [name, ...Array.from({ length: parts }, (_, i) => `${part(i).toFixed(0)} MB`)];
    }),
  );
  const pictures = Number(facts.pictures).toLocaleString('en-US');
  return `## Accuracy over ${pictures} pictures

\`ghostnet eval --data\` on ${pictures} JPEG pictures in 1,000 class folders (1,000 different ones, each linked ${facts.pictures / 1000} times), ${facts.network}:
${facts.imagesPerSecond} pictures a second, decoding included, ${facts.seconds} s in all, beside other work on the same cores. Highest resident memory of the process in each
fifth of a run (peaks ${facts.peakMB} and ${facts.secondPeakMB} MB): it does not grow with the pictures. Stopped by Ctrl-C in the middle and gone on, it counts the same.
Node ${facts.node}, ${facts.cpu}, ${facts.cores} cores, ${facts.os}, ${facts.date}; \`${facts.command}\`.

${table}

`;
}

/** Weights that stay f16 in memory. */
function halfSection() {
  const files = ['20', '24'].filter((major) => has(`half-weights-node${major}.csv`));
  if (files.length === 0) return '';
  const runs = files.map((major) => [major, readResults(`half-weights-node${major}.csv`)]);
  const places = ['Hot', 'Streamed', 'After'];
  const cell = (f32, f16) => `${f32.toFixed(0)}, ${f16.toFixed(0)} (${times(f32 / f16)})`;
  const table = markdown(
    [
      'layer',
      'MB, f32',
      ...runs.flatMap(([major]) => places.map((place) => `Node ${major}, ${place.toLowerCase()}`)),
    ],
    runs[0][1].rows.map(({ layer, K, N, megabytes }, i) => [
      `${layer}, ${K} to ${N}`,
      megabytes.toFixed(2),
      ...runs.flatMap(([, { rows }]) =>
        places.map((place) => cell(rows[i][`f32${place}Us`], rows[i][`f16${place}Us`])),
      ),
    ]),
  );
  const whole = runs.map(
    ([major, { facts }]) =>
      `on Node ${major} ${ms(Number(facts.networkMs))} with f32, ${ms(Number(facts.halvedMs))} with f16 (${times(facts.networkMs / facts.halvedMs)})`,
  );
  const { facts } = runs.at(-1)[1];
  return `## Weights that stay f16 in memory

\`halfWeights\` of \`compile\` and \`createNetwork\` keeps weights that are f16 numbers so in the layers that use each once; results are the
same to the bit. Such layers of GhostNet 1.0x: µs with f32 weights, µs with f16 weights, in brackets how many times faster f16 is.
WebAssembly cannot widen halves, so that four weights take four instructions more. "Hot" reads the same weights again and again,
"streamed" a set of ${/--megabytes (\d+)/.exec(facts.command)[1]} MB in turn, "after" once after each run of the whole network. The whole network: ${whole.join('; ')}.
${facts.cpu}, ${facts.os}, ${facts.date}; \`bench/half-weights.ts\`.

${table}

`;
}

writeFileSync(
  new URL('docs/benchmarks.md', root),
  `# Benchmarks

Batch 1, fp32, 224x224 (the CIFAR networks 32x32). All runtimes take turns in one process on the same input, after they
gave the same answer; medians of the rounds' medians. Every runtime gets the same network with batch norm folded:
onnxruntime as the ONNX file that this package writes, LiteRT as a TFLite file, tfjs as its fused operations. The machine is a
small, shared virtual one: ratios hold, absolute times do not. \`npm run bench\` runs it all, \`ghostnet bench\` one network.

![How many times our time the peers need](plots/benchmarks.svg)

${sections.join('\n\n')}

## Does the time of Ghost modules follow their FLOPs?

Eight chained modules (s=2, d=3); ratios to the chain of plain 1x1 convolutions. \`node bench/chains.mjs\`.

${chainTable}

The ONNX file that this package writes for GhostNet 1.0x has no Slice after the Ghost modules, as PyTorch's export of the
official code has. onnxruntime-node takes ${slices.join('; ')}.

${threadSection()}${footprintSection()}${evalSection()}${halfSection()}${sweepSection()}Rendered by \`node scripts/render-benchmarks.mjs\` from \`bench/results/\`.
`,
);
