/**
 * The question that a shown plan ends with: apply it, leave it, or edit it first. What a plan is and what applying does
 * is the callers' concern.
 */
import { createInterface } from 'node:readline';
import { oneLine } from '../output/report-error.js';
import { note } from '../output/terminal.js';

export interface PlanQuestion<Plan> {
  /** Where the plan lies while it is edited. */
  readonly file: string;
  readonly write: (plan: Plan, file: string) => Promise<void>;
  /** Reads an edited plan. Throws for one that does not fit the network. */
  readonly read: (file: string) => Promise<Plan>;
  readonly show: (plan: Plan) => void;
}

/** The accepted plan, perhaps an edited one; or that it was refused, or Ctrl-C pressed. */
export type PlanAnswer<Plan> = { readonly accepted: Plan } | 'no' | 'interrupted';

interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Lines from a terminal, one a question. */
class Questions {
  readonly #readline;
  readonly #lines: string[] = [];
  #ended: 'no' | 'interrupted' | undefined;
  #wake: () => void = () => {};

  constructor(terminal: Terminal) {
    this.#readline = createInterface({ ...terminal, terminal: true });
    this.#readline.on('line', (line) => {
      this.#lines.push(line.trim().toLowerCase());
      this.#wake();
    });
    this.#readline.on('SIGINT', () => this.#end('interrupted'));
    // the end of the input, Ctrl-D
    this.#readline.on('close', () => this.#end('no'));
  }

  #end(how: 'no' | 'interrupted'): void {
    this.#ended ??= how;
    this.#wake();
  }

  /** The next line, or how the input ended. */
  async ask(question: string): Promise<{ line: string } | 'no' | 'interrupted'> {
    this.#readline.setPrompt(question);
    this.#readline.prompt();
    while (this.#lines.length === 0 && this.#ended === undefined)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    const line = this.#lines.shift();
    return line === undefined ? (this.#ended ?? 'no') : { line };
  }

  close(): void {
    this.#readline.close();
  }
}

/** What becomes of a plan: --yes accepts it; only on a terminal, and without --json, is there somebody to ask. */
export async function acceptedPlan<Plan>(
  plan: Plan,
  { yes = false, json = false }: { readonly yes?: boolean; readonly json?: boolean },
  question: PlanQuestion<Plan>,
): Promise<PlanAnswer<Plan> | 'nobody to ask'> {
  if (yes) return { accepted: plan };
  return process.stdin.isTTY && !json ? askForPlan(plan, question) : 'nobody to ask';
}

/**
 * Asks until the answer is one: yes, no, or edit, which writes the plan, waits, reads it again and shows it. An edited plan
 * that cannot be read is said to be none, and can be edited on.
 */
export async function askForPlan<Plan>(
  plan: Plan,
  { file, write, read, show }: PlanQuestion<Plan>,
  terminal: Terminal = { input: process.stdin, output: process.stderr },
): Promise<PlanAnswer<Plan>> {
  const questions = new Questions(terminal);
  let current = plan;
  try {
    for (;;) {
      const answer = await questions.ask('Apply this plan? [y]es, [n]o, [e]dit as JSON: ');
      if (typeof answer === 'string') return answer;
      if (/^y(es)?$/.test(answer.line)) return { accepted: current };
      if (/^no?$/.test(answer.line)) return 'no';
      if (!/^e(dit)?$/.test(answer.line)) continue;
      await write(current, file);
      for (let edited = false; !edited; ) {
        const done = await questions.ask(`Edit "apply" and "settings" in ${file}, then press Enter: `);
        if (typeof done === 'string') return done;
        try {
          current = await read(file);
          edited = true;
        } catch (error) {
          note(oneLine(error));
        }
      }
      show(current);
    }
  } finally {
    questions.close();
  }
}
