/**
 * Builds dist/ from src/: type-checks, emits JavaScript and declarations, bundles what shipped networks carry, makes the
 * command executable.
 * Incremental, so a second build is quick; files of dist/ whose source is gone are removed.
 * Runs as `npm run build` and, through `prepare`, after `npm ci` in a checkout. Never runs in an installed package.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/** The compiler's entry file, or undefined when development dependencies are not installed. */
function findCompiler() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  } catch {
    return undefined;
  }
}

/** Removes what an earlier build emitted for sources that no longer exist. */
function removeStale(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      removeStale(path);
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true });
    } else if (/\.(d\.ts|js)$/.test(entry.name)) {
      const source = relative(dist, path).replace(/\.(d\.ts|js)$/, '.ts');
      if (!existsSync(join(root, 'src', source))) rmSync(path);
    }
  }
}

const compiler = findCompiler();
if (!compiler) {
  const message =
    'ghostnet build: TypeScript is not installed; run `npm ci` (with development dependencies) first.';
  const fromPrepare = process.env.npm_lifecycle_event === 'prepare';
  console.error(fromPrepare ? `${message} Nothing was built.` : message);
  process.exit(fromPrepare ? 0 : 1);
}
if (existsSync(dist)) removeStale(dist);
const arguments_ = [compiler, '-p', 'tsconfig.build.json', '--pretty', String(process.stdout.isTTY === true)];
const { status } = spawnSync(process.execPath, arguments_, { cwd: root, stdio: 'inherit' });
if (status !== 0) {
  console.error('ghostnet build: the sources above have errors; dist/ is not complete.');
  process.exit(status ?? 1);
}
const command = join(dist, 'cli/main.js');
if (existsSync(command)) chmodSync(command, 0o755);

await bundleShipAssets();

/** What `ghostnet build` copies into every folder: the loader, the component and the page, bundled without dependencies. */
async function bundleShipAssets() {
  const { build } = await import('esbuild');
  const assets = join(dist, 'ship', 'assets');
  mkdirSync(assets, { recursive: true });
  const options = { bundle: true, minify: true, target: 'es2022', charset: 'utf8', legalComments: 'none' };
  const entries = [
    ['loader/index.ts', 'loader.txt', { format: 'iife', globalName: 'ghostnetLoader' }],
    ['component/ghost-classifier.ts', 'ghost-classifier.txt', { format: 'esm' }],
    ['page/demo.ts', 'demo.txt', { format: 'esm' }],
  ];
  for (const [entry, name, format] of entries) {
    const { outputFiles } = await build({
      ...options,
      ...format,
      entryPoints: [join(root, 'src/ship', entry)],
      write: false,
    });
    replace(join(assets, name), outputFiles[0].contents);
  }
  for (const name of ['index.html', 'demo.css'])
    replace(join(assets, name), readFileSync(join(root, 'src/ship/page', name)));
}

function replace(path, content) {
  writeFileSync(`${path}.tmp`, content);
  renameSync(`${path}.tmp`, path);
}
