// SPDX-License-Identifier: BSD-3-Clause
/** Performs one command line: parse, run, print a failure, exit status. */
import { type Command, CommanderError } from 'commander';
import { ContainerError, OWN_FAILURE } from '../support/errors.ts';
import { complaint, type Report } from './frame.ts';
import { fatal, info } from './output.ts';
import { CALLED_AS } from './shim-scripts.ts';
import { VERSION } from './version.ts';

/** The scripts of `nbcontainer shim` say first under which name they were called. */
function calledAs(argv: readonly string[]): { name: string; words: readonly string[] } {
  const [flag, name, ...words] = argv;
  return flag === CALLED_AS && name !== undefined
    ? { name, words: helpWords(words) }
    : { name: 'nbcontainer', words: helpWords(argv) };
}

/** `help instance start` is `instance start --help`: commander's own help knows one word only. */
function helpWords(words: readonly string[]): readonly string[] {
  const [first, ...rest] = words;
  return first === 'help' && rest.length > 0 ? [...rest, '--help'] : words;
}

/** Words that no command can do anything with, as Apptainer; failures of a command are OWN_FAILURE. */
const NOT_UNDERSTOOD = 1;

function statusOf({ code, step }: ContainerError): number {
  if (code === 'cancelled') {
    return 130;
  }
  return step === 'flag' || step === 'application' ? NOT_UNDERSTOOD : OWN_FAILURE;
}

/** Makes the parser of a command line, see program.ts and start.ts. */
export type ProgramMaker = (
  version: string,
  report: Report,
  name: string,
  words: readonly string[]
) => Command | Promise<Command>;

/** Performs the words of this process and leaves the exit status behind. */
export async function perform(make: ProgramMaker): Promise<void> {
  process.exitCode = await statusOfWords(process.argv.slice(2), make);
}

async function statusOfWords(argv: readonly string[], make: ProgramMaker): Promise<number> {
  let status = 0;
  const { name, words } = calledAs(argv);
  const program = await make(
    VERSION,
    value => {
      status = value;
    },
    name,
    words
  );
  try {
    if (words.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync(words, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : notUnderstood(words, error.message); // --help and --version end here, too
    }
    fatal(error);
    if (error instanceof ContainerError) {
      // Read only now: a start that works does not pay for the table.
      const { knownCause } = await import('./commands/explain.ts');
      knownCause(error).forEach(info);
    }
    return error instanceof ContainerError ? statusOf(error) : OWN_FAILURE;
  }
}

/** A word that Apptainer knows is answered with what to do instead, any other in commander's own words. */
async function notUnderstood(words: readonly string[], said: string): Promise<number> {
  const { refusalOf } = await import('./refused.ts');
  const refusal = refusalOf(words, said);
  if (refusal === undefined) {
    process.stderr.write(complaint());
    return NOT_UNDERSTOOD;
  }
  fatal(refusal);
  return OWN_FAILURE;
}
