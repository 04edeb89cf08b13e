/**
 * One attempt to fetch (the rest of) a file into a part file. Knows HTTP: redirects, ranges, validators, lengths and
 * silence; does not retry and does not check content, see download.ts.
 */
import { EnvironmentError } from '../../errors.js';
import type { PartFile } from './part-file.js';

export interface TransferOptions {
  readonly url: string;
  readonly maxBytes: number;
  /** Whether the whole file will be checked, so that a part may be continued without a strong validator. */
  readonly willBeChecked: boolean;
  readonly signal: AbortSignal | undefined;
  /** A server that is silent for this long is given up. */
  readonly idleTimeoutMs: number;
  readonly onProgress: ((progress: PullProgress) => void) | undefined;
}

export interface PullProgress {
  /** Bytes there, with those of an earlier run. */
  readonly received: number;
  /** Bytes of the whole file, if the server says. */
  readonly total: number | undefined;
}

/** The attempt failed in a way that another one may mend. */
export class Unfinished extends Error {}

const maxRedirects = 6;

interface Answer {
  readonly response: Response;
  /** Headers of the hub's first answer, which speak of the file where the later ones speak of a storage. */
  readonly sha256: string | undefined;
}

/**
 * Resolves when the server says that the file is whole. Throws `Unfinished`, or EnvironmentError `PULL_NOT_FOUND`,
 * `PULL_REFUSED`, `PULL_TOO_LARGE`; the caller's abort and file errors pass through.
 */
export async function transfer(part: PartFile, options: TransferOptions): Promise<void> {
  const silence = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(
      () => silence.abort(new Unfinished(`no data for ${options.idleTimeoutMs} ms`)),
      options.idleTimeoutMs,
    );
  };
  const signal = options.signal ? AbortSignal.any([options.signal, silence.signal]) : silence.signal;
  try {
    alive();
    await transferUntil(part, options, signal, alive);
  } catch (cause) {
    if (options.signal?.aborted) throw options.signal.reason;
    if (silence.signal.aborted) throw silence.signal.reason;
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

async function transferUntil(
  part: PartFile,
  options: TransferOptions,
  signal: AbortSignal,
  alive: () => void,
): Promise<void> {
  const { origin } = part;
  const strong = origin?.etag.startsWith('"') === true;
  const resumable = origin !== undefined && origin.url === options.url && (strong || options.willBeChecked);
  if (!resumable && part.length > 0) await part.restart(undefined);
  const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'ghostnet' };
  if (part.length > 0) {
    headers['range'] = `bytes=${part.length}-`;
    if (strong) headers['if-range'] = origin?.etag ?? '';
  }
  const { response, sha256 } = await request(options.url, headers, signal);
  alive();
  const { status } = response;
  if (status === 416) {
    const whole = Number(/^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1]);
    await response.body?.cancel();
    if (part.length > 0 && whole === part.length) return;
    await part.restart(undefined);
    throw new Unfinished('the server has no such range');
  }
  if (status !== 200 && status !== 206) {
    await response.body?.cancel();
    fail(status, options.url);
  }
  let total = wholeNumber(response.headers.get('content-length'));
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    if (Number(range?.[1]) !== part.length) {
      await response.body?.cancel();
      await part.restart(undefined);
      throw new Unfinished('the server sent another range than asked');
    }
    total = wholeNumber(range?.[2] ?? null);
  } else {
    const etag = response.headers.get('etag') ?? '';
    await part.restart({ url: options.url, etag, total, ...(sha256 === undefined ? {} : { sha256 }) });
  }
  if (total !== undefined && total > options.maxBytes) {
    await response.body?.cancel();
    tooLarge(options, total);
  }
  options.onProgress?.({ received: part.length, total });
  if (response.body)
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      alive();
      if (part.length + chunk.length > options.maxBytes) tooLarge(options, part.length + chunk.length);
      await part.append(chunk);
      options.onProgress?.({ received: part.length, total });
    }
  if (total !== undefined && part.length < total)
    throw new Unfinished(`the server stopped after ${part.length} of ${total} bytes`);
}

/** Follows redirects by hand, since only the first answer of the hub names the file's SHA-256. */
async function request(
  start: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Answer> {
  let url = new URL(start);
  let sha256: string | undefined;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const response = await fetch(url, { headers, signal, redirect: 'manual' }).catch((cause: unknown) => {
      throw signal.aborted ? cause : new Unfinished(describeNetworkError(cause), { cause });
    });
    const stated = /^"?([0-9a-f]{64})"?$/.exec(response.headers.get('x-linked-etag') ?? '')?.[1];
    sha256 ??= stated;
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null) return { response, sha256 };
    await response.body?.cancel();
    const next = new URL(location, url);
    if (next.protocol !== 'https:' && next.protocol !== url.protocol)
      throw new EnvironmentError(
        'PULL_REFUSED',
        `pull: ${url.host} sends on from ${url.protocol} to ${next.protocol}; not followed`,
      );
    url = next;
  }
  throw new EnvironmentError('PULL_REFUSED', `pull: ${start} was sent on more than ${maxRedirects} times`);
}

function fail(status: number, url: string): never {
  if (status === 404 || status === 410)
    throw new EnvironmentError(
      'PULL_NOT_FOUND',
      `pull: ${url} is not there any more (HTTP ${status}); look for a newer release of ghostnet, or give a file with --model FILE`,
    );
  if (status === 408 || status === 429 || status >= 500)
    throw new Unfinished(`the server answered HTTP ${status}`);
  throw new EnvironmentError('PULL_REFUSED', `pull: ${url} was refused (HTTP ${status})`);
}

function tooLarge(options: TransferOptions, size: number): never {
  throw new EnvironmentError(
    'PULL_TOO_LARGE',
    `pull: ${options.url} is ${size} bytes or more, expected at most ${options.maxBytes}; this is not the file`,
  );
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function describeNetworkError(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: unknown; message?: unknown }; message: string };
  return String(cause?.code ?? cause?.message ?? message);
}
