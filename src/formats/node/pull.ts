/**
 * `pullModel`: published weights by name, from the cache or the network. The files are what their authors published;
 * reading them is model-file.ts's business.
 */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EnvironmentError, rangeError } from '../../errors.js';
import { cacheFolder } from './cache-folder.js';
import { sha256 } from './checksum.js';
import { type DownloadOptions, download, isIntact, type Verified } from './download.js';
import { writeFileAtomically } from './model-file.js';
import { type PullEntry, pullEntries, unpublished } from './pull-registry.js';

export interface PullOptions extends Omit<DownloadOptions, 'checksum' | 'maxBytes'> {
  /** Default: `cacheFolder()`. */
  readonly cacheDir?: string;
  /** A mirror: replaces the scheme and host of the published address, e.g. `http://localhost:8080`. */
  readonly baseUrl?: string;
  /** Fetches again although the cache has it. Default false. */
  readonly force?: boolean;
}

export interface PullResult {
  readonly path: string;
  readonly bytes: number;
  /** Whether the cache had it. */
  readonly cached: boolean;
  /** The network (of `createModel`) that the weights belong to. */
  readonly network: string;
  readonly verified: Verified;
}

/** Everything that `pullModel` knows by name. */
export function listPullable(): readonly PullEntry[] {
  return pullEntries;
}

/** Path of an entry in the cache, there or not. */
function cachePath(entry: PullEntry, cacheDir: string): string {
  return join(cacheDir, entry.name.replaceAll('/', '--'), entry.file);
}

/** What was pulled before under this name: the file and its network; undefined if nothing. Touches no network. */
export function pulledModel(
  name: string,
  cacheDir: string = cacheFolder(),
): { readonly path: string; readonly network: string } | undefined {
  const entry = pullEntries.find((candidate) => candidate.name === name);
  if (!entry) return undefined;
  const path = cachePath(entry, cacheDir);
  return existsSync(path) ? { path, network: entry.network } : undefined;
}

/**
 * Fetches published weights, or finds them in the cache. Several processes may pull at once. Breaking off, by `signal`
 * or by the network, leaves a part that the next pull goes on with.
 *
 * Throws RangeError `PULL_UNKNOWN_NAME` or `PULL_NOT_PUBLISHED`, and the errors of `download`.
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<PullResult> {
  const entry = pullEntries.find((candidate) => candidate.name === name);
  if (entry) return pullEntry(entry, options);
  const names = pullEntries.map((candidate) => candidate.name).join(', ');
  if (Object.hasOwn(unpublished, name))
    throw rangeError(
      'PULL_NOT_PUBLISHED',
      `pull: there are no published weights of ${name}: ${unpublished[name]}; available: ${names}`,
    );
  throw rangeError('PULL_UNKNOWN_NAME', `pull: no weights are known as "${name}"; available: ${names}`);
}

/** `pullModel` for an entry that need not be in the registry. */
export async function pullEntry(entry: PullEntry, options: PullOptions = {}): Promise<PullResult> {
  const { cacheDir = cacheFolder(), baseUrl, force = false } = options;
  const file = cachePath(entry, cacheDir);
  const note = `${file}.sha256`;
  const { network } = entry;
  if (!force) {
    const stated = await readFile(note, 'utf8').then(
      (text) => text.trim(),
      () => undefined,
    );
    const verified = await isIntact(file, entry.checksum, stated);
    if (verified) return { path: file, bytes: (await stat(file)).size, cached: true, network, verified };
  }
  const verified = await download(moveTo(entry.url, baseUrl), file, {
    ...options,
    checksum: entry.checksum,
    maxBytes: entry.maxBytes,
  });
  if (entry.checksum.kind === 'hub') await writeFileAtomically(note, `${await sha256(file)}\n`);
  return { path: file, bytes: (await stat(file)).size, cached: false, network, verified };
}

function moveTo(url: string, baseUrl: string | undefined): string {
  if (baseUrl === undefined) return url;
  const base = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (base?.protocol !== 'http:' && base?.protocol !== 'https:')
    throw new EnvironmentError(
      'PULL_BAD_URL',
      `pull: baseUrl: given "${baseUrl}", expected an http or https address`,
    );
  return `${base.href.replace(/\/$/, '')}${new URL(url).pathname}`;
}
