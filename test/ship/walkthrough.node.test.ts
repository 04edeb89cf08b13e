/**
 * docs/ship.md, step by step, as a reader would do it: its commands run on photographs, its page opens in a browser, its
 * programs run. And the element <ghost-classifier> by keyboard, by drop, with a camera, and when things go wrong.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveFolder } from '../../src/ship/node/serve-folder.js';
import { launchChromium } from '../launch-chromium.js';

const repository = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'ghostnet-walk-'));
const text = readFileSync(join(repository, 'docs/ship.md'), 'utf8');
/** The code blocks of a language, in order. */
const blocks = (language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1]!);

let browser: Browser;
let served: Awaited<ReturnType<typeof serveFolder>>;

/** Eight parts each of three photographs. */
async function takePhotos(): Promise<void> {
  const sources = [
    ['locomotion-house-cat', 'cat', [18, 12], [166, 128], [150, 100]],
    ['airplane-from-above', 'airplane', [60, 40], [80, 60], [520, 440]],
    ['nagasaki-boats', 'boat', [0, 260], [110, 50], [440, 380]],
  ] as const;
  for (const [name, label, start, step, size] of sources) {
    mkdirSync(join(folder, 'photos', label), { recursive: true });
    const photograph = join(repository, 'node_modules/@stdlib', `datasets-img-${name}/data/image.jpg`);
    for (let i = 0; i < 8; i++) {
      const [row, column] = [i >> 2, i & 3];
      await sharp(photograph)
        .extract({
          left: start[0] + column * step[0],
          top: start[1] + row * step[1],
          width: size[0],
          height: size[1],
        })
        .jpeg()
        .toFile(join(folder, 'photos', label, `${row}-${column}.jpg`));
    }
  }
}

