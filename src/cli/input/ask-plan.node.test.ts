import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { askForPlan } from './ask-plan.js';

/** Runs the question with what is typed after each prompt; the plan is a number, read from `edited` in turn. */
async function dialogue(typed: readonly string[], edited: readonly (number | Error)[] = []) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const keys = [...typed];
  let shown = '';
  output.on('data', (chunk: Buffer) => {
    const text = chunk.toString();
    shown += text;
    if (/: $/.test(text)) {
      const next = keys.shift();
      if (next !== undefined) setImmediate(() => input.write(next));
    }
  });
  const readings = [...edited];
  const written: number[] = [];
  const tables: number[] = [];
  const answer = await askForPlan(
    1,
    {
      file: 'plan.json',
      write: async (plan) => void written.push(plan),
      read: async () => {
        const next = readings.shift() ?? 0;
        if (next instanceof Error) throw next;
        return next;
      },
      show: (plan) => void tables.push(plan),
    },
    { input, output },
  );
  return { answer, shown, written, tables };
}

const asked = (shown: string): number => shown.split('Apply this plan?').length - 1;

describe('askForPlan', () => {
  it.each([
    ['y\r', { accepted: 1 }],
    ['YES\r', { accepted: 1 }],
    ['n\r', 'no'],
    ['\u0003', 'interrupted'],
    ['\u0004', 'no'],
  ])('%j: %j', async (key, answer) => {
    expect((await dialogue([key])).answer).toEqual(answer);
  });

  it('asks again until the answer is one', async () => {
    const { answer, shown } = await dialogue(['\r', 'yeah\r', 'exit\r', 'n\r']);
    expect(answer).toBe('no');
    expect(asked(shown)).toBeGreaterThanOrEqual(4);
  });

  it('edit: writes the plan, reads what became of it, shows that and asks again', async () => {
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const typed = ['e\r', '\r', '\r', 'e\r', '\r', 'y\r'];
    const { answer, written, tables } = await dialogue(typed, [new Error('plan.json: not JSON'), 2, 3]);
    expect(told.mock.calls.map(([text]) => text)).toEqual(['plan.json: not JSON\n']);
    told.mockRestore();
    expect(answer).toEqual({ accepted: 3 });
    expect(written).toEqual([1, 2]);
    expect(tables).toEqual([2, 3]);
  });

  it('an edit can be left', async () => {
    expect((await dialogue(['e\r', '\u0003'])).answer).toBe('interrupted');
    expect((await dialogue(['e\r', '\u0004'])).answer).toBe('no');
  });
});
