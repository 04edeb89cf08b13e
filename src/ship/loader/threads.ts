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

/** The threads beside the caller's. */
export interface Threads {
  /** Whether one has ended by itself; a run would wait for it for ever. */
  readonly lost: () => boolean;
  readonly end: () => void;
}

type EndThread = () => void;

/** How long a thread may take to start. One that was loaded, but is another program, says nothing at all. */
const patienceMs = 10_000;

const failed = (cause: unknown): ModelError =>
  new ModelError(
    'THREADS_FAILED',
    `threads: a worker did not start: ${(cause as Error | undefined)?.message ?? 'refused'}; is model.thread.js beside model.js?`,
    cause,
  );

/** `onLost` is called when the thread ends by itself after it had started. */
function startOne(files: ShippedFiles, start: ThreadStart, onLost: () => void): Promise<EndThread> {
  return new Promise((resolve, reject) => {
    let end: EndThread = () => {};
    const ready = (): void => {
      clearTimeout(timer);
      resolve(end);
    };
    // before it is ready an error; afterwards the promise is settled and only the loss counts
    const lost = (cause: unknown): void => {
      clearTimeout(timer);
      onLost();
      end();
      reject(failed(cause));
    };
    const timer = setTimeout(() => lost(new Error('it says nothing')), patienceMs);
    try {
      end = startWorker(files, start, ready, lost);
    } catch (error) {
      lost(error);
    }
  });
}

function startWorker(
  files: ShippedFiles,
  start: ThreadStart,
  ready: () => void,
  lost: (cause: unknown) => void,
): EndThread {
  const node = nodeWorkerThreads();
  if (node && files.workerFile) {
    const worker = new node.Worker(files.workerFile(), { workerData: start, execArgv: [] });
    worker.once('error', lost);
    worker.once('exit', () => lost(new Error('it ended at once')));
    worker.once('message', () => {
      // an idle network does not keep the process alive
      worker.unref();
      ready();
    });
    return () => void worker.terminate();
  }
  const worker = files.worker?.();
  if (!worker) throw new Error('this build has no threads');
  worker.onerror = lost;
  worker.onmessage = ready;
  worker.postMessage(start);
  return () => worker.terminate();
}

/** Starts threads 1 to `count` - 1; all or none. Throws THREADS_FAILED. */
export async function startThreads(
  files: ShippedFiles,
  count: number,
  start: Omit<ThreadStart, 'thread'>,
): Promise<Threads> {
  let lost = false;
  const threads = Array.from({ length: count - 1 }, (_, i) => i + 1);
  const results = await Promise.allSettled(
    threads.map(async (thread) =>
      startOne(files, { ...start, thread }, () => {
        lost = true;
      }),
    ),
  );
  const ends = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const end = (): void => {
    for (const one of ends) one();
  };
  const refused = results.find((result) => result.status === 'rejected');
  if (!refused) return { lost: () => lost, end };
  end();
  throw refused.reason instanceof ModelError ? refused.reason : failed(refused.reason);
}
