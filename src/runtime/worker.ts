/**
 * Threads of a network: workers of Node or the web that instantiate the same module on the same memory, sleep until
 * the epoch word changes and then run their main function. The worker's program is text, so that no file of its own
 * has to be found, bundled or served.
 */

import type { Manifest } from '../compiler/compiled-model.js';
import { lostMark } from '../compiler/lost-thread.js';
import { EnvironmentError } from '../errors.js';
import { nodeWorkerThreads } from './features.js';
import { loseThread } from './lost-thread.js';

interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly control: Manifest['control'];
}

/** A running thread. */
export interface NetworkThread {
  terminate(): void;
}

/**
 * How long a worker looks for the next run before it goes to sleep. Waking up takes an idle core 50 to 100
 * microseconds, more on a virtual machine; a caller that runs image after image comes back sooner than this.
 */
const lingerMs = 1;

/**
 * Runs `ready` once it listens for epochs; returns when the stop word is set. A notification without a new epoch says
 * that a run is near: the worker wakes up and looks for it while the caller still copies its input. A kernel that traps ends the
 * worker, and no other thread waits for it.
 * @internal
 */
export const workerLoop = `
function serve({ module, memory, thread, control }, ready) {
  const words = new Int32Array(memory.buffer);
  const main = new WebAssembly.Instance(module, { env: { memory } }).exports['main' + thread];
  const at = control.epoch >> 2;
  let epoch = Atomics.load(words, at);
  ready();
  for (;;) {
    while (Atomics.load(words, at) === epoch) {
      const until = performance.now() + ${lingerMs};
      while (Atomics.load(words, at) === epoch && performance.now() < until)
        for (let i = 0; i < 200 && Atomics.load(words, at) === epoch; i++);
      Atomics.wait(words, at, epoch);
    }
    epoch = Atomics.load(words, at);
    if (Atomics.load(words, control.stop >> 2) !== 0) return;
    try {
      main(Atomics.load(words, control.base >> 2), 1);
    } catch (error) {
      // as loseThread of lost-thread.ts
      Atomics.store(words, control.stop >> 2, ${lostMark});
      Atomics.notify(words, control.counter >> 2);
      throw error;
    }
  }
}`;

const nodeSource = `${workerLoop}
const { parentPort, workerData } = require('node:worker_threads');
serve(workerData, () => parentPort.postMessage('ready'));`;

const webSource = `${workerLoop}
onmessage = ({ data }) => { serve(data, () => postMessage('ready')); close(); };`;

function failed(cause: unknown): EnvironmentError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new EnvironmentError('WORKER_FAILED', `threads: a worker did not start: ${what}`, { cause });
}

/** For a worker that has ended by itself: the next run says so. One that was told to end is nobody's loss. */
function whenLost({ memory, control }: WorkerStart): () => void {
  const words = new Int32Array(memory.buffer);
  return () => loseThread(words, control);
}

function startNode(
  start: WorkerStart,
  threads: typeof import('node:worker_threads'),
): Promise<NetworkThread> {
  return new Promise((resolve, reject) => {
    const worker = new threads.Worker(nodeSource, { eval: true, workerData: start, execArgv: [] });
    const lost = whenLost(start);
    worker.once('error', (error) => reject(failed(error)));
    worker.once('exit', lost);
    worker.once('message', () => {
      // an idle network does not keep the process alive
      worker.unref();
      resolve({ terminate: () => void worker.terminate() });
    });
  });
}

function startWeb(start: WorkerStart): Promise<NetworkThread> {
  return new Promise((resolve, reject) => {
    const url = URL.createObjectURL(new Blob([webSource], { type: 'text/javascript' }));
    const worker = new Worker(url);
    const done = (): void => URL.revokeObjectURL(url);
    const lost = whenLost(start);
    worker.onerror = (event) => {
      done();
      lost();
      reject(failed(event.message || 'refused (does a content security policy forbid blob: workers?)'));
    };
    worker.onmessage = () => {
      done();
      resolve({ terminate: () => worker.terminate() });
    };
    worker.postMessage(start);
  });
}

/** Starts one thread; resolves when it waits for work. Rejects with EnvironmentError `WORKER_FAILED`. */
export async function startThread(start: WorkerStart): Promise<NetworkThread> {
  const threads = nodeWorkerThreads();
  try {
    return await (threads ? startNode(start, threads) : startWeb(start));
  } catch (error) {
    throw error instanceof EnvironmentError ? error : failed(error);
  }
}
