/** Small HTTP servers on 127.0.0.1 for tests, all closed at once: of a folder, of texts, or of whatever a listener says. */
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

/** The headers that isolate a page, so that it may have threads. */
export const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
} as const;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
};

/** A file's name with `index.html` for a folder, without the query. */
function nameOf(url: string | undefined): string {
  return (url ?? '/').replace(/\?.*/, '').replace(/\/$/, '/index.html');
}

export class LocalServers {
  #servers: Server[] = [];

  /** Starts a server of the listener and gives its address, without a slash at the end. */
  async listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    this.#servers.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** The address of a server of a folder's files, as they are when they are asked for. */
  folder(folder: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    return this.#files((name) => readFile(join(folder, name)), headers);
  }

  /** The address of a server of texts by name: `/index.html`, `/main.js`. */
  texts(
    texts: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    return this.#files(async (name) => {
      const text = texts[name];
      if (text === undefined) throw new Error(`no "${name}"`);
      return text;
    }, headers);
  }

  async #files(
    contentOf: (name: string) => Promise<Uint8Array | string>,
    headers: Readonly<Record<string, string>>,
  ): Promise<string> {
    const url = await this.listen(async (request, response) => {
      const name = nameOf(request.url);
      try {
        const content = await contentOf(name);
        const type = types[extname(name)] ?? 'application/octet-stream';
        response.writeHead(200, { ...headers, 'Content-Type': type }).end(content);
      } catch {
        response.writeHead(404, headers).end();
      }
    });
    return `${url}/`;
  }

  /** Ends all of them with their connections. */
  async close(): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    await Promise.all(
      servers.map((server) => {
        server.closeAllConnections();
        return new Promise((done) => server.close(done));
      }),
    );
  }
}
