/**
 * Runs every example as a person would, and holds it to what its own comments say that it prints (`…` stands for
 * anything, where a time or a machine shows). An example that needs what is absent here says so and is skipped aloud.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.js'));

/** The lines after `// Prints:`. */
function promised(source: string): string[] {
  const lines = source.split('\n');
  const from = lines.indexOf('// Prints:');
  return from < 0
    ? []
    : lines
        .slice(from + 1)
        .filter((line) => line.startsWith('//'))
        .map((line) => line.slice(3));
}

// seconds alone; minutes where the machine has other work
vi.setConfig({ testTimeout: 300_000 });

describe('examples', () => {
  it.each(examples)('%s prints what it says', (name) => {
    const expected = promised(readFileSync(join(root, 'examples', name), 'utf8'));
    expect(expected.length).toBeGreaterThan(0);
    const { status, stdout, stderr } = spawnSync(process.execPath, [join('examples', name)], {
      cwd: process.env['GHOSTNET_ROOT'] ?? root,
      encoding: 'utf8',
      timeout: 240_000,
    });
    if (stderr.includes('[NO_WEIGHTS]')) {
      console.warn(`SKIPPED: examples/${name}: ${stderr.trim()}`);
      return;
    }
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const pattern = expected
      .map((line) => line.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '.*'))
      .join('\n');
    expect(stdout.replaceAll(/ +$/gm, '')).toMatch(new RegExp(`^${pattern}\n+$`));
  });
});
