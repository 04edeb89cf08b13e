/**
 * A small web server for looking at a folder, with the headers that a good host would send: right types, isolation (so
 * that threads work), and a strict content security policy. For one's own machine: it listens on 127.0.0.1 only.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { EnvironmentError } from '../../errors.js';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** The headers of every answer. */
export const servedHeaders: Readonly<Record<string, string>> = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cache-Control': 'no-cache',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:",
};

/** Serves `folder` on a port of 127.0.0.1 (0: a free one). Throws EnvironmentError `PORT_TAKEN`. */
export function serveFolder(folder: string, port = 0): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    try {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const path = normalize(decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname));
      if (path.split(sep).includes('..')) throw new Error('outside of the folder');
      const content = await readFile(join(folder, path));
      const type = types[extname(path)] ?? 'application/octet-stream';
      response.writeHead(200, { ...servedHeaders, 'Content-Type': type, 'Content-Length': content.length });
      response.end(content);
    } catch {
      response.writeHead(404, { ...servedHeaders, 'Content-Type': 'text/plain' }).end('not found\n');
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new EnvironmentError('PORT_TAKEN', `cannot serve on port ${port}: ${cause.message}`, { cause })),
    );
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve({
        url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : port}/`,
        server,
      });
    });
  });
}
