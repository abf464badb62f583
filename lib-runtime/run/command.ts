// SPDX-License-Identifier: BSD-3-Clause
/** What is executed inside for exec, run and shell (runtimes.md 2.2, 2.3 item 5). Pure. */
import type { IImageFacts } from '../images/image.ts';
import { findInImage, hasFile } from './image-tree.ts';
import type { INote, IRefusal } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';

/** `%test` of a definition file. */
export const TEST_SCRIPT = '/.singularity.d/test';

/** `%startscript` of a definition file. */
export const START_SCRIPT = '/.singularity.d/startscript';

export interface ICommand {
  readonly kind: 'command';
  readonly argv: readonly string[];
  /** Set over everything else: SHELL for the shell action. */
  readonly environment: Readonly<Record<string, string>>;
  /** There is nothing to execute: an instance that others enter. */
  readonly idle?: true;
  readonly notes: readonly INote[];
}

/** Where the files of a SCIF app lie (sci-f.github.io, as Apptainer's %app sections write them). */
export function appPath(app: string, file: 'runscript' | 'test' | 'startscript' | 'runscript.help'): string {
  return `/scif/apps/${app}/scif/${file}`;
}

/** The argument list for the spec, or why there is none. */
export function containerCommand(
  spec: IRunSpec,
  image: Pick<IImageFacts, 'name' | 'config' | 'runscript' | 'tree'>
): ICommand | IRefusal {
  if (spec.app !== undefined) {
    const found = findInImage(image.tree, `/scif/apps/${spec.app}`);
    if (found.kind !== 'found' || found.type !== 'directory') {
      return appRefusal(`Could not locate the container application: ${spec.app}`);
    }
  }
  switch (spec.action) {
    case 'exec':
      return spec.command.length === 0
        ? refusal('usage', 'there is no command to execute', 'Write it after the image, for example IMAGE ls /')
        : command(spec.command);
    case 'run':
      return spec.app === undefined ? runCommand(spec, image) : appCommand(spec, spec.app, 'runscript', image.tree);
    case 'test':
      if (spec.app !== undefined) {
        return appCommand(spec, spec.app, 'test', image.tree);
      }
      return testCommand(spec, image);
    case 'shell':
      return shellCommand(spec, image);
    case 'start': {
      const script = spec.app === undefined ? START_SCRIPT : appPath(spec.app, 'startscript');
      const runs = hasFile(image.tree, script) && hasFile(image.tree, '/bin/sh');
      return { ...command([script, ...spec.command]), ...(!runs && { idle: true }) };
    }
  }
}

function appCommand(
  spec: IRunSpec,
  app: string,
  file: 'runscript' | 'test',
  tree: IImageFacts['tree']
): ICommand | IRefusal {
  const path = appPath(app, file);
  const what = file === 'test' ? 'tests' : file;
  return hasFile(tree, path) ? command([path, ...spec.command]) : appRefusal(`No ${what} for contained app: ${app}`);
}

function appRefusal(message: string): IRefusal {
  const fix = 'nbcontainer inspect --list-apps IMAGE lists the apps of an image';
  return {
    kind: 'refusal',
    code: 'not-found',
    step: 'application',
    message,
    reason: 'the image has nothing of it',
    fix
  };
}

/** Without a script, Apptainer starts a container all the same: the flags are checked by it. */
function testCommand(spec: IRunSpec, { name, tree }: Pick<IImageFacts, 'name' | 'tree'>): ICommand | IRefusal {
  if (hasFile(tree, TEST_SCRIPT)) {
    return command([TEST_SCRIPT, ...spec.command]);
  }
  if (!hasFile(tree, '/bin/sh')) {
    return refusal('not-found', `${name} has no test script`, 'Run something of it with nbcontainer exec');
  }
  const text = 'No test script was found in the image: its /bin/sh is started and ended';
  return { ...command(['/bin/sh', '-c', 'true']), notes: [{ level: 'info', text }] };
}

function runCommand(
  spec: IRunSpec,
  image: Pick<IImageFacts, 'name' | 'config' | 'runscript' | 'tree'>
): ICommand | IRefusal {
  const entrypoint = image.config?.Entrypoint ?? [];
  const cmd = image.config?.Cmd ?? [];
  // A SIF made from an OCI image carries both; the runscript only restates the configuration through a shell (and one
  // evaluation more), which a FROM-scratch image has not got. A runscript of somebody's own (%runscript) comes first.
  const own = image.runscript !== undefined && !/OCI_(ENTRYPOINT|CMD)=/.test(image.runscript);
  if (!own && entrypoint.length + cmd.length > 0) {
    return command([...entrypoint, ...(spec.command.length > 0 ? spec.command : cmd)]);
  }
  if (image.runscript !== undefined) {
    return command(['/.singularity.d/runscript', ...spec.command]);
  }
  if (hasFile(image.tree, '/apptainer')) {
    return command(['/apptainer', ...spec.command]);
  }
  if (image.config !== undefined && spec.command.length > 0) {
    return command(spec.command);
  }
  if (hasFile(image.tree, '/bin/sh')) {
    return {
      ...command(['/bin/sh', ...spec.command]),
      notes: [{ level: 'info', text: 'the image has no runscript and no entrypoint: running /bin/sh' }]
    };
  }
  return refusal(
    'not-found',
    `${image.name} has no runscript, no entrypoint and no /bin/sh`,
    'Say what to run with nbcontainer exec IMAGE COMMAND'
  );
}

function shellCommand(spec: IRunSpec, image: Pick<IImageFacts, 'name' | 'tree'>): ICommand | IRefusal {
  const notes: INote[] = [];
  if (spec.shell !== undefined) {
    if (hasFile(image.tree, spec.shell)) {
      return command([spec.shell, ...spec.command]);
    }
    notes.push({ level: 'warning', text: `the image has no ${spec.shell}: another shell is used` });
  }
  for (const [shell, ...options] of [['/bin/bash', '--norc'], ['/bin/sh']] as const) {
    if (hasFile(image.tree, shell)) {
      return { ...command([shell, ...options, ...spec.command]), environment: { SHELL: shell }, notes };
    }
  }
  return {
    ...refusal(
      'not-found',
      `${image.name} has no shell: /bin/sh does not exist in container`,
      'Run one of its programs with nbcontainer exec IMAGE COMMAND or nbcontainer run IMAGE'
    ),
    step: 'application'
  };
}

function command(argv: readonly string[]): ICommand {
  return { kind: 'command', argv, environment: {}, notes: [] };
}

function refusal(code: IRefusal['code'], message: string, fix: string): IRefusal {
  return { kind: 'refusal', code, message, reason: 'nothing to execute was found', fix };
}
