/** Writes docs/benchmarks.md from the saved results in bench/results/. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const folder = new URL('bench/results/', root);
const runs = readdirSync(folder)
  .filter((name) => /^networks-node\d+\.json$/.test(name))
  .sort()
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')));

const ms = (value) => (value === undefined ? '' : `${value.toFixed(2)} ms`);
const times = (value) => `${value.toFixed(2)}x`;

const sections = runs.map((run) => {
  const { machine } = run;
  const networks = run.networks.map(({ name, macs, medianMs }) => {
    const own = medianMs['ghostnet, 1 thread'];
    const two = medianMs['ghostnet, 2 threads'];
    const web = medianMs['onnxruntime-web, 1 thread'];
    const native = medianMs['onnxruntime-node, 1 thread'];
    return `| ${[name, (macs / 1e6).toFixed(0), ms(own), ms(two), times(own / two), ms(web), times(web / own), ms(native), times(native / own)].join(' | ')} |`;
  });
  const chains = run.chains.map(
    ({ channels, size, flopRatio, timeRatio, onnxruntimeWebTimeRatio }) =>
      `| ${channels} @ ${size}x${size} | ${flopRatio.toFixed(3)} | ${timeRatio.toFixed(3)} | ${onnxruntimeWebTimeRatio.toFixed(3)} |`,
  );
  const sliced = run.networks[0].medianMs['onnxruntime-node with redundant Slice, 1 thread'];
  const plain = run.networks[0].medianMs['onnxruntime-node, 1 thread'];
  return `## Node ${machine.node} (V8 ${machine.v8})

${machine.cpu}, ${machine.cores} cores, ${machine.os}. \`${run.command}\`, ${run.rounds} rounds.

| network | M MACs | ghostnet, 1 thread | 2 threads | gain | onnxruntime-web, 1 thread | to ours | onnxruntime-node, 1 thread | to ours |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
${networks.join('\n')}

Does the time of eight chained Ghost modules (s=2, d=3) follow their FLOPs? Ratios to the chain of plain 1x1 convolutions:

| channels @ map | FLOPs | time, ghostnet | time, onnxruntime-web |
|---|--:|--:|--:|
${chains.join('\n')}

The ONNX file that this package writes for GhostNet 1.0x takes onnxruntime-node ${ms(plain)}; with the Slice after every Ghost
module that PyTorch's export of the official code has, ${ms(sliced)}.`;
});

writeFileSync(
  new URL('docs/benchmarks.md', root),
  `# Benchmarks

Batch 1, fp32, 224x224 unless said. All runtimes take turns in one process on the same input; medians of the rounds' medians.
onnxruntime runs the same network, batch norm folded, as the ONNX file that this package writes. The machine is a small,
shared virtual one: ratios hold, absolute times do not.

${sections.join('\n\n')}

Rendered by \`node scripts/render-benchmarks.mjs\` from \`bench/results/\`.
`,
);
