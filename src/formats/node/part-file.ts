/**
 * Partial downloads that can be resumed, by several processes at once and without locks.
 *
 * A running download writes to a part file of its own (`FILE.part-<random>`); when it stops early, the part gets the
 * common name `FILE.part`. A later download takes a part over by renaming it, which only one can win. Parts whose
 * owner died are taken over once nothing has been written to them for `orphanAfterMs`. Beside a part lies
 * `<part>.json` with the server's validator; a part without one is worthless and starts over.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A living download writes, or gives up, within this time. */
export const orphanAfterMs = 120_000;

/** What the server said about the file that a part belongs to. */
export interface PartOrigin {
  readonly url: string;
  /** A strong validator for If-Range. */
  readonly etag: string;
  readonly total: number | undefined;
  /** SHA-256 that the server states for the whole file. */
  readonly sha256?: string;
}

export class PartFile {
  readonly path: string;
  #length: number;
  #origin: PartOrigin | undefined;
  readonly #handle: FileHandle;
  readonly #common: string;

  private constructor(
    path: string,
    common: string,
    handle: FileHandle,
    length: number,
    origin: PartOrigin | undefined,
  ) {
    this.path = path;
    this.#common = common;
    this.#handle = handle;
    this.#length = length;
    this.#origin = origin;
  }

  /** Takes over a part of `file` left from before, or begins a new one. */
  static async take(file: string): Promise<PartFile> {
    const common = `${file}.part`;
    const own = `${common}-${randomBytes(6).toString('hex')}`;
    for (const candidate of await candidates(file)) {
      try {
        await rename(candidate, own);
      } catch {
        continue;
      }
      const origin = await readOrigin(`${candidate}.json`);
      await rm(`${candidate}.json`, { force: true });
      if (origin) await writeFile(`${own}.json`, JSON.stringify(origin));
      const handle = await open(own, 'r+');
      const length = origin ? (await handle.stat()).size : 0;
      return new PartFile(own, common, handle, length, origin);
    }
    return new PartFile(own, common, await open(own, 'wx+'), 0, undefined);
  }

  get length(): number {
    return this.#length;
  }

  get origin(): PartOrigin | undefined {
    return this.#origin;
  }

  /** Throws away what is there and starts over with what the server says now. */
  async restart(origin: PartOrigin | undefined): Promise<void> {
    await this.#handle.truncate(0);
    this.#length = 0;
    this.#origin = origin;
    if (origin) await writeFile(`${this.path}.json`, JSON.stringify(origin));
    else await rm(`${this.path}.json`, { force: true });
  }

  async append(chunk: Uint8Array): Promise<void> {
    let done = 0;
    while (done < chunk.length) {
      const { bytesWritten } = await this.#handle.write(chunk, done, chunk.length - done, this.#length);
      done += bytesWritten;
      this.#length += bytesWritten;
    }
  }

  /** Everything is there and right: gives the file its name. */
  async finish(file: string): Promise<void> {
    await this.#handle.truncate(this.#length);
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.path, file);
    await rm(`${this.path}.json`, { force: true });
  }

  /** Stops early: what is there stays for the next time, if it is of use. */
  async leave(): Promise<void> {
    await this.#handle.close();
    if (this.#length === 0 || !this.#origin) return this.#remove();
    await rename(`${this.path}.json`, `${this.#common}.json`);
    await rename(this.path, this.#common);
  }

  /** Stops, and keeps nothing. */
  async discard(): Promise<void> {
    await this.#handle.close();
    await this.#remove();
  }

  async #remove(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(`${this.path}.json`, { force: true });
  }
}

async function candidates(file: string): Promise<string[]> {
  const folder = dirname(file);
  const prefix = `${basename(file)}.part`;
  const found: string[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || name.endsWith('.json')) continue;
    const path = join(folder, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (name === prefix || age > orphanAfterMs) found.push(path);
  }
  return found;
}

async function readOrigin(path: string): Promise<PartOrigin | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<PartOrigin> | null;
    if (typeof value?.url !== 'string' || typeof value.etag !== 'string') return undefined;
    const total = Number.isSafeInteger(value.total) ? (value.total as number) : undefined;
    const sha256 = typeof value.sha256 === 'string' ? { sha256: value.sha256 } : {};
    return { url: value.url, etag: value.etag, total, ...sha256 };
  } catch {
    return undefined;
  }
}
