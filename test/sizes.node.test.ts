/**
 * Size ceilings (sizes.json) and the import graph of what a page loads: minified as a bundler does it. Ceilings are raised
 * only in the commit that causes the rise.
 */
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { compile } from '../src/compiler/compile.js';
import { initializeWeights } from '../src/models/initialize.js';
import { createModel } from '../src/models/registry.js';
import sizes from './sizes.json' with { type: 'json' };

/** `entry`: a file of src, or code that imports from files of src. */
async function bundle(entry: string): Promise<{ code: Uint8Array; inputs: string[]; imports: string[] }> {
  const { outputFiles, metafile } = await build({
    ...(entry.startsWith('export')
      ? { stdin: { contents: entry, resolveDir: `${import.meta.dirname}/../src`, loader: 'ts' } }
      : { entryPoints: [`${import.meta.dirname}/../src/${entry}`] }),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const inputs = Object.keys(metafile.inputs);
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports.map((item) => item.path));
  return { code: outputFiles[0]?.contents ?? new Uint8Array(), inputs, imports };
}

describe('what a page loads', () => {
  it.each([
    ['runtime', 'runtime/index.ts'],
    ['training', 'train/index.ts'],
    // what a page needs that compiles model files
    ['compiler', `export { createNetwork, loadModel } from './index.js'`],
    // everything at once
    ['library', 'index.ts'],
  ] as const)('%s stays under its ceiling, imports nothing from outside', async (name, entry) => {
    const { code, inputs, imports } = await bundle(entry);
    expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(sizes[name].gzip);
    expect(inputs.filter((path) => path.includes('node_modules'))).toEqual([]);
    expect(imports.filter((path) => path.startsWith('node:'))).toEqual([]);
    if (name === 'runtime')
      expect(inputs.filter((path) => path.includes('src/compiler/kernels'))).toEqual([]);
  });

  it('the module of GhostNet 1.0x, in both instruction sets', () => {
    const graph = createModel('ghostnet-1.0x');
    const weights = initializeWeights(graph, 1);
    const ceiling = sizes['ghostnet-1.0x module'];
    for (const relaxed of [false, true]) {
      const { wasm } = compile(graph, weights, { relaxed });
      expect(wasm.length).toBeLessThanOrEqual(ceiling.raw);
      expect(brotliCompressSync(wasm).length).toBeLessThanOrEqual(ceiling.brotli);
    }
  });
});
