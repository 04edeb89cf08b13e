/** The exit codes of every command: part of the contract with scripts. */
export const exitCodes = {
  /** Everything asked for was done. */
  ok: 0,
  /** The command failed: nothing, or not all of the output, was made. */
  failure: 1,
  /** The command line is wrong: unknown command, option or value. */
  usage: 2,
  /** Some inputs failed and are named on stderr; the others were done. */
  someFailed: 3,
  /** Stopped by Ctrl-C (128 + SIGINT). */
  interrupted: 130,
} as const;

export const exitCodeHelp = `
Exit codes: 0 done; 1 failed; 2 wrong command line; 3 some inputs failed, the others were done; 130 stopped by Ctrl-C.`;
