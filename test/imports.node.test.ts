/** The rooms of src/ import from rooms above them only, as CONTRIBUTING.md's table says, and nothing in a circle. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => join('src', file))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));

/** The files that a file imports, types and imports on demand included. */
function importsOf(file: string): string[] {
  const found = readFileSync(file, 'utf8').matchAll(/(?:from|import|import\()\s*'(\.[^']+)\.js'/g);
  return [...found]
    .map(([, path]) => join(dirname(file), `${path}.ts`))
    .filter((path) => files.includes(path));
}

/** Every circle is a list of files, each importing the next. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push(path.slice(at));
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

const graph = new Map(files.map((file) => [file, importsOf(file)]));
const rooms = [...readFileSync('CONTRIBUTING.md', 'utf8').matchAll(/^\| `src\/(\w+)` /gm)].map(
  ([, room]) => room,
);
const roomOf = (file: string): string | undefined => /^src\/(\w+)\//.exec(file)?.[1];

describe('imports', () => {
  it('finds circles', () => {
    expect(
      circles(
        new Map([
          ['a', ['b']],
          ['b', ['c', 'd']],
          ['c', ['b']],
        ]),
      ),
    ).toEqual([['b', 'c']]);
  });

  it('reads every file', () => {
    expect(graph.size).toBeGreaterThan(300);
    expect([...graph.values()].flat().length).toBeGreaterThan(1000);
  });

  it('has no circles', () => {
    expect(circles(graph)).toEqual([]);
  });

  it('has the rooms of CONTRIBUTING.md, and goes up only', () => {
    const named = [...new Set([...graph.keys()].map(roomOf))].filter((room) => room !== undefined);
    expect(named.sort()).toEqual([...rooms].sort());
    const wrong = [...graph].flatMap(([file, imported]) =>
      imported
        .filter((other) => {
          const [from, to] = [rooms.indexOf(roomOf(file)), rooms.indexOf(roomOf(other))];
          return from >= 0 && to > from;
        })
        .map((other) => `${file} imports ${other}`),
    );
    expect(wrong).toEqual([]);
  });
});
