/**
 * What a command file gives to program.ts: a function that declares the command. Work is wrapped by `act`, so that a
 * command's own function simply returns its exit code or throws.
 */
import type { Command } from 'commander';

/** Turns a function that resolves to an exit code into a commander action. */
export type Act = <Given extends unknown[]>(
  work: (...given: Given) => Promise<number>,
) => (...given: Given) => Promise<void>;

/** Declares one command on the program. */
export type Register = (program: Command, act: Act) => void;
