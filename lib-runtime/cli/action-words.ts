// SPDX-License-Identifier: BSD-3-Clause
/** The flags of everything that starts a container, for commander. */
import { type Command, Option } from 'commander';
import type { IRunSpec } from '../run/spec.ts';
import { ContainerError } from '../support/errors.ts';
import { ACTION_FLAGS, NOT_YET } from './action-flags.ts';

export function actionOptions(command: Command, name: IRunSpec['action']): Command {
  for (const flag of ACTION_FLAGS.filter(flag => flag.only?.includes(name) ?? true)) {
    const option = new Option(flag.flags, flag.help);
    if (flag.many) {
      option.argParser((value: string, previous: unknown) => [...(Array.isArray(previous) ? previous : []), value]);
    }
    const { attribute } = flag;
    if (attribute !== undefined) {
      option.attributeName = () => attribute;
    }
    command.addOption(option);
  }
  command
    .option('--gpu <which>', 'auto: --nv or --rocm where the host has such a card; none: neither')
    .option('--as <who>', 'who to be inside: auto, user, root or fakeroot')
    .option('--overlay-driver <name>', 'what lays changes over the image: auto, kernel, fuse or copy')
    .option('--engine <name>', 'how to start: auto, namespaces or ptrace')
    .option('--root <name>', 'how the root is made: auto, pivot, in-place or chroot')
    .option('--no-https', 'speak plain HTTP to a registry')
    .option('--progress <mode>', 'auto, bar, json or none', 'auto')
    .option('--dry-run', 'print the plan with its reasons and start nothing')
    .option('-j, --json', 'with --dry-run: print JSON');
  for (const flag of Object.keys(NOT_YET)) {
    command.addOption(new Option(`${flag} [value]`).hideHelp());
    // An argParser would not be called where another flag follows.
    command.on(`option:${flag.replace(/^-+/, '')}`, () => {
      throw notYet(flag);
    });
  }
  return command;
}

/** What is said of a flag that is known and not honoured. */
function notYet(flag: string): ContainerError {
  return new ContainerError({
    code: 'unsupported',
    step: 'command line',
    message: `${flag} is not supported yet`,
    fix: NOT_YET[flag] ?? 'leave it out'
  });
}
