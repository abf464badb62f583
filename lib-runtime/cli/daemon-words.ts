// SPDX-License-Identifier: BSD-3-Clause
/** The words below `nbcontainer daemon`. */
import type { Command } from 'commander';

type Report = (status: number) => void;

/** `run` performs words of the whole command line in this process, for `daemon job`. */
export function daemonWords(
  command: Command,
  report: Report,
  run: (words: readonly string[]) => Promise<number>
): void {
  command
    .summary('start, stop or look at the background process of the notebooks')
    .addHelpText('after', '\nExample:\n  nbcontainer daemon status');
  const add = (name: string, hidden = false): Command => command.command(name, { hidden }).exitOverride();
  const load = (): Promise<typeof import('./commands/daemon.ts')> => import('./commands/daemon.ts');
  add('start')
    .summary('start it unless it runs')
    .option('-j, --json', 'print JSON')
    .action(async (options: { json?: boolean }) => report(await (await load()).daemonStartCommand(options)));
  add('stop')
    .summary('end it, with its jobs')
    .action(async () => report(await (await load()).daemonStopCommand()));
  add('status')
    .summary('say whether it runs')
    .option('-j, --json', 'print JSON')
    .action(async (options: { json?: boolean }) => report(await (await load()).daemonStatusCommand(options)));
  add('run', true).action(async () => report(await (await load()).daemonRunCommand()));
  add('job', true)
    .argument('<json>')
    .action(async (text: string) => {
      const { daemonJobCommand } = await import('./commands/daemon-job.ts');
      report(await daemonJobCommand(text, run));
    });
}
