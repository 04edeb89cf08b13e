/**
 * The package as a user has it: packed, installed into an empty folder, imported, type-checked, run. The build must be
 * there (`npm test` makes it). Needs npm's cache or registry for the dependencies.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
let folder: string;

const npm = (args: readonly string[], cwd: string): string =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ghostnet-package-'));
  npm(['pack', '--ignore-scripts', '--pack-destination', folder], root);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) as string;
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  npm(['install', '--prefer-offline', `./${tarball}`], folder);
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function node(code: string): { status: number | null; stdout: string; stderr: string } {
  writeFileSync(join(folder, 'program.js'), code);
  const { status, stdout, stderr } = spawnSync(process.execPath, ['program.js'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('the installed package', () => {
  it('runs a network from its main entry, with an empty stderr', () => {
    const result = node(`
      import { createModel, createNetwork, initializeWeights } from 'ghostnet';
      import { detectFeatures } from 'ghostnet/runtime';
      const graph = createModel('ghostnet-0.5x', { classes: 7, inputSize: 32 });
      const network = await createNetwork(graph, initializeWeights(graph, 1), { threads: 2 });
      const output = network.run(new Float32Array(3 * 32 * 32).fill(0.5));
      console.log(output.length, output.every(Number.isFinite), detectFeatures().simd);
      network.dispose();
    `);
    expect(result).toEqual({ status: 0, stdout: '7 true true\n', stderr: '' });
  });

  it('reads and writes files from its Node entry', () => {
    const result = node(`
      import { createModel, initializeWeights, toJson } from 'ghostnet';
      import { exportOnnx, readModelFile, writeModelFile } from 'ghostnet/node';
      const graph = createModel('ghost-resnet20-cifar');
      await writeModelFile('model.safetensors', graph, initializeWeights(graph, 1), { dtype: 'F16' });
      const model = await readModelFile('model.safetensors');
      console.log(toJson(model.graph) === toJson(graph), exportOnnx(model.graph, model.weights).length > 500_000);
    `);
    expect(result).toEqual({ status: 0, stdout: 'true true\n', stderr: '' });
  });

  it('has the command', () => {
    const { status, stdout, stderr } = spawnSync(
      'npx',
      ['--no-install', 'ghostnet', 'profile', 'ghostnet-1.0x', '--json'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    expect([status, stderr.replace(/^npm warn .*\n/gm, '')]).toEqual([0, '']);
    expect((JSON.parse(stdout) as { params: number }).params).toBe(5_182_508);
  });

  it('has the data of the paper command', () => {
    const { status, stdout } = spawnSync('npx', ['--no-install', 'ghostnet', 'paper', 'table', '6'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect([status, stdout]).toEqual([0, expect.stringMatching(/25,557,032 +25\.6 M/)]);
  });

  const compile = (program: string, ...options: readonly string[]): [string, number | null] => {
    writeFileSync(join(folder, 'program.ts'), program);
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const strict = ['--strict', '--noEmit', '--target', 'es2022'];
    const { status, stdout } = spawnSync(process.execPath, [compiler, ...strict, ...options, 'program.ts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    return [stdout, status];
  };

  it('ships a network as a folder that can be installed too', () => {
    const run = spawnSync('npx', ['--no-install', 'ghostnet', 'build', '--out', 'site', '--json'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect([run.status, run.stderr.replace(/^npm warn .*\n/gm, '')]).toEqual([0, '']);
    npm(['install', '--prefer-offline', './site'], folder);
    const program = `
      import { classify, info } from 'ghostnet-32-model';
      const picture = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3).fill(90) };
      const best = await classify(picture, { top: 2 });
      console.log(best.length, info.labels.length);
    `;
    expect(node(program)).toEqual({ status: 0, stdout: '2 10\n', stderr: '' });
    const options = ['--module', 'nodenext', '--lib', 'es2023,dom', '--types', ''];
    expect(compile(program, ...options)).toEqual(['', 0]);
  }, 120_000);

  it('types of the Node entry hold with those of Node', () => {
    const program = `
      import { readModelFile } from 'ghostnet/node';
      export const length = readModelFile('x').then(({ graph }) => graph.name.length);
    `;
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    expect(compile(program, '--module', 'nodenext', '--lib', 'es2023,dom', ...types)).toEqual(['', 0]);
  });

  it.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])(
    'types of the main entry hold without any others, module %s, resolution %s',
    (module, moduleResolution) => {
      const program = `
      import { createModel, createNetwork, initializeWeights, type Graph, type Network } from 'ghostnet';
      const graph: Graph = createModel('ghostnet-1.0x');
      export const network: Promise<Network> = createNetwork(graph, initializeWeights(graph, 1));
      // @ts-expect-error an option that does not exist
      createModel('ghostnet-1.0x', { clases: 3 });
    `;
      const options = [
        '--module',
        module,
        '--moduleResolution',
        moduleResolution,
        '--lib',
        'es2023,dom',
        '--types',
        '',
      ];
      expect(compile(program, ...options)).toEqual(['', 0]);
    },
  );
});
