/**
 * Other runtimes to measure against. An adapter is a record: which packages it needs, and how to make a runner of a
 * network. The packages are no dependency of this one: they are installed when first asked for, into the user's
 * cache folder, and loaded from there.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { EnvironmentError } from '../../../errors.js';
import { makeFolder } from '../../../formats/node/make-folder.js';
import type { Graph, Weights } from '../../../graph/graph.js';

/** One network in one runtime, ready to run. */
export interface PeerRunner {
  /** [N, C, H, W] in, the first output's values out. */
  readonly run: (input: Float32Array) => Promise<Float32Array>;
  readonly dispose: () => Promise<void>;
}

/** A network for a peer: the same one in the forms that they take. */
export interface PeerTask {
  /** Batch norm is folded. */
  readonly graph: Graph;
  readonly weights: Weights;
  /** The same as an ONNX file. */
  readonly onnx: Uint8Array;
  /** [N, C, H, W]. */
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
  readonly threads: number;
}

/** Imports from a peer's packages. */
export interface PeerLoader {
  (specifier: string): Promise<unknown>;
  /** URL of a package's folder, without a slash at its end. */
  root(name: string): string;
}

export interface Peer {
  /** What `--against` and the rows call it. */
  readonly name: string;
  /** npm packages with exact versions, main package first. */
  readonly packages: Readonly<Record<string, string>>;
  /** `load` imports a module of the installed packages by its specifier. */
  readonly create: (load: PeerLoader, task: PeerTask) => Promise<PeerRunner>;
}

/**
 * Makes sure that a peer's packages are in `cache` (a folder of their own per version) and gives the function that
 * imports from there. Throws EnvironmentError `PEER_INSTALL` when npm cannot install them.
 */
export async function installPeer(
  peer: Peer,
  cache: string,
  say: (line: string) => void,
): Promise<PeerLoader> {
  const specs = Object.entries(peer.packages).map(([name, version]) => `${name}@${version}`);
  const folder = join(cache, 'peers', specs.join('+').replaceAll('/', '-'));
  if (!existsSync(folder)) {
    say(`installing ${specs.join(' ')} into ${folder} (once)`);
    const part = `${folder}.${process.pid}.part`;
    let npmProcess: ChildProcess | undefined;
    // Ctrl-C ends this process inside of an await
    const atExit = (): void => {
      npmProcess?.kill('SIGKILL');
      rmSync(part, { recursive: true, force: true, maxRetries: 5 });
    };
    process.on('exit', atExit);
    await makeFolder(part);
    try {
      await writeFile(join(part, 'package.json'), '{ "private": true }\n');
      const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
      const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
      const installing = promisify(execFile)(npm, ['install', ...flags, ...specs], {
        cwd: part,
        shell: process.platform === 'win32',
      });
      npmProcess = installing.child;
      await installing;
      await rename(part, folder);
    } catch (error) {
      await rm(part, { recursive: true, force: true });
      if (!existsSync(folder)) {
        const lines = String((error as { stderr?: unknown }).stderr || (error as Error).message).trim();
        throw new EnvironmentError(
          'PEER_INSTALL',
          `${peer.name}: npm could not install ${specs.join(' ')} (${lines.split('\n')[0]}); is the network there?`,
          { cause: error },
        );
      }
    } finally {
      process.off('exit', atExit);
    }
  }
  const require = createRequire(join(folder, 'package.json'));
  return Object.assign(
    (specifier: string): Promise<unknown> => import(pathToFileURL(require.resolve(specifier)).href),
    { root: (name: string) => pathToFileURL(join(folder, 'node_modules', name)).href },
  );
}
