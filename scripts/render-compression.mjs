/** Writes docs/compression.md and its plots from bench/results/compression-*.csv. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { readResults, resultsFolder } from '../bench/lib/results.mjs';
import { colors, Plot, savePlot } from './lib/plot.mjs';

const timesFile = 'compression-times.csv';
const runs = readdirSync(resultsFolder)
  .filter((name) => /^compression-.*\.csv$/.test(name) && name !== timesFile)
  .map((name) => readResults(name));
const times = existsSync(new URL(timesFile, resultsFolder))
  ? readResults(timesFile)
  : { facts: {}, rows: [] };
const names = {
  l1: 'l1 norm',
  cp: 'channel pruning',
  lowrank: 'low rank',
  ghost: 'Ghost modules',
  width: 'narrower, fresh',
  sfp: 'soft pruning',
  int8: 'int8',
};
const called = (method) => names[method] ?? method;

const percent = (value) => (typeof value === 'number' ? `${(100 * value).toFixed(1)}` : '');
const markdown = (head, rows) =>
  [head, head.map((_, i) => (i < 2 ? '---' : '--:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
/** Of a busy machine's rounds the least, where it was kept. */
const msOf = (time) => (typeof time?.leastMs === 'number' ? time.leastMs : time?.medianMs);
const timeOf = (row, runtime = 'ghostnet') =>
  msOf(
    times.rows.find(
      (time) =>
        time.network === row.network &&
        time.method === row.method &&
        time.ratio === row.ratio &&
        time.runtime === runtime,
    ),
  );

/** The best of what a row was measured as: after fine-tuning, else recalibrated, else as it is. */
const best = (row, key) =>
  [`${key}Tuned`, `${key}Recalibrated`, key].map((name) => row[name]).find((v) => typeof v === 'number');

function section({ facts, rows }) {
  const original = rows.find(({ method }) => method === 'original');
  const { network, pictures } = original;
  const calibrated = [...new Set(rows.map((row) => row.calibrationPictures))]
    .sort((a, b) => a - b)
    .join(' or ');
  const tuned = rows.some((row) => typeof row.top1Tuned === 'number');
  const own = timeOf(original);
  const sorted = [...rows].sort((a, b) => a.ratio - b.ratio || b.macs - a.macs);
  const cells = sorted.map((row) => {
    const ms = timeOf(row);
    return [
      row === original ? 'original' : called(row.method),
      row === original || row.method === 'int8' ? '' : `${row.ratio}x`,
      (row.params / 1e6).toFixed(2),
      (row.macs / 1e6).toFixed(1),
      (original.macs / row.macs).toFixed(2),
      ms === undefined ? '' : ms.toFixed(2),
      ms === undefined || own === undefined ? '' : (own / ms).toFixed(2),
      percent(row.agreement),
      percent(row.agreementRecalibrated),
      percent(row.top1),
      percent(row.top1Recalibrated),
      ...(tuned ? [percent(row.agreementTuned), percent(row.top1Tuned)] : []),
    ];
  });
  const head = [
    'pass',
    'asked',
    'M params',
    'M MACs',
    'MACs, times fewer',
    'ms',
    'times faster',
    'agree',
    'recalibrated',
    'right',
    'recalibrated',
    ...(tuned ? ['tuned: agree', 'right'] : []),
  ];
  return `## ${network}

${pictures} pictures classified, ${calibrated} others to calibrate; ${facts.cpu}, Node ${facts.node}, ${facts.date},
in several goes, the last \`${facts.command}\`.${tuned ? ` Tuned: ${facts.tuning}.` : ''}

${markdown(head, cells)}`;
}

const points = runs.flatMap(({ rows }) => {
  const original = rows.find(({ method }) => method === 'original');
  return rows.map((row) => {
    const [ms, own] = [timeOf(row), timeOf(original)];
    return {
      network: row.network,
      pass: row.method === 'original' ? 'original' : called(row.method),
      macs: row.macs / original.macs,
      time: ms === undefined || own === undefined ? undefined : ms / own,
      agreement: best(row, 'agreement'),
    };
  });
});
const passes = [...new Set(points.map(({ pass }) => pass))];
const symbols = ['star', 'plus', 'times', 'triangle', 'asterisk', 'square', 'diamond', 'circle', 'cross'];

/** What marks mean, beside the last facet: a symbol and a name for each pass. */
function legend(names, facet) {
  const place = [{ network: facet }];
  return names.flatMap((name, i) => {
    const at = { fx: 'network', frameAnchor: 'top-right', dy: 8 + 18 * i };
    return [
      Plot.dot(place, { ...at, dx: 18, stroke: () => name, symbol: () => name, r: 4 }),
      Plot.text(place, {
        ...at,
        dx: 28,
        text: () => name,
        textAnchor: 'start',
        fill: '#222222',
        fontSize: 11,
      }),
    ];
  });
}

