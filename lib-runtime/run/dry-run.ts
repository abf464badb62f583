// SPDX-License-Identifier: BSD-3-Clause
/** A plan as text for `--dry-run`; as JSON the plan prints itself. */
import type { IPlannedStep, Step } from '../engines/steps.ts';
import { capabilityNames } from '../host/capabilities.ts';
import { printable } from '../support/errors.ts';
import type { Plan } from './plan-types.ts';

/** Generated files and the shell program are long: this much of a text is shown. */
const SHOWN = 60;

/** Head, notes, steps with their reasons, command; one line each, no control characters. */
export function formatPlan(plan: Plan): string {
  const lines = [`engine  ${plan.engine}, root ${plan.root}`, `rootfs  ${describeRootfs(plan)}`];
  for (const { level, text } of plan.notes) {
    lines.push(`${level === 'warning' ? 'warning' : 'note   '} ${printable(text)}`);
  }
  if (plan.limits !== undefined) {
    lines.push(
      `limits  ${Object.entries(plan.limits)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}`
    );
  }
  lines.push('');
  if (plan.engine === 'namespaces') {
    lines.push(...formatSteps(plan.steps));
  } else {
    if (plan.confinement.length > 0) {
      lines.push(`without ${plan.confinement.join(', ')}:`);
    }
    lines.push(`${plan.program} ${plan.arguments.map(quote).join(' ')}`, ...formatSteps(plan.steps));
  }
  lines.push('', `command ${plan.execution.argv.map(quote).join(' ')}`);
  return lines.join('\n');
}

/** One line a step: number, what, why. */
export function formatSteps(steps: readonly IPlannedStep[]): string[] {
  const rows = steps.map(
    ({ step, reason }, index) => [String(index + 1), describeStep(step), printable(reason)] as const
  );
  const width = Math.min(64, Math.max(0, ...rows.map(([, what]) => what.length)));
  return rows.map(([number, what, why]) => `${number.padStart(3)}  ${what.padEnd(width)}  ${why}`);
}

/** A step in the words of mount(8) and friends. */
export function describeStep(step: Step): string {
  return printable(words(step).filter(Boolean).join(' '));
}

function words(step: Step): string[] {
  switch (step.op) {
    case 'unshare': {
      const maps = step.uidMap === undefined ? [] : [`uid ${step.uidMap}`, `gid ${step.gidMap ?? ''}`];
      return ['unshare', step.namespaces.join(','), ...maps, step.mapHelpers ? 'by newuidmap' : ''];
    }
    case 'stage':
      return ['stage', step.stage, `${step.sizeBytes}`];
    case 'squashfs':
      return ['squashfs', `${step.image}@${step.offset}`, step.mountpoint];
    case 'ext3':
      return ['ext3', at(step.image, step.offset), step.mountpoint, step.readOnly ? 'ro' : ''];
    case 'fuse':
      return ['fuse', step.program, step.options, step.source, step.mountpoint, step.wishes.join(',')];
    case 'overlay':
      return ['overlay', step.lower.join(':'), step.upper ?? '', step.userxattr ? 'userxattr' : ''];
    case 'mkdir':
      return ['mkdir', step.path, octal(step.mode)];
    case 'file':
    case 'write':
      return [step.op, step.path, step.content === '' ? '' : `(${step.content.length} characters)`];
    case 'symlink':
      return ['symlink', step.path, '->', step.target];
    case 'bind':
      return ['bind', step.source, step.target, step.flags.join(','), step.optional ? 'optional' : ''];
    case 'tmpfs':
      return ['tmpfs', step.target, step.options, step.flags.join(',')];
    case 'procfs':
      return ['procfs', step.target];
    case 'remount':
      return ['remount', step.target, step.flags.join(',')];
    case 'chroot':
      return ['chroot', step.root];
    case 'ledger':
    case 'tree':
      return [step.op, step.directory];
    case 'take':
      return ['take', step.source, step.path];
    case 'device':
      return ['device', step.path, octal(step.mode), `${step.major}:${step.minor}`];
    case 'own':
      return ['own', step.path, `${step.uid}:${step.gid}`];
    case 'entry':
      return ['entry', step.kind, `/${step.name}`, step.target === undefined ? '' : `-> ${step.target}`];
    case 'place':
      return ['place', step.from, `/${step.name}`];
    case 'hide':
      return ['hide', step.kind, `/${step.name}`];
    case 'hostname':
      return ['hostname', step.name];
    case 'umask':
      return ['umask', octal(step.mask)];
    case 'drop-capabilities':
      return [
        step.op,
        capabilityNames(step.numbers.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n).toString(16)).join(',')
      ];
    case 'without-system-calls':
      return [step.op, step.names.join(',')];
    case 'chdir':
      return ['chdir', step.candidates.join(' or ')];
    case 'account':
      return [step.op, `${step.uid}:${step.gid}`, step.groups.join(',')];
    case 'hold':
      return step.command ? ['hold'] : ['hold', 'without a command'];
    case 'join':
      return ['join', String(step.pid), step.namespaces.join(',')];
    case 'private':
    case 'pivot':
    case 'unstage':
    case 'fake-root':
    case 'no-new-privileges':
      return [step.op];
  }
}

function at(file: string, offset: number): string {
  return offset === 0 ? file : `${file}@${offset}`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function describeRootfs({ rootfs }: Plan): string {
  switch (rootfs.kind) {
    case 'mounted':
      return rootfs.server === undefined ? 'mounted from the image' : `the image, served by ${rootfs.server} (FUSE)`;
    case 'tree':
      return `unpacked tree (${rootfs.view}) ${rootfs.directory}`;
    case 'copy':
      return `a writable copy (${rootfs.view}), made for this run and removed at its end`;
    case 'directory':
      return `directory ${rootfs.directory}`;
  }
}

function quote(word: string): string {
  const text = word.length > SHOWN ? `${word.slice(0, SHOWN).trim()}...` : word;
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${printable(text).replace(/'/g, `'\\''`)}'`;
}
