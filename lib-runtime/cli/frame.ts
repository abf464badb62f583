// SPDX-License-Identifier: BSD-3-Clause
/** What every command line has: name, version and the flags before its first word. */
import { type Command, Option } from 'commander';
import { FlagCommand } from './flag-words.ts';
import { print, setVerbosity } from './output.ts';
import { APPTAINER_VERSION } from './shim-scripts.ts';

/** Told the exit status of the command that ran. */
export type Report = (status: number) => void;

let held = '';

/** What commander has said of words that it did not understand, with its hint; perform.ts may know better. */
export const complaint = (): string => held;

/** `name`: called as apptainer or singularity, the program answers with their version. */
export function makeProgram(version: string, name: string): Command {
  const shown = name === 'nbcontainer' ? `${name} version ${version}` : `apptainer version ${APPTAINER_VERSION}`;
  return new FlagCommand(name)
    .description('Run SIF and Docker images where you are, with the words of Apptainer.')
    .version(shown, '--version', 'print the version')
    .option('-d, --debug', 'print what is done and where a failure came from')
    .option('-q, --quiet', 'no information messages')
    .option('-s, --silent', 'no messages but failures')
    .option('-v, --verbose', 'same as --debug')
    .addOption(new Option('--nocolor', 'accepted').hideHelp())
    .configureOutput({ writeOut: print, writeErr: text => (held += text) })
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError(`(${name} --help lists the commands)`)
    .exitOverride()
    .hook('preAction', command => {
      const { debug, verbose, quiet, silent } = command.opts<Record<string, boolean | undefined>>();
      setVerbosity(debug || verbose ? 'debug' : silent ? 'silent' : quiet ? 'quiet' : 'normal');
    });
}

export function addWord(program: Command, name: string): Command {
  return program.command(name).exitOverride().showSuggestionAfterError();
}
