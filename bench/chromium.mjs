/**
 * Whole networks beside the web's runtimes in a real Chromium page, cross-origin isolated, in turns. Needs the build.
 * Saves bench/results/networks-chromium.csv.
 *
 *     node bench/chromium.mjs [--rounds 9] [--only ghostnet-1.0x] [--threads 1,2]
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { homedir } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright';
import { liteRt } from '../dist/cli/measure/peers/litert.js';
import { onnxruntimeWeb } from '../dist/cli/measure/peers/onnxruntime.js';
import { installPeer } from '../dist/cli/measure/peers/peer.js';
import { tfjsWasm } from '../dist/cli/measure/peers/tfjs.js';
import { profile } from '../dist/index.js';
import { chromiumFlags, findChromium } from '../scripts/find-chromium.mjs';
import { benchNetworks, networkNames } from './lib/networks.mjs';
import { listOption, numberOption, saveResults, thisMachine } from './lib/results.mjs';

const rounds = numberOption('--rounds', 9);
const only = listOption('--only', networkNames);
const threadCounts = (listOption('--threads') ?? ['1', '2']).map(Number);
const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;
const peers = [onnxruntimeWeb, liteRt, tfjsWasm];
const roots = new Map();
for (const peer of peers) {
  const load = await installPeer(peer, cache, console.error);
  for (const name of Object.keys(peer.packages)) roots.set(name, load.root(name));
}

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('lib/page.mjs', import.meta.url))],
  bundle: true,
  format: 'esm',
  platform: 'browser',
  external: ['node:*'],
  write: false,
  logLevel: 'error',
});
const imports = { '@litertjs/wasm-utils': '/peers/@litertjs/wasm-utils/dist/index.js' };
const page = `<!doctype html><title>bench</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script><script type="module" src="/page.js"></script>`;
const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** A file of a peer's package: /peers/<package>/<path>. */
async function peerFile(path) {
  const name = [...roots.keys()].find((known) => path.startsWith(`/peers/${known}/`));
  if (!name || path.includes('..')) return undefined;
  const file = `${roots.get(name)}${path.slice(`/peers/${name}`.length)}`;
  return readFile(new URL(file)).catch(() => undefined);
}

const server = createServer(async (request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
  const body = path === '/' ? page : path === '/page.js' ? outputFiles[0].text : await peerFile(path);
  response.writeHead(body === undefined ? 404 : 200, {
    'Content-Type': path === '/' ? 'text/html' : (types[extname(path)] ?? 'application/octet-stream'),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  });
  response.end(body);
});
await new Promise((resolve) => {
  server.listen(0, '127.0.0.1', resolve);
});
const browser = await chromium.launch({ executablePath: await findChromium(), args: chromiumFlags });
const rows = [];
for (const threads of threadCounts) {
  const tab = await browser.newPage();
  tab.on('pageerror', (error) => console.error(String(error)));
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  await tab.waitForFunction(() => globalThis.runContest);
  const networks = [...benchNetworks(only)];
  // thrown away: after the peers have loaded, the engine is busy for seconds with their megabytes of WebAssembly
  await tab.evaluate(([name, count]) => globalThis.runContest(name, count, 2), [networks[0][0], threads]);
  for (const [network, graph] of networks) {
    const timings = await tab.evaluate(
      ([name, count, times]) => globalThis.runContest(name, count, times),
      [network, threads, rounds],
    );
    const macs = profile(graph).macs;
    for (const [runtime, timing] of Object.entries(timings))
      rows.push({ network, macs, runtime, threads, ...timing });
    console.log(
      network,
      threads,
      Object.fromEntries(Object.entries(timings).map(([key, { medianMs }]) => [key, medianMs])),
    );
  }
  await tab.close();
}
const facts = {
  ...thisMachine(),
  chromium: browser.version(),
  peers: peers.map((peer) => Object.entries(peer.packages)[0].join(' ')).join('; '),
  rounds,
  command: `node bench/chromium.mjs --rounds ${rounds}`,
};
await browser.close();
server.close();
if (only) console.log('not saved: only some networks');
else saveResults('networks-chromium.csv', facts, rows);
process.exit(0);
