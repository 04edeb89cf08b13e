/**
 * A newer Node beside the one that runs, so that the suite also meets relaxed SIMD: NEWER_NODE, this one when it is new
 * enough, or the npm package of its program for this platform, installed once into .cache/.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const wanted = 24;
const cache = fileURLToPath(new URL(`../.cache/node-${wanted}/`, import.meta.url));

/** { path, version } of it, or { reason } why there is none. */
export function findNewerNode() {
  if (process.env.NEWER_NODE) return describe(process.env.NEWER_NODE);
  if (Number(process.versions.node.split('.')[0]) >= wanted)
    return { reason: 'this Node is already the newer one' };
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const name = `node-${platform}-${process.arch}`;
  const program = join(
    cache,
    'node_modules',
    name,
    'bin',
    process.platform === 'win32' ? 'node.exe' : 'node',
  );
  if (!existsSync(program)) {
    mkdirSync(cache, { recursive: true });
    writeFileSync(join(cache, 'package.json'), '{ "private": true }\n');
    try {
      execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${wanted}`], {
        cwd: cache,
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: 180_000,
      });
    } catch (error) {
      return {
        reason: `npm could not install ${name}@${wanted}: ${String(error.stderr ?? error.message)
          .trim()
          .split('\n')
          .at(-1)}`,
      };
    }
  }
  return existsSync(program) ? describe(program) : { reason: `${name}@${wanted} holds no program` };
}

function describe(path) {
  try {
    return { path, version: execFileSync(path, ['--version'], { encoding: 'utf8' }).trim() };
  } catch (error) {
    return { reason: `"${path}" cannot be run: ${error.message}` };
  }
}
