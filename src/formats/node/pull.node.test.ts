import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorCode } from '../../errors.js';
import { listModels } from '../../models/registry.js';
import { cacheFolder } from './cache-folder.js';
import { listPullable, type PullOptions, pullEntry, pulledModel, pullModel } from './pull.js';
import type { Checksum, PullEntry } from './pull-registry.js';

const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
const gitBlob: Checksum = {
  kind: 'gitBlob',
  sha1: createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex'),
};
const sha256 = createHash('sha256').update(content).digest('hex');
const etag = '"v1"';

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

let folder: string;
let server: Server;
let handler: Handler;
let requests: IncomingMessage[];
let base: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-pull-'));
  requests = [];
  handler = serve();
  server = createServer((request, response) => {
    requests.push(request);
    handler(request, response, requests.length);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await rm(folder, { recursive: true, force: true });
});

const entry = (checksum: Checksum = gitBlob, maxBytes = 1_000_000): PullEntry => ({
  name: 'test/net',
  network: 'ghostnet-1.0x',
  url: 'https://example.invalid/models/weights.bin',
  file: 'weights.bin',
  checksum,
  maxBytes,
  origin: 'this test',
});

const pull = (given: PullEntry = entry(), options: PullOptions = {}) =>
  pullEntry(given, { cacheDir: folder, baseUrl: base, retryDelayMs: 1, idleTimeoutMs: 5_000, ...options });

const codeOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => 'nothing was thrown',
    (error: unknown) => errorCode(error),
  );

/** Bytes of the file from what the Range header asks, as a good server does; `stopAt` breaks the line there. */
function serve(
  options: { stopAt?: number; body?: Uint8Array; ranges?: boolean; etag?: string } = {},
): Handler {
  const { stopAt, body = content, ranges = true, etag: tag = etag } = options;
  return (request, response) => {
    const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    const condition = request.headers['if-range'];
    const from = ranges && asked !== undefined && (condition === undefined || condition === tag) ? +asked : 0;
    if (asked !== undefined && from >= body.length && ranges) {
      response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
      return;
    }
    response.writeHead(from > 0 ? 206 : 200, {
      etag: tag,
      'content-length': body.length - from,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
    });
    if (stopAt === undefined || stopAt >= body.length) response.end(body.subarray(from));
    else response.write(body.subarray(from, stopAt), () => setTimeout(() => response.destroy(), 20));
  };
}

async function left(): Promise<string[]> {
  const names = await readdir(join(folder, 'test--net')).catch(() => []);
  return names.sort();
}

