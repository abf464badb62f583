// SPDX-License-Identifier: BSD-3-Clause
/** The command line: words, flags and help. What a command does lies in `commands/`, loaded when it is called. */
import { Argument, Command, Option } from 'commander';
import { ACTIONS, actionWord } from './action-words.ts';
import type { cacheCleanCommand as CacheCommand } from './commands/cache.ts';
import type { buildCommand as BuildCommand } from './commands/build.ts';
import type { inspectCommand as InspectCommand } from './commands/inspect.ts';
import type { pullCommand as PullCommand } from './commands/pull.ts';
import { daemonWords } from './daemon-words.ts';
import { instanceWords, overlayWords } from './instance-words.ts';
import { addWord, makeProgram, type Report } from './frame.ts';
import { print } from './output.ts';
import { APPTAINER_VERSION } from './shim-scripts.ts';

/**
 * Builds the parser. `report` receives the exit status of the command that ran. `name`, when the program is called as
 * apptainer or singularity, makes it answer with their version.
 *
 * @throws CommanderError from `parseAsync` for words that are not understood (see main.ts).
 */
export function buildProgram(version: string, report: Report, name = 'nbcontainer'): Command {
  const shimmed = name !== 'nbcontainer';
  const shown = shimmed ? APPTAINER_VERSION : version;
  const program = makeProgram(version, name);
  const add = (name: string): Command => addWord(program, name);

  ACTIONS.forEach(name => actionWord(program, name, report));

  add('build')
    .summary('make a SIF file or a sandbox directory from an image')
    .description('Makes one SIF file, or with --sandbox a directory to change, from an image that exists already.')
    .argument('<output>', 'the file or directory to write')
    .argument(
      '<source>',
      'docker://NAME[:TAG], oras://NAME[:TAG], https://HOST/FILE, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] or, with --sandbox, any image'
    )
    .option('-s, --sandbox', 'a directory instead of a file')
    .option('-F, --force', 'overwrite what exists')
    .addOption(new Option('--compression <name>', 'of the SIF').choices(['zstd', 'gzip']).default('zstd'))
    .option('--arch <name>', 'architecture to fetch (amd64, arm64 ...)')
    .option('-f, --fakeroot', 'accepted; no root is needed')
    .option('--userns', 'accepted; nothing of setuid is used')
    .option('-T, --notest', 'accepted; an image that exists is not tested')
    .option('--docker-login', 'ask for user and password')
    .option('--authfile <file>', 'credentials in the format of docker-config.json')
    .option('--disable-cache', 'accepted; the image stays in the store')
    .option('--no-https', 'speak plain HTTP to a registry')
    .option('--progress <mode>', 'auto, bar, json or none', 'auto')
    .addHelpText('after', '\nExample:\n  nbcontainer build --sandbox debian/ docker://debian:12')
    .action(async (output: string, source: string, options: Parameters<typeof BuildCommand>[2]) => {
      const { buildCommand } = await import('./commands/build.ts');
      report(await buildCommand(output, source, options));
    });

  add('pull')
    .summary('fetch an image into a SIF file')
    .description('Fetches an image and writes it as one SIF file, NAME_TAG.sif unless a name is given.')
    .usage('[options] [output] <image>')
    .argument(
      '<words...>',
      '[output] <image>: docker://NAME[:TAG], oras://NAME[:TAG], https://HOST/FILE, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]'
    )
    .option('-F, --force', 'overwrite an existing file')
    .option('--dir <dir>', 'directory to write into')
    .option('--name <file>', 'name of the file to write')
    .option('--disable-cache', 'accepted; the image stays in the store')
    .option('--arch <name>', 'architecture to fetch (amd64, arm64 ...)')
    .addOption(new Option('--compression <name>', 'of the SIF').choices(['zstd', 'gzip']).default('zstd'))
    .option('--no-https', 'speak plain HTTP to the registry')
    .option('--docker-username <name>', 'user of the registry (or DOCKER_USERNAME)')
    .option('--docker-password <text>', 'password (better: DOCKER_PASSWORD, which ps does not show)')
    .option('--docker-login', 'ask for user and password')
    .option('--authfile <file>', 'credentials in the format of docker-config.json')
    .option('--progress <mode>', 'auto, bar, json or none', 'auto')
    .addHelpText('after', '\nExample:\n  nbcontainer pull docker://alpine:3.20')
    .action(async (words: string[], options: Parameters<typeof PullCommand>[1]) => {
      const { pullCommand } = await import('./commands/pull.ts');
      report(await pullCommand(words, options));
    });

  add('images')
    .summary('list the images on this machine')
    .option('-j, --json', 'print JSON')
    .addHelpText('after', '\nExample:\n  nbcontainer images')
    .action(async (options: { json?: boolean }) => {
      const { imagesCommand } = await import('./commands/images.ts');
      report(await imagesCommand(options));
    });

  add('inspect')
    .summary('show what an image says of itself')
    .argument('<image>', 'a SIF file, a directory or a pulled image')
    .option('-l, --labels', 'labels (default)')
    .option('-d, --deffile', 'definition file')
    .option('-r, --runscript', 'runscript')
    .option('-s, --startscript', 'startscript')
    .option('-t, --test', 'test script')
    .option('-e, --environment', 'environment scripts')
    .option('-H, --helpfile', 'help text')
    .option('-j, --json', 'print JSON')
    .option('--app <name>', 'of a SCIF app')
    .option('--list-apps', 'names of the SCIF apps')
    .option('--all', 'everything, as JSON')
    .addHelpText('after', '\nExample:\n  nbcontainer inspect --runscript image.sif')
    .action(async (image: string, options: Parameters<typeof InspectCommand>[1]) => {
      const { inspectCommand } = await import('./commands/inspect.ts');
      report(await inspectCommand(image, options));
    });

  add('rm')
    .summary('remove images from this machine')
    .argument('<image...>', 'names or keys as `nbcontainer images` lists them')
    .option('-f, --force', 'no complaint about images that are not there')
    .addHelpText('after', '\nExample:\n  nbcontainer rm docker://alpine:3.20')
    .action(async (images: string[], options: { force?: boolean }) => {
      const { removeCommand } = await import('./commands/rm.ts');
      report(await removeCommand(images, options));
    });

  add('doctor')
    .summary('say what works on this machine, and why')
    .option('-j, --json', 'print JSON')
    .option('--report', 'a report to paste into an issue (nothing secret in it)')
    .option('--explain <text>', 'say what an error message of Apptainer and others means; - reads it from stdin')
    .addHelpText('after', "\nExample:\n  nbcontainer doctor --explain 'Failed to set mount propagation'")
    .action(async (options: { json?: boolean; report?: boolean; explain?: string }) => {
      const { doctorCommand } = await import('./commands/doctor.ts');
      report(await doctorCommand(options, version));
    });

  add('gpu')
    .summary('show the GPUs of this machine and who uses them')
    .option('-j, --json', 'print JSON')
    .addHelpText('after', '\nExample:\n  nbcontainer gpu')
    .action(async (options: { json?: boolean }) => {
      const { gpuCommand } = await import('./commands/gpu.ts');
      report(await gpuCommand(options));
    });

  add('run-help')
    .summary("show the help text of the image's author")
    .argument('<image>', 'a SIF file, a directory or a pulled image')
    .option('--app <name>', 'of a SCIF app')
    .addHelpText('after', '\nExample:\n  nbcontainer run-help image.sif')
    .action(async (image: string, options: { app?: string }) => {
      const { runHelpCommand } = await import('./commands/run-help.ts');
      report(await runHelpCommand(image, options));
    });

  const cache = add('cache')
    .summary('list or clean the store, in the words of Apptainer')
    .addHelpText('after', '\nExample:\n  nbcontainer cache clean --force');
  type CacheValues = Parameters<typeof CacheCommand>[0];
  cache
    .command('list')
    .exitOverride()
    .summary('say what the store holds')
    .option('-T, --type <names>', 'library, oci, shub, blob, net, oras or all', 'all')
    .option('-v, --verbose', 'list each image')
    .action(async (options: CacheValues) => {
      const { cacheListCommand } = await import('./commands/cache.ts');
      report(await cacheListCommand(options));
    });
  cache
    .command('clean')
    .exitOverride()
    .summary('remove images from the store')
    .option('-T, --type <names>', 'library, oci, shub, blob, net, oras or all', 'all')
    .option('-D, --days <number>', 'only what is older than so many days')
    .option('-n, --dry-run', 'say what would be removed')
    .option('-f, --force', 'do not ask')
    .action(async (options: CacheValues) => {
      const { cacheCleanCommand } = await import('./commands/cache.ts');
      report(await cacheCleanCommand(options));
    });

  add('completion')
    .summary('print a completion script for a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh']))
    .addHelpText('after', '\nExample:\n  source <(nbcontainer completion bash)')
    .action(async (shell: 'bash' | 'zsh') => {
      const { completionScript, completionWords } = await import('./commands/completion.ts');
      const names = shimmed ? ['apptainer', 'singularity'] : [name];
      print(completionScript(shell, names, completionWords(program)));
      report(0);
    });

  add('shim')
    .summary('install apptainer, singularity and run-singularity as names of nbcontainer')
    .description(
      'Writes small programs that start nbcontainer under the names of Apptainer, for scripts, workflow managers and ' +
        `./image.sif. They answer --version with "apptainer version ${APPTAINER_VERSION}", which such programs parse.`
    )
    .option('--dir <dir>', 'where to write them (default: shim in the store)')
    .addHelpText('after', '\nExample:\n  eval "$(nbcontainer shim)" && apptainer exec image.sif ls /')
    .action(async (options: { dir?: string }) => {
      const { shimCommand } = await import('./commands/shim.ts');
      report(await shimCommand(options));
    });

  instanceWords(add('instance'), report);
  overlayWords(add('overlay'), report);
  daemonWords(add('daemon'), report, async words => {
    let status = 0;
    await buildProgram(version, value => (status = value)).parseAsync(words, { from: 'user' });
    return status;
  });

  add('version')
    .summary('print the version')
    .addHelpText('after', '\nExample:\n  nbcontainer version')
    .action(() => {
      print(shown);
      report(0);
    });
  return program;
}
