/**
 * What a runtime costs besides its speed, for GhostNet 1.0x: milliseconds from importing it to the first answer (network
 * compiled or session created on the way), the process's peak memory, each in a process of its own, several times in
 * turns; and the bytes that a page downloads without the weights (gzip). Needs the build. Saves
 * bench/results/footprint-node<major>.csv.
 *
 *     node bench/footprint.mjs [--rounds 5]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { median } from '../dist/cli/measure/measure.js';
import { peers } from '../dist/cli/measure/peers/index.js';
import { installPeer } from '../dist/cli/measure/peers/peer.js';
import { compile, createModel, initializeWeights, saveModel } from '../dist/index.js';
import { numberOption, saveResults, thisMachine } from './lib/results.mjs';

const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;
const file = fileURLToPath(import.meta.url);
const child = process.argv.indexOf('--child');

if (child > 0) await firstAnswer(process.argv[child + 1], process.argv[child + 2]);
else await parent(numberOption('--rounds', 5));

/** In the child: prints { ms, peakMB }. */
async function firstAnswer(runtime, folder) {
  const modelFile = readFileSync(join(folder, 'model.safetensors'));
  const input = new Float32Array(3 * 224 * 224).fill(0.5);
  const peer = peers.find(({ name }) => name === runtime);
  const load = peer && (await installPeer(peer, cache, console.error));
  const started = performance.now();
  if (runtime === 'ghostnet') {
    const { createNetwork, loadModel } = await import('../dist/index.js');
    const { graph, weights } = loadModel(modelFile);
    (await createNetwork(graph, weights)).run(input);
  } else {
    // the model file that the peer wants is made before, as it would be in a project that uses it
    const { graph, weights } = (await import('../dist/index.js')).loadModel(modelFile);
    const task = {
      graph,
      weights,
      onnx: readFileSync(join(folder, 'model.onnx')),
      inputShape: [1, 3, 224, 224],
      outputShape: [1, 1000],
      threads: 1,
    };
    const prepared = performance.now();
    const runner = await peer.create(load, task);
    await runner.run(input);
    report(performance.now() - prepared);
  }
  report(performance.now() - started);
}

function report(ms) {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  const peak = /VmHWM:\s+(\d+)/.exec(status)?.[1];
  const peakMB = peak ? Number(peak) / 1024 : process.resourceUsage().maxRSS / 1024;
  process.stdout.write(JSON.stringify({ ms, peakMB }), () => process.exit(0));
}

async function parent(rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'ghostnet-footprint-'));
  const { foldBatchNorm } = await import('../dist/index.js');
  const { exportOnnx } = await import('../dist/node.js');
  const graph = createModel('ghostnet-1.0x');
  const weights = initializeWeights(graph, 1);
  const folded = foldBatchNorm(graph, weights);
  writeFileSync(join(folder, 'model.safetensors'), saveModel(folded.graph, folded.weights));
  writeFileSync(join(folder, 'model.onnx'), exportOnnx(folded.graph, folded.weights, { batch: 1 }));
  const runtimes = ['ghostnet', ...peers.map(({ name }) => name)];
  const samples = new Map(runtimes.map((name) => [name, []]));
  for (const peer of peers) await installPeer(peer, cache, console.error);
  for (let round = 0; round < rounds; round++)
    for (const runtime of runtimes) {
      const args = [file, '--child', runtime, folder];
      const text = execFileSync(process.execPath, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      samples.get(runtime).push(JSON.parse(text.slice(text.lastIndexOf('{'))));
    }
  rmSync(folder, { recursive: true });
  const downloads = await downloadBytes(graph, weights);
  const rows = runtimes.map((runtime) => ({
    runtime,
    firstAnswerMs: median(samples.get(runtime).map(({ ms }) => ms)).toFixed(1),
    peakMB: median(samples.get(runtime).map(({ peakMB }) => peakMB)).toFixed(1),
    pageGzipBytes: downloads[runtime] ?? '',
  }));
  console.table(rows);
  const facts = {
    ...thisMachine(),
    node: process.versions.node,
    v8: process.versions.v8,
    peers: peers.map((peer) => Object.entries(peer.packages)[0].join(' ')).join('; '),
    rounds,
    command: `node bench/footprint.mjs --rounds ${rounds}`,
  };
  saveResults(`footprint-node${process.versions.node.split('.')[0]}.csv`, facts, rows);
  process.exit(0);
}

/** Gzip bytes of code that a page loads, without weights: ours is the runtime and the module that was compiled before. */
async function downloadBytes(graph, weights) {
  const gzip = (path) => gzipSync(readFileSync(new URL(path))).length;
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../dist/runtime/index.js', import.meta.url))],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  });
  const module = compile(graph, weights, { relaxed: true }).wasm;
  const root = async (peerName, name) => {
    const load = await installPeer(
      peers.find((peer) => peer.name === peerName),
      cache,
      console.error,
    );
    return load.root(name);
  };
  const ort = `${await root('onnxruntime-web', 'onnxruntime-web')}/dist`;
  const lite = await root('litert', '@litertjs/core');
  const tf = await root('tfjs-wasm', '@tensorflow/tfjs-core');
  const tfWasm = `${await root('tfjs-wasm', '@tensorflow/tfjs-backend-wasm')}/dist`;
  return {
    ghostnet: gzipSync(outputFiles[0].contents).length + gzipSync(module).length,
    'onnxruntime-web':
      gzip(`${ort}/ort.wasm.min.mjs`) +
      gzip(`${ort}/ort-wasm-simd-threaded.mjs`) +
      gzip(`${ort}/ort-wasm-simd-threaded.wasm`),
    litert:
      gzip(`${lite}/dist/index.js`) +
      gzip(`${lite}/wasm/litert_wasm_internal.js`) +
      gzip(`${lite}/wasm/litert_wasm_internal.wasm`),
    'tfjs-wasm':
      gzip(`${tf}/dist/tf-core.min.js`) +
      gzip(`${tfWasm}/tf-backend-wasm.min.js`) +
      gzip(`${tfWasm}/tfjs-backend-wasm-simd.wasm`),
  };
}