describe('pull', () => {
  it('fetches, checks, caches; the second time without the network', async () => {
    const seen: number[] = [];
    const result = await pull(entry(), { onProgress: ({ received }) => seen.push(received) });
    expect(result).toEqual({
      path: join(folder, 'test--net', 'weights.bin'),
      bytes: content.length,
      cached: false,
      network: 'ghostnet-1.0x',
      verified: 'git blob',
    });
    expect(new Uint8Array(await readFile(result.path))).toEqual(content);
    expect(seen.at(-1)).toBe(content.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(await left()).toEqual(['weights.bin']);
    expect(await pull()).toEqual({ ...result, cached: true });
    expect(requests).toHaveLength(1);
    expect((await pull(entry(), { force: true })).cached).toBe(false);
    expect(requests).toHaveLength(2);
  });

  it('fetches again what was damaged in the cache', async () => {
    const { path } = await pull();
    await writeFile(path, 'damaged');
    expect((await pull()).cached).toBe(false);
    expect(new Uint8Array(await readFile(path))).toEqual(content);
  });

  it('goes on where a connection broke off, with If-Range', async () => {
    handler = (request, response, count) =>
      serve(count < 4 ? { stopAt: count * 70_000 } : {})(request, response, count);
    expect((await pull()).bytes).toBe(content.length);
    expect(requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=70000-',
      'bytes=140000-',
      'bytes=210000-',
    ]);
    expect(requests[1]?.headers['if-range']).toBe(etag);
  });

  it('gives up after the retries, keeps the part, and the next pull goes on', async () => {
    handler = (request, response, count) => {
      if (count === 1) serve({ stopAt: 100_000 })(request, response, count);
      else response.writeHead(503).end();
    };
    expect(await codeOf(pull(entry(), { retries: 2 }))).toBe('PULL_BROKEN_OFF');
    expect(await left()).toEqual(['weights.bin.part', 'weights.bin.part.json']);
    handler = serve();
    await pull();
    expect(requests.at(-1)?.headers.range).toBe('bytes=100000-');
    expect(await left()).toEqual(['weights.bin']);
  });

  it('starts over when the server ignores ranges, or the file changed meanwhile', async () => {
    handler = (request, response, count) =>
      serve({ ranges: false, ...(count === 1 ? { stopAt: 100_000 } : {}) })(request, response, count);
    expect((await pull()).bytes).toBe(content.length);
    await rm(join(folder, 'test--net'), { recursive: true });
    handler = (request, response) =>
      serve({ stopAt: 1000, body: content.map((x) => x ^ 1), etag: '"old"' })(request, response, 0);
    expect(await codeOf(pull(entry(), { retries: 0 }))).toBe('PULL_BROKEN_OFF');
    handler = serve();
    expect((await pull()).verified).toBe('git blob');
  });

  it('takes a part whose bytes are wrong once, then starts over', async () => {
    handler = serve({ stopAt: 1000 });
    await codeOf(pull(entry(), { retries: 0 }));
    await writeFile(join(folder, 'test--net', 'weights.bin.part'), new Uint8Array(2000));
    handler = serve();
    expect((await pull()).verified).toBe('git blob');
    expect(requests.at(-2)?.headers.range).toBe('bytes=2000-');
    expect(requests.at(-1)?.headers.range).toBeUndefined();
  });

  it('refuses wrong bytes and keeps nothing', async () => {
    handler = serve({ body: content.map((value, i) => (i === 77 ? value ^ 1 : value)) });
    expect(await codeOf(pull())).toBe('PULL_CHECKSUM');
    expect(await left()).toEqual([]);
    handler = (_request, response) => response.end('<html>sign in to this network</html>');
    expect(await codeOf(pull())).toBe('PULL_CHECKSUM');
    expect(await left()).toEqual([]);
  });

  it('survives servers that lie about the length', async () => {
    handler = (_request, response) => {
      response.writeHead(200, { etag, 'content-length': content.length + 500 });
      response.write(content, () => response.destroy());
    };
    // never whole by the server's own words, whatever is tried
    expect(await codeOf(pull(entry(), { retries: 1 }))).toBe('PULL_BROKEN_OFF');
    await rm(join(folder, 'test--net'), { recursive: true });
    handler = (_request, response) => {
      response.writeHead(200, { etag, 'content-length': 1000 });
      response.end(content.subarray(0, 1000));
    };
    expect(await codeOf(pull())).toBe('PULL_CHECKSUM');
    handler = (request, response) => {
      if (request.headers.range)
        response.writeHead(206, { 'content-range': 'bytes 5-10/11', etag }).end('123456');
      else serve({ stopAt: 5000 })(request, response, 0);
    };
    expect(await codeOf(pull(entry(), { retries: 1 }))).toBe('PULL_BROKEN_OFF');
  });

  it('refuses more bytes than the file can have, by header and by count', async () => {
    expect(await codeOf(pull(entry(gitBlob, 1000)))).toBe('PULL_TOO_LARGE');
    handler = (_request, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.end(content);
    };
    expect(await codeOf(pull(entry(gitBlob, 1000)))).toBe('PULL_TOO_LARGE');
    expect(await left()).toEqual([]);
  });

  it('says what a refusal is: 404, 403, 500', async () => {
    for (const [status, code, tries] of [
      [404, 'PULL_NOT_FOUND', 1],
      [403, 'PULL_REFUSED', 1],
      [500, 'PULL_BROKEN_OFF', 3],
      [429, 'PULL_BROKEN_OFF', 3],
    ] as const) {
      requests = [];
      handler = (_request, response) => response.writeHead(status).end('no');
      expect([status, await codeOf(pull(entry(), { retries: 2 }))]).toEqual([status, code]);
      expect(requests).toHaveLength(tries);
    }
    handler = (request, response, count) => {
      if (count < 3) response.writeHead(500).end();
      else serve()(request, response, count);
    };
    requests = [];
    expect((await pull()).cached).toBe(false);
  });

  it('follows redirects and checks the SHA-256 that the first answer states', async () => {
    const hub =
      (stated: string): Handler =>
      (request, response, count) => {
        if (request.url === '/storage/7') serve()(request, response, count);
        else response.writeHead(302, { location: '/storage/7', 'x-linked-etag': `"${stated}"` }).end();
      };
    handler = hub(sha256);
    const result = await pull(entry({ kind: 'hub' }));
    expect(result.verified).toBe('sha256 stated by the server');
    expect((await pull(entry({ kind: 'hub' }))).cached).toBe(true);
    await writeFile(result.path, 'damaged');
    expect((await pull(entry({ kind: 'hub' }))).cached).toBe(false);
    handler = hub('0'.repeat(64));
    expect(await codeOf(pull(entry({ kind: 'hub' }), { force: true }))).toBe('PULL_CHECKSUM');
    handler = serve();
    expect((await pull(entry({ kind: 'hub' }), { force: true })).verified).toBe('size only');
    handler = (_request, response) => response.writeHead(302, { location: '/again' }).end();
    expect(await codeOf(pull(entry(), { force: true }))).toBe('PULL_REFUSED');
    handler = (_request, response) => response.writeHead(302, { location: 'ftp://example.invalid/' }).end();
    expect(await codeOf(pull(entry(), { force: true }))).toBe('PULL_REFUSED');
  });

  it('gives up a silent server', async () => {
    handler = (_request, response) => {
      response.writeHead(200, { etag, 'content-length': content.length });
      response.write(content.subarray(0, 10));
    };
    expect(await codeOf(pull(entry(), { retries: 0, idleTimeoutMs: 50 }))).toBe('PULL_BROKEN_OFF');
    handler = () => {};
    expect(await codeOf(pull(entry(), { retries: 0, idleTimeoutMs: 50 }))).toBe('PULL_BROKEN_OFF');
  });

  it('stops by signal and leaves a part that the next pull goes on with', async () => {
    const controller = new AbortController();
    handler = (_request, response) => {
      response.writeHead(200, { etag, 'content-length': content.length });
      response.write(content.subarray(0, 50_000));
    };
    const onProgress = ({ received }: { received: number }): void => {
      if (received === 50_000) controller.abort();
    };
    expect(await codeOf(pull(entry(), { signal: controller.signal, onProgress }))).toBe('PULL_ABORTED');
    handler = serve();
    await pull();
    expect(requests.at(-1)?.headers.range).toBe('bytes=50000-');
    expect(await codeOf(pull(entry(), { force: true, signal: AbortSignal.abort() }))).toBe('PULL_ABORTED');
  });

  it('pulls of several at once end with one good file and no rests', async () => {
    handler = (request, response, count) =>
      serve(count % 3 === 0 ? { stopAt: 150_000 } : {})(request, response, count);
    const results = await Promise.all(Array.from({ length: 5 }, () => pull()));
    expect(new Set(results.map(({ path }) => path)).size).toBe(1);
    expect(new Uint8Array(await readFile(results[0]?.path ?? ''))).toEqual(content);
    expect(await left()).toEqual(['weights.bin']);
  });

  it('takes over the part of a process that died, but not that of a living one', async () => {
    const file = join(folder, 'test--net', 'weights.bin');
    handler = serve({ stopAt: 1000 });
    await codeOf(pull(entry(), { retries: 0 }));
    const { rename } = await import('node:fs/promises');
    await rename(`${file}.part`, `${file}.part-dead`);
    await rename(`${file}.part.json`, `${file}.part-dead.json`);
    handler = serve();
    await pull();
    expect(requests.at(-1)?.headers.range).toBeUndefined();
    expect(await left()).toContain('weights.bin.part-dead');
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(`${file}.part-dead`, longAgo, longAgo);
    await pull(entry(), { force: true });
    expect(requests.at(-1)?.headers.range).toBe('bytes=1000-');
    expect(await left()).toEqual(['weights.bin']);
  });

  it('says offline when nothing answers, and what a cache that cannot be written is', async () => {
    const port = (server.address() as AddressInfo).port;
    await new Promise((done) => server.close(done));
    const offline = pull(entry(), { baseUrl: `http://127.0.0.1:${port}`, retries: 1 });
    expect(await codeOf(offline)).toBe('PULL_OFFLINE');
    await expect(offline).rejects.toThrow(/cannot be reached \(ECONNREFUSED\).*put it at/);
    expect(await left()).toEqual([]);
    await writeFile(join(folder, 'file'), '');
    expect(await codeOf(pull(entry(), { cacheDir: join(folder, 'file') }))).toBe('FILE_UNWRITABLE');
    expect(await codeOf(pull(entry(), { baseUrl: 'nonsense' }))).toBe('PULL_BAD_URL');
  });
});

