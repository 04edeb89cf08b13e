/** docs/benchmarks.md: chains of Ghost modules, their time beside their FLOPs, and what a Slice after each costs elsewhere. */
import { readResults } from '../../bench/lib/results.mjs';
import { has, markdown, ms } from './format.mjs';

export function chainSection() {
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
  return `## Does the time of Ghost modules follow their FLOPs?

Eight chained modules (s=2, d=3); ratios to the chain of plain 1x1 convolutions. \`node bench/chains.mjs\`.

${chainTable}

The ratios at 64 @ 56x56 on Node 24 are those of a process that onnxruntime-web has been loaded into: its chains left out of the
script, the same module took 2.25 instead of 2.63 ms, 0.58 of the plain one; we take it for a matter of where the engine puts its code.

The ONNX file that this package writes for GhostNet 1.0x has no Slice after the Ghost modules, as PyTorch's export of the
official code has. onnxruntime-node takes ${slices.join('; ')}.

`;
}
