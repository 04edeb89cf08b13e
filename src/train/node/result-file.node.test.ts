/** Many processes append to one file and claim pieces of work: no line is lost or torn, no piece is done twice. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-results-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('four processes append 25 lines each and claim 20 pieces once', async () => {
  await build({
    stdin: {
      contents: "export * from './result-file.ts'; export * from './claim.ts';",
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile: join(folder, 'results.mjs'),
    logLevel: 'silent',
  });
  // pieces 0 to 9 have claims that a dead process left: all four try to take each over
  const left = JSON.stringify({ host: hostname(), owners: [{ pid: 999999999, mark: '' }] });
  await Promise.all(Array.from({ length: 10 }, (_, i) => writeFile(join(folder, `piece-${i}`), left)));
  const program = join(folder, 'writer.mjs');
  await writeFile(
    program,
    `import { appendLine, claim } from './results.mjs';
    const [, , name] = process.argv;
    for (let i = 0; i < 25; i++) await appendLine('rows.csv', name + ',' + i + ',' + 'x'.repeat(200) + '\\n', 'a,b,c\\n');
    for (let i = 0; i < 20; i++) if ((await claim('piece-' + i)).release) await appendLine('pieces.csv', i + '\\n', 'piece\\n');
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
