/** Runs the built command as its users do: a child process, with no terminal and a clean environment. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The process gets SIGINT the moment that it writes this to stderr: however busy the machine is, at the same place. */
  readonly interruptAt?: string;
  /** Called with the child right after its start. */
  readonly onStart?: (child: ReturnType<typeof spawn>) => void;
}

/** A module that a process loads first: it interrupts itself where `text` is written. */
function interrupter(text: string): string {
  const code = `import { isMainThread } from 'node:worker_threads';
    const write = process.stderr.write.bind(process.stderr);
    if (isMainThread) process.stderr.write = (chunk, ...rest) => {
      const done = write(chunk, ...rest);
      if (String(chunk).includes(${JSON.stringify(text)})) process.kill(process.pid, 'SIGINT');
      return done;
    };`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

/** `ghostnet <args>`: resolves when it has ended, however it ended. */
export function ghostnet(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const main = process.env['GHOSTNET_MAIN'] ?? built;
  if (!existsSync(main)) throw new Error(`${main} is not built; run "npm run build" (npm test does) first`);
  const { GHOSTNET_DEBUG: _, NO_COLOR: __, FORCE_COLOR: ___, ...environment } = process.env;
  return new Promise((resolve, reject) => {
    const first = options.interruptAt === undefined ? [] : ['--import', interrupter(options.interruptAt)];
    const child = spawn(process.execPath, [...first, main, ...args], {
      cwd: options.cwd,
      env: { ...environment, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    options.onStart?.(child);
  });
}