/** One scatter plot a network: how often the answer is still the original's against what it costs. */
function scatter(path, title, x, label) {
  const data = points.filter((point) => point[x] !== undefined);
  if (data.length === 0) return '';
  savePlot(path, {
    title,
    height: 320,
    marginTop: 44,
    marginBottom: 40,
    marginLeft: 50,
    marginRight: 140,
    insetTop: 6,
    fx: { label: null },
    x: { label, grid: true },
    y: { label: 'same answer as the original, %', grid: true, domain: [0, 100] },
    color: { domain: passes, range: ['#222222', ...colors, '#8c510a'] },
    symbol: { domain: passes, range: symbols },
    marks: [
      Plot.frame({ stroke: '#cccccc' }),
      Plot.line(
        data.filter(({ pass }) => pass !== 'original'),
        {
          x,
          y: (d) => 100 * d.agreement,
          stroke: 'pass',
          z: 'pass',
          fx: 'network',
          sort: x,
          strokeOpacity: 0.5,
        },
      ),
      Plot.dot(data, { x, y: (d) => 100 * d.agreement, stroke: 'pass', symbol: 'pass', r: 4, fx: 'network' }),
      ...legend(passes, data.at(-1).network),
    ],
  });
  return `![${title}](${path.replace('docs/', '')})`;
}

const plots = [
  scatter('docs/plots/compression-macs.svg', 'Agreement against MACs', 'macs', 'MACs, of the original’s'),
  scatter('docs/plots/compression-time.svg', 'Agreement against time', 'time', 'time, of the original’s'),
].filter(Boolean);

function speedUps() {
  const ghosts = times.rows.filter(({ method }) => method === 'ghost');
  if (ghosts.length === 0) return '';
  const table = ghosts.map((row) => {
    const original = times.rows.find(
      ({ network, method, runtime }) =>
        network === row.network && method === 'original' && runtime === row.runtime,
    );
    const [macs, time] = [original.macs / row.macs, msOf(original) / msOf(row)];
    return [
      row.network,
      row.runtime,
      macs.toFixed(3),
      time.toFixed(3),
      `${(100 * (time / macs - 1)).toFixed(1)} %`,
    ];
  });
  return `## Does a ghostified network's time follow its MACs?

Original against ghostified (s=2, d=3), each in the same runtime, one thread, in turns. The last column is how far the speed-up
in time is from that in MACs. ResNet-20's convolutions, and SqueezeNet's of 3x3, run by Winograd's scheme, before as after; they
cost less, so that the cheap operations, the permutations and what is the same in both weigh more
([step by step](ghostify.md#does-time-follow-macs)). onnxruntime runs depthwise convolutions much slower per MAC than dense ones.

${markdown(['network', 'runtime', 'MACs, times fewer', 'times faster', 'off'], table)}`;
}

const timed = times.rows.length > 0;
const about = timed
  ? `Times are measured in turns, the least of ${times.facts.rounds} rounds' medians; int8 against floats on more networks: [int8](int8.md).
Batch 1, one thread, ${times.facts.cpu}, Node ${times.facts.node}, ${times.facts.date}: \`${times.facts.command}\`.`
  : 'Times have not been measured yet: `node bench/compression-times.mjs`.';

writeFileSync(
  new URL('../docs/compression.md', import.meta.url),
  `# Compression passes beside each other

\`ghostnet compress --method ...\` and \`ghostnet ghostify\` make a trained network smaller. All passes have one interface: a plan that
is shown, can be edited as JSON and is then applied; pictures for calibration; what hangs together (residual sums,
concatenations, shuffles, depthwise convolutions, gates, Ghost modules, option A shortcuts) goes together.

| pass | what goes | what is fitted | source |
| --- | --- | --- | --- |
| \`l1\` | filters with the smallest l1 norm, the same share everywhere | nothing | Li et al. 2017 |
| \`cp\` | channels that the next layers miss least (lasso, or ThiNet's greedy choice) | those layers, by least squares | He et al. 2017, Luo et al. 2017 |
| \`slimming\` | channels with the smallest batch-norm scale, layers competing | nothing; made for training with an l1 penalty | Liu et al. 2017 |
| \`sfp\` | filters with the smallest l2 norm, zeroed between epochs of training | by that training | He et al. 2018 |
| \`width\` | the last channels, the same share everywhere | fresh weights, to be trained | MobileNet's multiplier |
| \`lowrank\` | directions of outputs (and inputs) that hold little | bias | Kim et al. 2016, Zhang et al. 2016 |
| \`ghost\` | n - n/s of n filters | cheap operations, by least squares | the paper; this project's fit |
| \`int8\` | bits: weights in 8, one scale a channel, activations in 7 | ranges, biases | Nagel et al. 2019 |

"Agree" is how often the first answer is still the original network's, "right" how often it is the label, both in percent.
The first figure is right after the pass, "recalibrated" after batch-norm statistics were measured anew on the calibration
pictures (networks whose batch norm was folded get it back for that), ${runs.some(({ rows }) => rows.some((row) => typeof row.top1Tuned === 'number')) ? '"tuned" after some steps of training' : 'nothing was trained'}.

**Read with care.** These are one-shot results: the papers train after pruning, for tens of epochs, and there their figures come
from. Without that every pass loses much, and small networks such as these, made to be thin, lose most. The ImageNet pictures are
one of each class and probably from the training set: agreement says more than accuracy here. Soft pruning (\`sfp\`) has, before its first figure, as many steps of training
as "tuned" adds after, so its first figures stand beside the others' last; \`width\` starts from fresh weights and answers by chance until it is trained. \`int8\` keeps
params and MACs and has a quarter of the bytes; what comes out are integers, which are not trained further. Ghost modules
need the longest training to come back: after 50 steps they are last of the passes at half the MACs on ResNet-20, after eight epochs of
distillation the same network has [88.58 %](ghostify.md#does-it-work).

${about}

${plots.join('\n\n')}

${runs.map(section).join('\n\n')}

${speedUps()}

Made by \`node bench/compression.mjs\`, \`node bench/compression-times.mjs\` and \`node scripts/render-compression.mjs\`.
`,
);
