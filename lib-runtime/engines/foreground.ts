// SPDX-License-Identifier: BSD-3-Clause
/** Whose a SIGINT is: the terminal sends Ctrl-C to its whole foreground group, a person's `kill -INT` goes to us alone. */
import { readFileSync } from 'node:fs';

/**
 * Whether /proc/PID/stat is that of a process in the foreground group of its terminal (proc(5): `pid (name) state ppid
 * pgrp session tty_nr tpgid`; the name may hold anything). Pure.
 */
export function isForeground(stat: string): boolean {
  const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return terminal !== undefined && terminal !== '0' && group === foreground;
}

/**
 * Whether a SIGINT or SIGQUIT has to be handed on: in the foreground of a terminal the payload has it already, and twice
 * would be once too often. As Apptainer, which passes these signals on when it is not in the foreground.
 */
export function passesInterrupts(): boolean {
  try {
    return !isForeground(readFileSync('/proc/self/stat', 'utf8'));
  } catch {
    return false;
  }
}