describe('names and places', () => {
  it('names what nobody publishes, and what is not known', async () => {
    expect(await codeOf(pullModel('ghostnet-1.3x', { cacheDir: folder }))).toBe('PULL_NOT_PUBLISHED');
    await expect(pullModel('resnet', { cacheDir: folder })).rejects.toThrow(/available: ghostnet-1\.0x/);
    expect(pulledModel('ghostnet-1.0x', folder)).toBeUndefined();
  });

  it('every entry belongs to a network, over https, with a path of its own', () => {
    const networks = new Set(listModels().map((model) => model.name));
    for (const { network, url } of listPullable()) {
      expect(networks).toContain(network);
      expect(new URL(url).protocol).toBe('https:');
    }
    const paths = listPullable().map(({ name, file }) => `${name}/${file}`);
    expect(new Set(paths).size).toBe(paths.length);
  });

  it('finds the cache folder of every platform', () => {
    const at = (platform: NodeJS.Platform, env: Record<string, string>): string =>
      cacheFolder({ platform, env, home: join('/', 'home', 'u') });
    expect(at('linux', {})).toBe('/home/u/.cache/ghostnet');
    expect(at('linux', { XDG_CACHE_HOME: '/x' })).toBe('/x/ghostnet');
    expect(at('linux', { XDG_CACHE_HOME: 'relative' })).toBe('/home/u/.cache/ghostnet');
    expect(at('darwin', {})).toBe('/home/u/Library/Caches/ghostnet');
    expect(dirname(at('win32', { LOCALAPPDATA: '/local' }))).toBe('/local/ghostnet');
    expect(at('linux', { GHOSTNET_CACHE: '/y' })).toBe('/y');
  });
});
