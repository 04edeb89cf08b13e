/** Networks in Node's workers and processes: nested threads, no process kept alive, no memory growth of the process. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';

/** The package's main entry as one CommonJS script. */
let library = '';

/** Makes a small network on two threads, runs it, and says how it ran. */
const useIt = (after: string): string => `
(async () => {
  const graph = createModel('ghostnet-0.5x', { inputSize: 32, classes: 5 });
  const weights = initializeWeights(graph, 1);
  const input = Float32Array.from({ length: 3072 }, (_, i) => Math.sin(i));
  const [one, two] = [await createNetwork(graph, weights), await createNetwork(graph, weights, { threads: 2 })];
  const same = Buffer.compare(Buffer.from(one.run(input).buffer), Buffer.from(two.run(input).buffer)) === 0;
  ${after}
})();`;

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('./index.ts', import.meta.url))],
    bundle: true,
    format: 'cjs',
    platform: 'neutral',
    write: false,
    logLevel: 'silent',
  });
  const names = 'createModel, initializeWeights, createNetwork, instantiate';
  library = `const { ${names} } = (() => { const module = { exports: {} }; ${outputFiles[0]?.text}; return module.exports; })();`;
});

describe('in Node', () => {
  it('a worker runs networks, with threads of its own', async () => {
    const code = `${library}${useIt(
      "require('node:worker_threads').parentPort.postMessage({ same, threads: two.backend.threads }); two.dispose();",
    )}`;
    const worker = new Worker(code, { eval: true });
    const answer = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    expect(answer).toEqual({ same: true, threads: 2 });
    await worker.terminate();
  });

  it('an idle network with threads does not keep the process alive, and nothing is said on stderr', () => {
    const code = `${library}${useIt('console.log(JSON.stringify({ same, threads: two.backend.threads }));')}`;
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-'], {
      input: code,
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect({ stdout: stdout.trim(), stderr, status }).toEqual({
      stdout: '{"same":true,"threads":2}',
      stderr: '',
      status: 0,
    });
  });

  it('networks made and disposed give their memory back', () => {
    const code = `${library}${useIt(`
      two.dispose();
      const used = [];
      for (let round = 0; round < 7; round++) {
        for (let i = 0; i < 6; i++) {
          const network = await createNetwork(graph, weights);
          network.run(input);
          network.dispose();
        }
        gc();
        await new Promise((resolve) => setTimeout(resolve, 20));
        gc();
        used.push(process.memoryUsage().external + process.memoryUsage().heapUsed);
      }
      console.log(JSON.stringify({ early: used[2], late: used.at(-1), each: one.memoryBytes }));`)}`;
    const { stdout } = spawnSync(process.execPath, ['--expose-gc', '-'], {
      input: code,
      encoding: 'utf8',
      timeout: 60_000,
    });
    const { early, late, each } = JSON.parse(stdout) as { early: number; late: number; each: number };
    // 24 more networks were made in between
    expect(late - early).toBeLessThan(2 * each);
  });
});
