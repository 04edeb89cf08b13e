/** Many processes append to one file and claim pieces of work: no line is lost or torn, no piece done twice. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { appendLine, claim } from './result-file.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-results-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('four processes append 25 lines each and claim 20 pieces once', async () => {
  const bundle = join(folder, 'results.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'result-file.ts')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile: bundle,
    logLevel: 'silent',
  });
  const program = join(folder, 'writer.mjs');
  await writeFile(
    program,
    `import { appendLine, claim } from './results.mjs';
    const [, , name] = process.argv;
    for (let i = 0; i < 25; i++) await appendLine('rows.csv', name + ',' + i + ',' + 'x'.repeat(200) + '\\n', 'a,b,c\\n');
    for (let i = 0; i < 20; i++) if (await claim('piece-' + i)) await appendLine('pieces.csv', i + '\\n', 'piece\\n');
    setTimeout(() => {}, 1500);`,
  );
  await Promise.all(
    ['p', 'q', 'r', 's'].map(
      (name) =>
        new Promise((resolve) =>
          spawn(process.execPath, [program, name], { cwd: folder }).on('close', resolve),
        ),
    ),
  );
  const lines = (await readFile(join(folder, 'rows.csv'), 'utf8')).trimEnd().split('\n');
  expect(lines[0]).toBe('a,b,c');
  expect(lines).toHaveLength(101);
  expect(new Set(lines.slice(1).map((line) => line.slice(0, 6))).size).toBeGreaterThan(50);
  expect(lines.slice(1).every((line) => /^[pqrs],\d+,x{200}$/.test(line))).toBe(true);
  const pieces = (await readFile(join(folder, 'pieces.csv'), 'utf8')).trimEnd().split('\n').slice(1);
  expect(pieces.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

it('refuses a claim of a living process and takes over one of a dead process', async () => {
  const file = join(folder, 'held');
  const release = await claim(file);
  expect(release).toBeDefined();
  expect(await claim(file)).toBeUndefined();
  await release?.();
  await writeFile(file, '999999999');
  expect(await claim(file)).toBeDefined();
  await appendLine(join(folder, 'one.csv'), '1\n', 'n\n');
  expect(await readFile(join(folder, 'one.csv'), 'utf8')).toBe('n\n1\n');
});
