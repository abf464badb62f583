// SPDX-License-Identifier: BSD-3-Clause
/** The words that start a container, and the flags of everything that does, for commander. */
import { type Command, Option } from 'commander';
import type { IRunSpec } from '../run/spec.ts';
import { ACTION_FLAGS } from './action-flags.ts';
import type { actionCommand as ActionCommand } from './commands/action.ts';
import { addWord, type Report } from './frame.ts';

/** Each with what `--help` says of it, and an example. */
const WORDS = {
  exec: ['run a command in a container', 'exec --nv image.sif python3 train.py'],
  run: ["run the image's own program (runscript)", 'run docker://hello-world'],
  shell: ['open a shell in a container', 'shell --bind /data image.sif'],
  test: ["run the image's own test script", 'test image.sif']
} as const;
type Action = keyof typeof WORDS;
export const ACTIONS = Object.keys(WORDS) as readonly Action[];

export function isAction(word: string | undefined): word is Action {
  return word !== undefined && Object.hasOwn(WORDS, word);
}

export function actionWord(program: Command, name: Action, report: Report): void {
  const [summary, example] = WORDS[name];
  const command = addWord(program, name)
    .summary(summary)
    .addHelpText('after', `\nExample:\n  nbcontainer ${example}`)
    .argument(
      '<image>',
      'a SIF file, a directory, docker://NAME, oras://NAME, https://HOST/FILE, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]'
    );
  if (name === 'exec') {
    command.argument('<command...>', 'the command and its arguments');
  } else {
    command.argument('[arguments...]', 'arguments of the program');
  }
  actionOptions(command, name)
    .passThroughOptions()
    .action(async (image: string, words: string[], values: Parameters<typeof ActionCommand>[3]) => {
      const { actionCommand } = await import('./commands/action.ts');
      report(await actionCommand(name, image, words, values));
    });
}

export function actionOptions(command: Command, name: IRunSpec['action']): Command {
  for (const flag of ACTION_FLAGS.filter(flag => flag.only?.includes(name) ?? true)) {
    const option = new Option(flag.flags, flag.help);
    if (flag.many) {
      option.argParser((value: string, previous: unknown) => [...(Array.isArray(previous) ? previous : []), value]);
    }
    // Flags of their own, as in Apptainer: commander would make `--no-pid` the opposite of `--pid`.
    option.negate = false;
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
  return command;
}
