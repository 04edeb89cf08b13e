/**
 * onnxruntime-node as a peer of the fuzzer: runs the file that `exportOnnx` writes and gives every output. The package is
 * fetched into the cache folder when it is not there; it runs in another process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onnxruntimeNode } from '../../src/cli/measure/peers/onnxruntime.js';
import { installPeer } from '../../src/cli/measure/peers/peer.js';
import { cacheFolder } from '../../src/formats/node/cache-folder.js';
import { exportOnnx } from '../../src/formats/onnx/export.js';
import type { Tensor } from '../../src/graph/graph.js';
import type { Peer } from './differential.js';

/** What onnxruntime may do to the graph: `all` also changes layouts. */
type Level = 'all' | 'extended';

interface Task {
  readonly model: Uint8Array;
  readonly feeds: readonly (readonly [string, Tensor])[];
  readonly level: Level;
}

interface Reply {
  readonly outputs?: readonly (readonly [string, Tensor])[];
  readonly error?: string;
}

/** That the process ended instead of answering. */
class Crash extends Error {}

/** Starts the process when there is none, and gives it one task. Throws Crash, or what onnxruntime throws. */
function runner(packageFile: string): (task: Task) => Promise<ReadonlyMap<string, Tensor>> {
  let child: ChildProcess | undefined;
  const start = (): ChildProcess => {
    const made = fork(join(import.meta.dirname, 'onnxruntime-process.mjs'), [packageFile], {
      serialization: 'advanced',
      execArgv: [],
    });
    made.once('exit', () => {
      if (child === made) child = undefined;
    });
    return made;
  };
  return (task) => {
    child ??= start();
    const process = child;
    process.ref();
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null): void =>
        reject(new Crash(`the process of onnxruntime ended with ${signal ?? code}`));
      process.once('exit', ended);
      process.once('message', ({ outputs, error }: Reply) => {
        process.off('exit', ended);
        // idle, it keeps nothing alive, and it ends with its parent
        process.unref();
        process.channel?.unref();
        if (outputs) resolve(new Map(outputs));
        else reject(new Error(error));
      });
      process.channel?.ref();
      process.send(task);
    });
  };
}

/**
 * Where onnxruntime crashes with all of its optimisations (1.30 does when it adds into a convolution that is also an output
 * of the graph: seed 20269), that is said, and its answer without new layouts is taken. Throws EnvironmentError
 * `PEER_INSTALL` when it cannot be had.
 */
export async function onnxruntimePeer(): Promise<Peer> {
  const load = await installPeer(onnxruntimeNode, cacheFolder(), (line) => console.warn(line));
  const run = runner(fileURLToPath(`${load.root('onnxruntime-node')}/package.json`));
  return {
    name: `onnxruntime-node ${onnxruntimeNode.packages['onnxruntime-node']}`,
    run: async ({ name, graph }, weights, inputs) => {
      const task = { model: exportOnnx(graph, weights), feeds: [...inputs] };
      try {
        return await run({ ...task, level: 'all' });
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        console.warn(`${name}: ${error.message}; running it without new layouts`);
        return run({ ...task, level: 'extended' });
      }
    },
  };
}
