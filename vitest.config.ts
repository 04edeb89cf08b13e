/**
 * Two projects: `node` runs nearly every test; `chromium` runs those that need only the web platform (all but
 * `*.node.test.ts`) and those about the browser itself (`*.browser.test.ts`) in a real one, isolated so that threads work. scripts/test.mjs names the browser.
 */
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';

const chromium = process.env['GHOSTNET_CHROMIUM'];
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
// every core has a file: by default one core is left idle, which is half of a machine of two
const maxWorkers = '100%';
const include = ['src/**/*.test.ts', 'test/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        test: {
          name: 'node',
          maxWorkers,
          include,
          exclude: ['**/*.browser.test.ts', '**/node_modules/**'],
          environment: 'node',
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        server: { headers: isolation },
        test: {
          name: 'chromium',
          maxWorkers,
          include,
          exclude: ['**/*.node.test.ts', '**/node_modules/**'],
          testTimeout: 120_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                ...(chromium ? { executablePath: chromium } : {}),
                args: [
                  '--no-sandbox',
                  '--disable-gpu',
                  '--disable-background-networking',
                  '--disable-component-update',
                ],
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});
