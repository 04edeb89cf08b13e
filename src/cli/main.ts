#!/usr/bin/env node
/**
 * The command `ghostnet`. Only the process' edges are here (signals, closed pipes, the exit code); the commands are in
 * program.ts and the files that it names.
 */
import { installInterrupt } from './output/interrupt.js';
import { runCommand } from './program.js';

// `ghostnet ... | head` closes the pipe early: that is no failure, and there is nobody left to write to.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    throw error;
  });

installInterrupt();
process.exitCode = await runCommand(process.argv.slice(2));
