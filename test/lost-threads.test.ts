/**
 * Threads that end while others count on them: in a run, between runs, from outside or by a trap, in Node and in a browser. The
 * caller gets one error with a stable code, never waits for ever, and can make the network anew.
 */
import type { WorkerOptions } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { compile } from '../src/compiler/compile.js';

import { patience } from '../src/compiler/lost-thread.js';
import { initializeWeights } from '../src/models/initialize.js';
import { createModel } from '../src/models/registry.js';
import { nodeWorkerThreads } from '../src/runtime/features.js';
import { instantiate, type Network } from '../src/runtime/network.js';
import { createTrainer } from '../src/train/engine.js';
import { uniformValues } from './op-cases/values.js';

const graph = createModel('ghost-resnet20-cifar', { classes: 5, inputSize: 16 });
const weights = initializeWeights(graph, 1);
const input = uniformValues(1, 'input', 3 * 16 * 16, -1, 1);
/** What a barrier waits for a thread that is gone, more or less. */
const second = patience.roundsOfSleep;

interface AnyWorker {
  terminate(): unknown;
}

/**
 * The workers that are started from now on. `main`: what their program has in place of the module's main function, as text;
 * `real` is that function.
 */
function watchWorkers(main?: string): AnyWorker[] {
  const workers: AnyWorker[] = [];
  const change = (text: string): string => {
    if (main === undefined) return text;
    const changed = text.replace(/const main = (.*);/, `const real = $1; const main = ${main};`);
    expect(changed).not.toBe(text);
    return changed;
  };
  const node = nodeWorkerThreads();
  if (node) {
    class Watched extends node.Worker {
      constructor(text: string, options: WorkerOptions) {
        super(change(text), options);
        workers.push(this);
      }
    }
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue({ ...node, Worker: Watched } as never);
  } else {
    class Changed extends Blob {
      constructor(parts: string[], options: BlobPropertyBag) {
        super(parts.map(change), options);
      }
    }
    class Watched extends Worker {
      constructor(url: string) {
        super(url);
        workers.push(this);
      }
    }
    vi.stubGlobal('Blob', Changed);
    vi.stubGlobal('Worker', Watched);
  }
  return workers;
}

const start = (threads = 2, patience = second): Promise<Network> =>
  instantiate(compile(graph, weights, { threads, trial: { patience } }));
const lost = expect.objectContaining({ name: 'EnvironmentError', code: 'THREAD_LOST' });

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return 'no error';
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe('a thread that is gone', () => {
  it('ended from outside: an error, at every later run too, and another network runs', async () => {
    const workers = watchWorkers();
    const network = await start(3);
    const answer = network.run(input);
    // a browser ends it some time later and says nothing; Node tells its event loop, which is asked for nothing here
    void workers[1]?.terminate();
    const untilLost = async (): Promise<void> => {
      for (let run = 0; run < 1000; run++) {
        network.run(input);
        if (!nodeWorkerThreads()) await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await expect(untilLost()).rejects.toEqual(lost);
    expect(caught(() => network.execute())).toEqual(lost);
    network.dispose();
    const next = await start(3);
    expect(next.run(input)).toEqual(answer);
    next.dispose();
  });

  it('that leaves a run in its middle: an error when the patience of a barrier ends', async () => {
    watchWorkers(nodeWorkerThreads() ? '() => process.exit(3)' : '() => close()');
    const network = await start();
    expect(caught(() => network.run(input))).toEqual(lost);
    network.dispose();
  });

  it('trapped in a run: told without any wait', async () => {
    watchWorkers(
      '((runs) => (base, wait) => { if (runs++ > 0) throw new Error("trap"); real(base, wait); })(0)',
    );
    const network = await start(2, 2 ** 30);
    network.run(input);
    expect(caught(() => network.run(input))).toEqual(lost);
    network.dispose();
  });

  it.runIf(nodeWorkerThreads())('ended between two runs: told before the next one starts', async () => {
    const workers = watchWorkers();
    const network = await start(2, 2 ** 30);
    network.run(input);
    await workers[0]?.terminate();
    expect(caught(() => network.run(input))).toEqual(lost);
    network.dispose();
  });

  it('the caller’s own trap is thrown as it is; the other threads go free', async () => {
    const compiled = compile(graph, weights, {
      threads: 2,
      trial: { patience: second, misplace: { step: 3, operand: 0, bytes: 2 ** 30 } },
    });
    const network = await instantiate(compiled);
    expect(caught(() => network.run(input))).toBeInstanceOf(WebAssembly.RuntimeError);
    expect(caught(() => network.run(input))).toEqual(lost);
    network.dispose();
  });

  it('a trainer’s: an error with the same code', async () => {
    watchWorkers('() => { throw new Error("trap"); }');
    const trainer = await createTrainer(graph, weights, {
      batch: 4,
      threads: 2,
      optimizer: { kind: 'sgd' },
    });
    const step = { images: uniformValues(2, 'input', 4 * 768, -1, 1), learningRate: 0.1 };
    expect(caught(() => trainer.step({ ...step, targets: Int32Array.of(0, 1, 2, 3) }))).toEqual(lost);
    trainer.dispose();
  });
});

it('a thread that is late by a tenth of a second is not gone', async () => {
  const late =
    '(base, wait) => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100); real(base, wait); }';
  const right = await start();
  const answer = right.run(input);
  right.dispose();
  watchWorkers(late);
  const network = await instantiate(compile(graph, weights, { threads: 2 }));
  expect(network.run(input)).toEqual(answer);
  network.dispose();
});
