/**
 * Runs in a real Chromium the same test files that run in Node, except those that need Node (`*.node.test.ts`).
 * Pages are cross-origin isolated, so threads are there; pages without it are tested with the packed package.
 */
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumFlags, findOrInstallChromium } from '../../scripts/find-chromium.mjs';

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  plugins: [
    {
      name: 'cross-origin-isolation',
      configureServer(server) {
        server.middlewares.use((_request, response, next) => {
          response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
          response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
          response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
          next();
        });
      },
    },
  ],
  test: {
    name: 'chromium',
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/*.node.test.ts', 'test/package/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: { executablePath: await findOrInstallChromium(), args: chromiumFlags },
      }),
      instances: [{ browser: 'chromium' }],
    },
  },
});
