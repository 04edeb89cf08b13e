/** The user's cache folder for pulled weights. Decides on a path only; makes and removes nothing. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly home: string;
}

/**
 * GHOSTNET_CACHE if set; else XDG_CACHE_HOME/ghostnet (only an absolute path counts, as its specification says),
 * ~/.cache/ghostnet, ~/Library/Caches/ghostnet on macOS, %LOCALAPPDATA%\ghostnet\Cache on Windows.
 */
export function cacheFolder(
  { env, platform, home }: Surroundings = { env: process.env, platform: process.platform, home: homedir() },
): string {
  if (env['GHOSTNET_CACHE']) return resolve(env['GHOSTNET_CACHE']);
  if (platform === 'win32')
    return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'ghostnet', 'Cache');
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'ghostnet');
  const xdg = env['XDG_CACHE_HOME'];
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, '.cache'), 'ghostnet');
}
