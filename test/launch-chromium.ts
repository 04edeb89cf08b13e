/** A headless Chromium for tests in pages, driven by Playwright: the installed one, which makes no connections of its own. */
import { type Browser, chromium } from 'playwright';
// @ts-expect-error a plain script
import { chromiumFlags, findChromium } from '../scripts/find-chromium.mjs';

export async function launchChromium(...flags: readonly string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: (await findChromium()) as string,
    args: [...(chromiumFlags as string[]), ...flags],
  });
}
