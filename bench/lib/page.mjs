/**
 * The program of the page that bench/chromium.mjs opens: the same contest as in Node, with the peers loaded from the
 * server's /peers/<package>/. Bundled; one page a thread count, since runtimes take theirs when they load.
 */
import { liteRt } from '../../dist/cli/measure/peers/litert.js';
import { onnxruntimeWeb } from '../../dist/cli/measure/peers/onnxruntime.js';
import { tfjsWasm } from '../../dist/cli/measure/peers/tfjs.js';
import { contest, ownRunner, peerRunner } from './contest.mjs';
import { benchNetworks } from './networks.mjs';

function addScript(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = url;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${url} cannot be loaded`));
    document.head.append(script);
  });
}

const root = (name) => `${location.origin}/peers/${name}`;
/** Modules of the packages as pages load them; tfjs comes as classic scripts that share one global. */
const entries = {
  'onnxruntime-web': () => import(`${root('onnxruntime-web')}/dist/ort.wasm.min.mjs`),
  '@litertjs/core': () => import(`${root('@litertjs/core')}/dist/index.js`),
  flatbuffers: () => import(`${root('flatbuffers')}/mjs/flatbuffers.js`),
  '@tensorflow/tfjs-core': async () => {
    await addScript(`${root('@tensorflow/tfjs-core')}/dist/tf-core.min.js`);
    await addScript(`${root('@tensorflow/tfjs-backend-wasm')}/dist/tf-backend-wasm.min.js`);
    return globalThis.tf;
  },
  '@tensorflow/tfjs-backend-wasm': async () => globalThis.tf.wasm,
};
const load = Object.assign((specifier) => entries[specifier](), { root });

/** { runtime: { medianMs, p90Ms } } of one network. */
globalThis.runContest = async (name, threads, rounds) => {
  const [[, graph, weights]] = [...benchNetworks([name])];
  const runners = { ghostnet: await ownRunner(graph, weights, { threads }) };
  for (const peer of [onnxruntimeWeb, liteRt, tfjsWasm])
    runners[peer.name] = await peerRunner(peer, load, graph, weights, { threads });
  return contest(runners, rounds);
};
