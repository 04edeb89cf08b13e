/** docs/benchmarks.md: how near GhostNet 1.0x and its convolutions come to what the machine's 128-bit unit can do. */
import { readFileSync } from 'node:fs';
import { readResults, resultsFolder } from '../../bench/lib/results.mjs';
import { has, markdown } from './format.mjs';

const kinds = { pointwise: '1x1', depthwise: 'depthwise', conv: '3x3 stem' };

/** One engine's row: GFLOP/s of its peak, and the shares that are reached of it. */
function row(major) {
  const name = `kernels-ghostnet-1.0x-node${major}.csv`;
  const [, how, peakText] = /^# node v\S+, (.*?), .*peak ([\d.]+) GFLOP/.exec(
    readFileSync(new URL(name, resultsFolder), 'utf8'),
  );
  const peak = Number(peakText);
  const layers = readResults(name).rows;
  const rate = (chosen) => {
    const time = chosen.reduce((sum, { count, microseconds }) => sum + count * microseconds, 0);
    return (
      chosen.reduce((sum, { count, microseconds, gflops }) => sum + count * microseconds * gflops, 0) / time
    );
  };
  const whole = readResults(`networks-node${major}.csv`).rows.find(
    ({ network, runtime, threads }) => network === 'ghostnet-1.0x' && runtime === 'ghostnet' && threads === 1,
  );
  const share = (gflops) => `${((100 * gflops) / peak).toFixed(0)} %`;
  return [
    `Node ${major}, ${how}`,
    `${peak.toFixed(0)} GFLOP/s`,
    ...Object.keys(kinds).map((kind) => share(rate(layers.filter(({ kernel }) => kernel === kind)))),
    share(rate(layers)),
    share((2 * whole.macs) / whole.medianMs / 1e6),
  ];
}

export function peakSection() {
  const majors = ['20', '24'].filter(
    (m) => has(`kernels-ghostnet-1.0x-node${m}.csv`) && has(`networks-node${m}.csv`),
  );
  if (majors.length === 0) return '';
  return `## How near to the machine's limit

Shares of the 128-bit peak (multiply-adds on registers alone, measured first) that GhostNet 1.0x reaches: its convolutions by
kind, each kernel alone (\`bench/kernels.ts\`), and the whole network as in the tables above. A kernel alone finds its weights in
the cache; in the network those of SE, head and classifier come from memory (the table of weights that stay f16 has both, "hot"
and "after"), and imports, means, gates and activations come on top.

${markdown(['engine', 'peak', ...Object.values(kinds), 'all convolutions', 'whole network'], majors.map(row))}

`;
}
