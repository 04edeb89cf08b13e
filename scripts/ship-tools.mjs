/**
 * Programs that a shipped network is tested with and that `npm ci` does not install: webpack, Deno, Bun, workerd. Fetched once into
 * .cache/ship-tools when a test first asks. Each is a path, or a reason why it is not here.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../.cache/ship-tools/', import.meta.url));
const { platform, arch } = process;
const suffix = platform === 'win32' ? '.exe' : '';
const denoPlatform = `${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}`;
const bunPlatform = `${platform === 'win32' ? 'windows' : platform}-${arch === 'arm64' ? 'aarch64' : arch}`;

const workerdPlatform = `${platform === 'win32' ? 'windows' : platform}-${arch === 'arm64' ? 'arm64' : '64'}`;

/** npm package and the file in it. The packages of Deno and Bun for one platform hold just the program. */
const tools = {
  webpack: ['webpack@5', 'webpack/lib/index.js'],
  deno: [`@deno/${denoPlatform}@2`, `@deno/${denoPlatform}/deno${suffix}`],
  workerd: [
    `@cloudflare/workerd-${workerdPlatform}@1`,
    `@cloudflare/workerd-${workerdPlatform}/bin/workerd${suffix}`,
  ],
  bun: [`@oven/bun-${bunPlatform}@1`, `@oven/bun-${bunPlatform}/bin/bun${suffix}`],
};

/** { path } or { reason }. */
export function findShipTool(name) {
  const [spec, file] = tools[name];
  const folder = join(cache, name);
  const path = join(folder, 'node_modules', file);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    try {
      execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', spec], {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: 180_000,
      });
    } catch (error) {
      const said = String(error.stderr || error.message).trim();
      return { reason: `npm could not install ${spec}: ${said.split('\n')[0]}` };
    }
  }
  return existsSync(path) ? { path } : { reason: `${spec} does not hold ${file}` };
}