function ghostnet(line: string): string {
  const [, ...args] = line.split(/\s+/);
  const main = join(repository, 'dist/cli/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect([line, status, status === 0 ? '' : stderr]).toEqual([line, 0, '']);
  return stdout;
}

const boat = (): string => join(folder, 'photos/boat/0-0.jpg');

beforeAll(async () => {
  await takePhotos();
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'), 'dir');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  browser = await launchChromium('--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream');
}, 240_000);
afterAll(async () => {
  await browser?.close();
  served?.server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(path: string): Promise<{ page: Page; said: string[] }> {
  const page = await browser.newPage();
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  // listening from the start: a browser opens its own chooser until somebody listens
  page.on('filechooser', (chooser) => void chooser.setFiles(boat()));
  await page.goto(served.url + path);
  await page.locator('ghost-classifier input').waitFor();
  return { page, said };
}

const first = (page: Page) => page.locator('ghost-classifier li').first().locator('.label');

describe('docs/ship.md', () => {
  it('its commands: train, classify, build', () => {
    const output = blocks('sh')
      .flatMap((block) => block.trim().split('\n'))
      .map(ghostnet);
    expect(output).toHaveLength(3);
    expect(output[1]).toMatch(/0-0\.jpg.*\n\s+boat /);
    expect(output[2]).toContain('model.weights');
  });

  it('its page answers, under its own policy and with nothing on the console', async () => {
    served = await serveFolder(folder);
    const { page, said } = await open('site/');
    await page.locator('ghost-classifier input').setInputFiles(boat());
    await first(page).waitFor();
    expect(await first(page).textContent()).toBe('boat');
    expect(await page.locator('#facts').textContent()).toContain('3 classes');
    expect(said).toEqual([]);
    await page.close();
  });

  it('its element and its program in one’s own page', async () => {
    writeFileSync(
      join(folder, 'mine.html'),
      `<!doctype html><title></title><link rel="icon" href="data:,"><img src="photos/cat/0-0.jpg">${blocks('html')[0]}
       <script type="module" src="mine.js"></script>`,
    );
    writeFileSync(
      join(folder, 'mine.js'),
      `await document.querySelector('img').decode();\n${blocks('js')[0]}`,
    );
    // imports stand first
    const [decode, ...rest] = readFileSync(join(folder, 'mine.js'), 'utf8').split('\n');
    writeFileSync(join(folder, 'mine.js'), [rest[0], decode, ...rest.slice(1)].join('\n'));
    const { page, said } = await open('mine.html');
    await page.waitForFunction(() => document.title !== '');
    expect(await page.title()).toMatch(/^cat (0\.\d+|1)$/);
    expect(said).toEqual([]);
    await page.close();
  });

  it('its programs for Node', () => {
    const outputs = blocks('js')
      .slice(1)
      .map((program, i) => {
        writeFileSync(join(folder, `program-${i}.js`), program);
        const run = spawnSync(process.execPath, [`program-${i}.js`], { cwd: folder, encoding: 'utf8' });
        expect(run.stderr).toBe('');
        return run.stdout;
      });
    expect(outputs.at(0)).toMatch(/^0\n.*\n?1\n$/s);
    expect(outputs.at(1)).toBe('boat\n');
  });
});

describe('<ghost-classifier>', () => {
  it('is reached and named by keyboard, and tells screen readers what it found', async () => {
    const { page } = await open('site/');
    await page.keyboard.press('Tab');
    const name = await page.evaluate(() =>
      document.activeElement?.shadowRoot?.activeElement?.getAttribute('aria-label'),
    );
    expect(name).toBe('Choose a picture to classify');
    await page.keyboard.press('Enter');
    const spoken = page.locator('ghost-classifier [role=status]');
    await page.evaluate(() => {
      // everything that a screen reader would say
      const { shadowRoot } = document.querySelector('ghost-classifier')!;
      const said: string[] = [];
      for (const live of shadowRoot!.querySelectorAll('[role=status], [role=alert], [aria-live]'))
        new MutationObserver(() => said.push(live.textContent!)).observe(live, {
          childList: true,
          characterData: true,
          subtree: true,
        });
      Object.assign(window, { said });
    });
    await expect.poll(() => spoken.textContent(), { timeout: 20_000 }).toMatch(/^boat, \d+ percent; /);
    // not every part of the download, nor the milliseconds
    expect(await page.evaluate(() => (window as unknown as { said: string[] }).said)).toEqual([
      'Loading the network',
      expect.stringMatching(/^boat, /),
    ]);
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.textContent)).toBe(
      'Use the camera',
    );
    await page.close();
  });

  it('takes dropped pictures, and fires what it found', async () => {
    const { page } = await open('site/');
    const bytes = [...readFileSync(boat())];
    const best = await page.evaluate(async (content) => {
      const element = document.querySelector('ghost-classifier') as HTMLElement;
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([Uint8Array.from(content)], 'boat.jpg', { type: 'image/jpeg' }));
      const result = new Promise<CustomEvent>((resolve) =>
        element.addEventListener('result', (event) => resolve(event as CustomEvent)),
      );
      element.dispatchEvent(new DragEvent('drop', { dataTransfer, cancelable: true }));
      return (await result).detail.predictions[0].label as string;
    }, bytes);
    expect(best).toBe('boat');
    await page.close();
  });

  it('looks through the camera until told not to', async () => {
    const { page } = await open('site/');
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await first(page).waitFor();
    await page.getByRole('button', { name: 'Stop the camera' }).click();
    expect(await page.getByRole('button', { name: 'Use the camera' }).isVisible()).toBe(true);
    await page.close();
  });

  it('takes a picture that is pasted anywhere in the page, but for text fields', async () => {
    const { page } = await open('site/');
    const bytes = [...readFileSync(boat())];
    await page.evaluate((content) => {
      const field = document.body.appendChild(document.createElement('textarea'));
      const paste = (target: Element): boolean => {
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([Uint8Array.from(content)], 'boat.jpg', { type: 'image/jpeg' }));
        return target.dispatchEvent(
          new ClipboardEvent('paste', { clipboardData, bubbles: true, composed: true, cancelable: true }),
        );
      };
      Object.assign(window, { untouched: paste(field), taken: !paste(document.body) });
    }, bytes);
    await first(page).waitFor();
    expect(await first(page).textContent()).toBe('boat');
    expect(
      await page.evaluate(() => {
        const { untouched, taken } = window as unknown as Record<string, boolean>;
        return [untouched, taken];
      }),
    ).toEqual([true, true]);
    await page.close();
  });

  it('lets go of camera and network when it is removed, not when it is moved', async () => {
    const { page } = await open('site/');
    const outcome = await page.evaluate(async () => {
      const element = document.querySelector('ghost-classifier') as HTMLElement & {
        load(): Promise<{ disposed: boolean }>;
        startCamera(): Promise<void>;
      };
      const streams: MediaStream[] = [];
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await ask(wanted);
        streams.push(stream);
        return stream;
      };
      const model = await element.load();
      document.body.append(element);
      await new Promise((resolve) => setTimeout(resolve));
      const moved = model.disposed;
      // twice, as by an impatient finger, and gone before the browser has given leave
      const starts = [element.startCamera(), element.startCamera()];
      element.remove();
      await Promise.all(starts);
      const live = streams
        .flatMap((stream) => stream.getTracks())
        .filter((track) => track.readyState === 'live');
      return [moved, model.disposed, streams.length, live.length];
    });
    expect(outcome).toEqual([false, true, 2, 0]);
    await page.close();
  });

  it('says what is wrong, and goes on with the next picture', async () => {
    const { page } = await open('site/');
    writeFileSync(join(folder, 'torn.jpg'), 'not a picture');
    const status = page.locator('ghost-classifier .status');
    const spoken = page.locator('ghost-classifier [role=status]');
    await page.locator('ghost-classifier input').setInputFiles(join(folder, 'torn.jpg'));
    await expect
      .poll(() => status.textContent(), { timeout: 20_000 })
      .toContain('no picture that this browser knows');
    expect(await spoken.textContent()).toBe(await status.textContent());
    await page.locator('ghost-classifier .invitation').waitFor();
    expect(await page.locator('ghost-classifier img').isVisible()).toBe(false);
    await page.locator('ghost-classifier input').setInputFiles(boat());
    await first(page).waitFor();
    expect(await status.textContent()).toMatch(/ ms, on this device$/);
    // a network that was disposed of, as one is that lost a thread, is loaded anew
    const answers = await page.evaluate(async () => {
      interface Classifier extends Element {
        load(): Promise<{ dispose(): void }>;
        classify(picture: OffscreenCanvas): Promise<unknown[] | undefined>;
      }
      const classifier = document.querySelector('ghost-classifier') as Classifier;
      (await classifier.load()).dispose();
      const canvas = new OffscreenCanvas(40, 40);
      canvas.getContext('2d')?.fillRect(5, 5, 20, 20);
      return (await classifier.classify(canvas))?.length;
    });
    expect(answers).toBe(3);
    await page.evaluate(() =>
      document.querySelector('ghost-classifier')?.setAttribute('src', './nowhere.js'),
    );
    await page.locator('ghost-classifier input').setInputFiles(boat());
    await expect
      .poll(() => status.textContent(), { timeout: 20_000 })
      .toContain('nowhere.js" cannot be loaded');
    await page.evaluate(() => document.querySelector('ghost-classifier')?.setAttribute('src', './demo.js'));
    await page.locator('ghost-classifier input').setInputFiles(boat());
    await expect
      .poll(() => status.textContent(), { timeout: 20_000 })
      .toBe('src="./demo.js" is another program; it must name the model.js that "ghostnet build" wrote');
    await page.close();
  });
});
