/** docs/benchmarks.md: where the time of a GhostNet 1.0x goes, kind of layer by kind, and what bounds each. */
import { readResults } from '../../bench/lib/results.mjs';
import { has, markdown } from './format.mjs';

const percent = (part) => `${(100 * part).toFixed(0)} %`;
const sum = (rows, key) => rows.reduce((total, row) => total + row[key], 0);

function table({ rows }) {
  const inRun = sum(rows, 'inRunMs');
  const cells = ({ layers, macs, weightBytes, inRunMs, aloneMs, bound, boundMs }) => [
    layers,
    (macs / 1e6).toFixed(1),
    (weightBytes / 1e6).toFixed(1),
    inRunMs.toFixed(2),
    percent(inRunMs / inRun),
    aloneMs.toFixed(2),
    boundMs.toFixed(2),
    bound,
    percent(boundMs / inRunMs),
  ];
  const total = { layers: 'all', bound: '' };
  for (const key of ['macs', 'weightBytes', 'inRunMs', 'aloneMs', 'boundMs']) total[key] = sum(rows, key);
  return markdown(
    ['layers', 'M MACs', 'MB weights', 'ms in a run', 'share', 'ms alone', 'bound, ms', 'by', 'reached'],
    [...rows, total].map(cells),
  );
}

function engine(major) {
  const results = readResults(`profile-ghostnet-1.0x-node${major}.csv`);
  const { rows, facts } = results;
  const { node, peak, tilePeak, cachedGBs, wholeMs } = facts;
  const [bounds, atPeak, alone] = ['boundMs', 'peakMs', 'aloneMs'].map((key) => sum(rows, key));
  const vectors = rows.find(({ bound }) => bound === 'their weights');
  const stream = vectors.weightBytes / vectors.boundMs / 1e6;
  const fused = facts.relaxed === 'true';
  return `Node ${node}, ${fused ? 'fused multiply-add' : 'multiply and add'}: ${peak} GFLOP/s on registers alone, ${tilePeak} in the innermost loop of a matrix product with
the largest tile that registers hold (${fused ? '6' : '4'} pixels by 8 channels), its loads included. A sum over memory reads ${cachedGBs} GB/s in the
cache, and ${stream.toFixed(1)} GB/s where a run finds the weights of SE, head and classifier. A run takes ${Number(wholeMs).toFixed(2)} ms: ${percent(atPeak / wholeMs)} of the peak,
${percent(bounds / wholeMs)} of what the bounds together leave. With all in the cache its steps take ${alone.toFixed(2)} ms, ${percent(atPeak / alone)} of the peak.

${table(results)}

`;
}

export function profileSection() {
  const majors = ['20', '24'].filter((major) => has(`profile-ghostnet-1.0x-node${major}.csv`));
  if (majors.length === 0) return '';
  const { facts } = readResults(`profile-ghostnet-1.0x-node${majors.at(-1)}.csv`);
  return `## Where the rest of the time goes

GhostNet 1.0x, f32, one thread, kind of layer by kind. "In a run": each step timed where it stands, medians; "alone": again and again, with
all it needs in the cache, the least. The bounds were measured in the same process: multiply-adds at the peak (of the innermost
loop where a kernel is a matrix product); for products of a matrix and a vector, which use each weight once, a plain sum over the same
weights in their place in the run; for what only moves data, a sum over as many bytes in the cache. The 20 MB of weights do not stay
in this machine's cache from run to run, and its memory gives a core so many bytes a second and no more. Loads that touch the weights
of later layers while convolutions compute were tried: they slowed these by as much as they helped those, or more, which we take for the few
misses that a core can have open at once.
${facts.cpu}, ${facts.os}, ${facts.date}; \`bench/profile.ts\`.

${majors.map(engine).join('')}`;
}
