/** Starts the threads of a shipped network from model.thread.js: workers of Node or the web. No text becomes code. */
import { nodeWorkerThreads } from '../../runtime/features.js';
import { ModelError } from './errors.js';
import type { ShippedFiles, ShippedManifest } from './manifest.js';

interface ThreadStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly control: ShippedManifest['control'];
}

/** Ends a thread. */
export type EndThread = () => void;

const failed = (cause: unknown): ModelError =>
  new ModelError(
    'THREADS_FAILED',
    `threads: a worker did not start: ${(cause as Error | undefined)?.message ?? 'refused'}; is model.thread.js beside model.js?`,
    cause,
  );

function startOne(files: ShippedFiles, start: ThreadStart): Promise<EndThread> {
  return new Promise((resolve, reject) => {
    const node = nodeWorkerThreads();
    if (node && files.workerFile) {
      const worker = new node.Worker(files.workerFile(), { workerData: start, execArgv: [] });
      worker.once('error', (error) => reject(failed(error)));
      worker.once('message', () => {
        // an idle network does not keep the process alive
        worker.unref();
        resolve(() => void worker.terminate());
      });
      return;
    }
    const worker = files.worker?.();
    if (!worker) return reject(failed(new Error('this build has no threads')));
    worker.onerror = (event) => reject(failed(event));
    worker.onmessage = () => resolve(() => worker.terminate());
    worker.postMessage(start);
  });
}

/** Starts threads 1 to `count` - 1; all or none. Throws THREADS_FAILED. */
export async function startThreads(
  files: ShippedFiles,
  count: number,
  start: Omit<ThreadStart, 'thread'>,
): Promise<EndThread[]> {
  const threads = Array.from({ length: count - 1 }, (_, i) => i + 1);
  const results = await Promise.allSettled(
    threads.map(async (thread) => startOne(files, { ...start, thread })),
  );
  const ends = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const refused = results.find((result) => result.status === 'rejected');
  if (!refused) return ends;
  for (const end of ends) end();
  throw refused.reason instanceof ModelError ? refused.reason : failed(refused.reason);
}
