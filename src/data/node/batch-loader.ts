/**
 * Makes batches in worker threads ahead of the training step and hands them out in order. The batches are the same
 * bits for any number of workers (0: made in this thread). Measures how long the step had to wait.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { EnvironmentError, FormatError } from '../../errors.js';
import { assembleBatch, type Batch, type BatchRecipe, type BatchRequest } from '../batches.js';
import type { BatchWorkerData } from './batch-worker.js';
import { openStore, type PictureStore } from './picture-store.js';

export interface BatchLoaderOptions {
  readonly store: PictureStore;
  readonly recipe: BatchRecipe;
  /** Default 1; 0 makes batches in this thread. */
  readonly workers?: number;
  /** Batches that are made ahead. Default 4 a worker. */
  readonly ahead?: number;
  /** The worker's script; for bundles that place it elsewhere. */
  readonly workerUrl?: URL;
}

export interface BatchLoader {
  /** The batches of the requests, in their order. One iteration at a time. */
  batches(requests: Iterable<BatchRequest>): AsyncGenerator<Batch>;
  /** Milliseconds that consumers have waited for batches since the start. */
  readonly waitedMs: number;
  dispose(): Promise<void>;
}

interface Pending {
  readonly resolve: (batch: Batch) => void;
  readonly reject: (error: Error) => void;
}

/** Starts the workers. Errors of a batch are thrown by the iteration that asked for it. */
export function createBatchLoader(options: BatchLoaderOptions): BatchLoader {
  const { store, recipe } = options;
  const url = options.workerUrl ?? new URL('./batch-worker.js', import.meta.url);
  // Run from TypeScript sources there is no compiled worker script; the batches are the same bits either way.
  const wanted = options.workers ?? 1;
  const workerCount = existsSync(fileURLToPath(url)) ? wanted : 0;
  const workerData: BatchWorkerData = { store, recipe };
  const pending = new Map<number, Pending>();
  const fail = (error: Error): void => {
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  const workers = Array.from({ length: workerCount }, () => {
    const worker = new Worker(url, { workerData });
    worker.on(
      'message',
      ({ id, batch, error }: { id: number; batch?: Batch; error?: { message: string; code?: string } }) => {
        const entry = pending.get(id);
        pending.delete(id);
        if (batch) entry?.resolve(batch);
        else
          entry?.reject(new FormatError(error?.code ?? 'BATCH_FAILED', error?.message ?? 'a batch failed'));
      },
    );
    worker.on('error', fail);
    worker.on('exit', (code) =>
      fail(new EnvironmentError('WORKER_EXIT', `a data worker ended early with code ${code}`)),
    );
    return worker;
  });
  const source = workerCount === 0 ? openStore(store) : undefined;
  let nextId = 0;
  let waitedMs = 0;

  const ask = (request: BatchRequest): Promise<Batch> => {
    if (source) return assembleBatch(source, recipe, request);
    const id = nextId++;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      workers[id % workers.length]!.postMessage({ id, request });
    });
  };

  return {
    async *batches(requests) {
      const queue: Promise<Batch>[] = [];
      const iterator = requests[Symbol.iterator]();
      const depth = source ? 1 : (options.ahead ?? 4 * workerCount);
      const fill = (): void => {
        while (queue.length < depth) {
          const { value, done } = iterator.next();
          if (done) return;
          const batch = ask(value);
          batch.catch(() => undefined);
          queue.push(batch);
        }
      };
      fill();
      for (let batch = queue.shift(); batch; batch = queue.shift()) {
        const start = performance.now();
        const made = await batch;
        waitedMs += performance.now() - start;
        if (!source) fill();
        yield made;
        if (source) fill();
      }
    },
    get waitedMs() {
      return waitedMs;
    },
    async dispose() {
      for (const worker of workers) worker.removeAllListeners('exit');
      await Promise.all(workers.map((worker) => worker.terminate()));
      fail(new EnvironmentError('LOADER_CLOSED', 'the batch loader was closed'));
    },
  };
}
