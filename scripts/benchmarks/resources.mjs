/** docs/benchmarks.md: start, memory and download; two threads; `eval` over many pictures; weights that stay f16. */
import { readResults } from '../../bench/lib/results.mjs';
import { colors, Plot, savePlot } from '../lib/plot.mjs';
import { about, has, markdown, ms, times } from './format.mjs';

/** Start, memory, download. */
export function footprintSection() {
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

/** GhostNet 1.0x and its peers in Chromium, by threads; '' where it was not measured. */
function drawThreads() {
  const file = 'networks-chromium.csv';
  if (!has(file)) return '';
  const { facts, rows } = readResults(file);
  const data = rows.filter(({ network }) => network === 'ghostnet-1.0x');
  const counts = [...new Set(data.map(({ threads }) => threads))];
  savePlot('docs/plots/threads.svg', {
    title: 'Milliseconds by threads',
    height: 320,
    marginRight: 120,
    marginLeft: 56,
    x: { label: 'threads →', ticks: counts, tickFormat: 'd' },
    y: { label: '↑ ms', grid: true, zero: true },
    color: { domain: ['ghostnet', 'onnxruntime-web', 'litert', 'tfjs-wasm'], range: colors },
    marks: [
      Plot.lineY(data, { x: 'threads', y: 'medianMs', stroke: 'runtime', strokeWidth: 2 }),
      Plot.dot(data, { x: 'threads', y: 'medianMs', fill: 'runtime', r: 3 }),
      Plot.text(
        data.filter(({ threads }) => threads === Math.max(...counts)),
        { x: 'threads', y: 'medianMs', text: 'runtime', fill: 'runtime', textAnchor: 'start', dx: 8 },
      ),
    ],
  });
  return `GhostNet 1.0x and its peers in Chromium ${facts.chromium}, all in one run (the tables above):

![Milliseconds by threads](plots/threads.svg)

`;
}

/** Two threads against one, measured before any peer is loaded. */
export function threadSection() {
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

${drawThreads()}`;
}

/** Memory and speed of `ghostnet eval` over as many pictures as ImageNet's validation set has. */
export function evalSection() {
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
export function halfSection() {
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

${shippedPart()}`;
}

/** What of that reaches folders of `ghostnet build`, whose f16 form keeps such weights. */
function shippedPart() {
  const files = ['20', '24'].filter((major) => has(`shipped-node${major}.csv`));
  if (files.length === 0) return '';
  const runs = files.map((major) => [major, readResults(`shipped-node${major}.csv`)]);
  const table = markdown(
    ['network', 'weights in memory, f32', 'f16', ...runs.map(([major]) => `Node ${major}, f32, f16`)],
    runs[0][1].rows.map(({ network, f32MB, f16MB }, i) => [
      network,
      `${f32MB.toFixed(1)} MB`,
      `${f16MB.toFixed(1)} MB`,
      ...runs.map(([, { rows }]) => {
        const { f32Ms, f16Ms, ratio } = rows[i];
        return `${ms(f32Ms)}, ${ms(f16Ms)} (${times(ratio)})`;
      }),
    ]),
  );
  const { facts } = runs.at(-1)[1];
  return `Folders of \`ghostnet build\` keep such weights so in f16, the default. A picture through \`scores\` of \`model.js\`, preprocessing
included, in folders of both precisions with the same rounded weights, which give the same answers to the bit, in turns; in brackets the
median of the rounds' ratios, above 1 where f16 is faster. ${facts.cpu}, ${facts.os}, ${facts.date}; \`${facts.command}\`.

${table}

`;
}
