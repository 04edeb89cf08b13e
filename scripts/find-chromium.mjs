/**
 * Finds a Chromium for the browser tests, or installs one: CHROME_PATH, the usual places, then Debian's package (as
 * root), then Playwright's own download. Prints nothing; throws with what to do when none can be had.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';

const usual = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function present() {
  const named = process.env.CHROME_PATH;
  if (named) {
    if (!isExecutable(named)) throw new Error(`CHROME_PATH is "${named}", which cannot be run`);
    return named;
  }
  return usual.find(isExecutable);
}

async function playwrights() {
  const { chromium } = await import('playwright');
  const path = chromium.executablePath();
  return isExecutable(path) ? path : undefined;
}

function installDebian() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return;
  const apt = (...args) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  if (apt('--version').error) return;
  apt('update', '-q');
  apt('install', '-y', '-q', '--no-install-recommends', 'chromium');
}

/** The path of a Chromium, installed if need be. */
export async function findChromium() {
  const found = present() ?? (await playwrights());
  if (found) return found;
  console.error('no Chromium found: installing one for the browser tests');
  installDebian();
  const installed = present();
  if (installed) return installed;
  try {
    execFileSync('npx', ['playwright', 'install', 'chromium'], { stdio: ['ignore', 2, 2] });
  } catch {
    // said below
  }
  const own = await playwrights();
  if (own) return own;
  throw new Error('no Chromium can be had: install one, or set CHROME_PATH to its program');
}

/** Flags for a Chromium without a screen that asks nothing of the network. */
export const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
];
