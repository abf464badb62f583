// SPDX-License-Identifier: BSD-3-Clause
/** The words below `nbcontainer instance` and `nbcontainer overlay`. */
import { Argument, type Command } from 'commander';
import { actionOptions } from './action-words.ts';
import type { overlayCreateCommand as OverlayCommand } from './commands/overlay.ts';
import type { instanceStartCommand as StartCommand, instanceStopCommand as StopCommand } from './commands/instance.ts';

export function overlayWords(command: Command, report: (status: number) => void): void {
  command
    .summary('images for --overlay')
    .addHelpText('after', '\nExample:\n  nbcontainer overlay create --size 1024 work.img');
  command
    .command('create')
    .exitOverride()
    .summary('make an ext3 file system in a file, or in a SIF')
    .argument('<image>', 'the file to write, or a SIF that gets a partition')
    .option('-s, --size <MiB>', 'size in MiB', '64')
    .option('-S, --sparse', 'take disk space only as it is written to')
    .option('-f, --fakeroot', 'accepted')
    .option('--create-dir <path>', 'a directory to make in it', (path: string, all: string[] = []) => [...all, path])
    .action(async (image: string, values: Parameters<typeof OverlayCommand>[1]) => {
      const { overlayCreateCommand } = await import('./commands/overlay.ts');
      report(await overlayCreateCommand(image, values));
    });
}

export function instanceWords(command: Command, report: (status: number) => void): void {
  command
    .summary('containers that stay in the background')
    .addHelpText(
      'after',
      '\nExample:\n  nbcontainer instance start image.sif web\n  nbcontainer exec instance://web ps\n  nbcontainer instance stop web'
    );
  const add = (name: string, hidden = false): Command => command.command(name, { hidden }).exitOverride();
  const load = (): Promise<typeof import('./commands/instance.ts')> => import('./commands/instance.ts');
  for (const [word, summary] of [
    ['start', "start an instance: the image's startscript"],
    ['run', "start an instance: the image's runscript"]
  ] as const) {
    const starting = add(word)
      .summary(summary)
      .addArgument(new Argument('<image>', 'a SIF file, a directory, docker://NAME or any other image'))
      .addArgument(new Argument('<name>', 'what to call it'))
      .addArgument(new Argument('[arguments...]', 'arguments of the script'))
      .option('--pid-file <file>', 'write the process id into this file');
    actionOptions(starting, word)
      .passThroughOptions()
      .action(async (image: string, name: string, words: string[], values: Parameters<typeof StartCommand>[4]) =>
        report(await (await load()).instanceStartCommand(word, image, name, words, values))
      );
  }
  add('list')
    .summary('list the instances that run')
    .argument('[name]', 'a name or a pattern such as web*')
    .option('-j, --json', 'print JSON')
    .option('-l, --logs', 'show where their output is')
    .option('-a, --all', 'accepted; only your own can be seen')
    .action(async (name: string | undefined, values: { json?: boolean; logs?: boolean }) =>
      report(await (await load()).instanceListCommand(name, values))
    );
  add('stop')
    .summary('stop an instance')
    .argument('[name]', 'a name or a pattern such as web*')
    .option('-a, --all', 'all of yours')
    .option('-F, --force', 'kill it at once')
    .option('-s, --signal <name>', 'signal to send (SIGINT)')
    .option('-t, --timeout <seconds>', 'kill it when it has not ended by then', '10')
    .action(async (name: string | undefined, values: Parameters<typeof StopCommand>[1]) =>
      report(await (await load()).instanceStopCommand(name, values))
    );
  add('stats')
    .summary('show what an instance uses')
    .argument('<name>', 'its name')
    .option('-j, --json', 'print JSON, once')
    .option('--no-stream', 'once')
    .action(async (name: string, values: { json?: boolean; stream?: boolean }) => {
      const { instanceStatsCommand } = await import('./commands/instance-stats.ts');
      report(await instanceStatsCommand(name, values));
    });
  add('keep', true).action(async () => {
    const { instanceKeepCommand } = await import('./commands/instance-keep.ts');
    report(await instanceKeepCommand());
  });
}
