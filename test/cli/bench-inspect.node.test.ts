import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchRow } from '../../src/cli/commands/bench.js';
import type { Inspection } from '../../src/cli/commands/inspect.js';
import { writeModelFile } from '../../src/formats/node/model-file.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { createModel } from '../../src/models/registry.js';
import { ghostnet } from './run-command.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-bench-'));
  const graph = createModel('ghost-resnet20-cifar');
  const weights = initializeWeights(graph, 3);
  await writeModelFile(join(folder, 'model.safetensors'), graph, weights, { dtype: 'F16' });
  await writeFile(join(folder, 'bare.safetensors'), writeSafetensors(weights));
  await writeFile(join(folder, 'page.safetensors'), '<!doctype html><p>not found</p>');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('ghostnet bench', () => {
  it('--json prints exactly { machine, rows }, our runtime first', async () => {
    const { code, stdout, stderr } = await ghostnet(['bench', 'ghostnet-32', '--rounds', '2', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { machine, rows, ...rest } = JSON.parse(stdout) as { machine: object; rows: BenchRow[] };
    expect(rest).toEqual({});
    expect(Object.keys(machine)).toEqual(['cpu', 'cores', 'memoryGB', 'os', 'node', 'v8']);
    expect(rows).toEqual([
      {
        runtime: 'ghostnet',
        network: 'ghostnet-32',
        precision: 'f32',
        threads: 1,
        medianMs: expect.any(Number),
        p90Ms: expect.any(Number),
        rounds: 2,
      },
    ]);
    expect(rows[0]!.medianMs).toBeGreaterThan(0);
  });

  it('measures int8 beside f32', async () => {
    const args = ['bench', 'ghostnet-32', '--precision', 'f32,int8', '--rounds', '1', '--json'];
    const { code, stdout, stderr } = await ghostnet(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { rows } = JSON.parse(stdout) as { rows: BenchRow[] };
    expect(rows.map(({ precision }) => precision)).toEqual(['f32', 'int8']);
  });

  it('takes model files and threads', async () => {
    const args = ['bench', 'model.safetensors', '--threads', '2', '--rounds', '1', '--json'];
    const { code, stdout } = await ghostnet(args, { cwd: folder });
    expect(code).toBe(0);
    const { rows } = JSON.parse(stdout) as { rows: BenchRow[] };
    expect(rows[0]).toMatchObject({ network: 'ghost-resnet20-cifar', threads: 2 });
  });

  it('leaves a peer out that cannot be installed, says so, and ends with 3', async () => {
    const env = {
      GHOSTNET_CACHE: join(folder, 'cache'),
      npm_config_registry: 'http://127.0.0.1:9/',
      npm_config_fetch_retries: '0',
      npm_config_cache: join(folder, 'npm-cache'),
    };
    const args = ['bench', 'ghostnet-32', '--against', 'onnxruntime-web', '--rounds', '1', '--json'];
    const { code, stdout, stderr } = await ghostnet(args, { env });
    expect(code).toBe(3);
    expect((JSON.parse(stdout) as { rows: BenchRow[] }).rows.map(({ runtime }) => runtime)).toEqual([
      'ghostnet',
    ]);
    expect(stderr).toMatch(/warning: onnxruntime-web is left out: \[PEER_INSTALL\]/);
  });

  it('prints a table for people', async () => {
    const { stdout } = await ghostnet(['bench', 'ghostnet-32', '--rounds', '1']);
    expect(stdout).toMatch(
      /^runtime +network +precision +threads +median +p90 +to ghostnet\nghostnet +ghostnet-32 +f32/,
    );
  });
});

describe('the measurements of bench/', () => {
  const bench = (script: string, ...args: string[]) =>
    spawnSync(process.execPath, [join('bench', script), ...args], {
      cwd: join(import.meta.dirname, '../..'),
      encoding: 'utf8',
    });

  it('say what they do when asked, and measure nothing then', () => {
    for (const script of ['run.mjs', 'networks.mjs', 'sweeps.mjs', 'chromium.mjs']) {
      const { status, stdout, stderr } = bench(script, '--help');
      expect([script, status, stderr]).toEqual([script, 0, '']);
      expect(stdout).toContain(script === 'run.mjs' ? 'npm run bench' : `node bench/${script} [--rounds`);
    }
  });

  it('refuse options that they do not know, and values that are none', () => {
    for (const [args, why] of [
      [['--round', '3'], '--round is not known'],
      [['--rounds', 'many'], '--rounds many: expected a number above 0'],
      [['--rounds'], '--rounds needs a value'],
      [['--only', 'ghostnet'], '--only ghostnet: expected ghostnet-0.5x, '],
    ] as const) {
      const { status, stdout, stderr } = bench('threads.mjs', ...args);
      expect([args, status, stdout]).toEqual([args, 2, '']);
      expect(stderr).toContain(`threads.mjs: ${why}`);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
  });
});

describe('ghostnet inspect', () => {
  const inspect = (...args: string[]) => ghostnet(['inspect', ...args], { cwd: folder });

  it('--json tells the network and every tensor of a model file', async () => {
    const { code, stdout, stderr } = await inspect('model.safetensors', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const inspection = JSON.parse(stdout) as Inspection;
    const graph = createModel('ghost-resnet20-cifar');
    expect(inspection.format).toBe('ghostnet');
    expect(inspection.network).toMatchObject({
      name: graph.name,
      inputs: [[3, 32, 32]],
      labels: graph.meta.labels,
    });
    expect(inspection.tensors.map(({ name }) => name).sort()).toEqual(Object.keys(graph.parameters).sort());
    for (const { dtype, min, max, notFinite } of inspection.tensors) {
      expect([dtype, notFinite]).toEqual(['F16', 0]);
      expect(max).toBeGreaterThanOrEqual(min!);
    }
  });

  it('tells weights without a network, and a network node by node', async () => {
    const bare = await inspect('bare.safetensors');
    expect(bare.stdout).toContain('safetensors, weights only');
    const nodes = await inspect('model.safetensors', '--graph');
    expect(nodes.stdout).toMatch(/conv2d 3x3/);
    expect(nodes.stdout).not.toContain('\x1b');
  });

  it('says what is wrong with a file', async () => {
    for (const file of ['page.safetensors', 'missing.safetensors', '.']) {
      const { code, stdout, stderr } = await inspect(file, '--json');
      expect([file, code, stdout]).toEqual([file, 1, '']);
      expect(stderr).toMatch(/^ghostnet: error \[[A-Z_]+\]: .*\n$/);
      expect(stderr).not.toContain('INTERNAL');
    }
  });
});

describe('Ctrl-C', () => {
  it('while a peer is installed leaves nothing of it in the cache', async () => {
    const cache = join(folder, 'interrupted-cache');
    const env = {
      GHOSTNET_CACHE: cache,
      // nobody is there: npm tries again for a while
      npm_config_registry: 'http://127.0.0.1:9/',
      npm_config_cache: join(folder, 'npm-cache'),
    };
    const { code } = await ghostnet(['bench', 'ghostnet-32', '--against', 'litert', '--rounds', '1'], {
      env,
      onStart: (child) => {
        const timer = setInterval(() => {
          if (!existsSync(join(cache, 'peers')) || readdirSync(join(cache, 'peers')).length === 0) return;
          clearInterval(timer);
          child.kill('SIGINT');
        }, 20);
        child.on('close', () => clearInterval(timer));
      },
    });
    expect(code).toBe(130);
    expect(readdirSync(join(cache, 'peers'))).toEqual([]);
  });

  it('ends a command with 130, quietly', async () => {
    const { code, stdout, stderr } = await ghostnet(['bench', 'ghostnet-32', '--rounds', '1000', '--json'], {
      onStart: (child) => setTimeout(() => child.kill('SIGINT'), 1500),
    });
    expect({ code, stdout, stderr }).toEqual({ code: 130, stdout: '', stderr: '' });
  });
});
