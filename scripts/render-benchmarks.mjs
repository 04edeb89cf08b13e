/** Writes docs/benchmarks.md and its plots from the saved results in bench/results/; the sections are in benchmarks/. */
import { writeFileSync } from 'node:fs';
import { chainSection } from './benchmarks/chains.mjs';
import { networkSections } from './benchmarks/networks.mjs';
import { peakSection } from './benchmarks/peak.mjs';
import { profileSection } from './benchmarks/profile.mjs';
import { evalSection, footprintSection, halfSection, threadSection } from './benchmarks/resources.mjs';
import { sweepSection } from './benchmarks/sweeps.mjs';

writeFileSync(
  new URL('../docs/benchmarks.md', import.meta.url),
  `# Benchmarks

Batch 1, fp32, 224x224 (the CIFAR networks 32x32). All runtimes take turns in one process on the same input, after they
gave the same answer; medians of the rounds' medians. Every runtime gets the same network with batch norm folded:
onnxruntime as the ONNX file that this package writes, LiteRT as a TFLite file, tfjs as its fused operations. The machine is a
small, shared virtual one: ratios hold, absolute times do not. \`npm run bench\` runs it all, \`ghostnet bench\` one network.

![How many times our time the peers need](plots/benchmarks.svg)

${networkSections()}

${chainSection()}${peakSection()}${profileSection()}${threadSection()}${footprintSection()}${evalSection()}${halfSection()}${sweepSection()}Rendered by \`node scripts/render-benchmarks.mjs\` from \`bench/results/\`.
`,
);
