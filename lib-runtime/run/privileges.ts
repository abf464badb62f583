// SPDX-License-Identifier: BSD-3-Clause
/** --add-caps, --drop-caps, --no-privs, --keep-privs: what the payload may, as steps (Apptainer 1.4.5). Pure. */
import type { IPlannedStep } from '../engines/steps.ts';
import { capabilityNumbers } from '../host/capabilities.ts';
import type { IHostFacts } from '../host/facts.ts';
import type { INote, IRefusal } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';

/** Capability sets are 64 bits wide, whatever this kernel knows of them. */
const EVERY = Array.from({ length: 64 }, (_, number) => number);

type Wishes = Pick<
  IRunSpec,
  'addCapabilities' | 'dropCapabilities' | 'noPrivileges' | 'keepPrivileges' | 'security' | 'as'
>;

/** `chown,CAP_KILL` as symbolic names. */
export function parseCapabilities(text: string): string[] {
  return text
    .split(',')
    .map(name => name.trim().toUpperCase())
    .filter(Boolean)
    .map(name => (name.startsWith('CAP_') ? name : `CAP_${name}`));
}

/** Why the wishes cannot be met for this caller; undefined when they can. */
export function privilegesRefusal(spec: Wishes, { account }: Pick<IHostFacts, 'account'>): IRefusal | undefined {
  if (spec.security !== undefined && (account.uid !== 0 || spec.as === 'user')) {
    const flag = spec.security.uid === undefined ? 'gid' : 'uid';
    const user = account.uid !== 0;
    return {
      kind: 'refusal',
      code: 'refused',
      message: user ? `${flag} security feature requires root privileges` : '--as and --security are different wishes',
      reason: user ? `the caller is uid ${account.uid}` : 'both say who the command runs as',
      fix: 'Leave --security out'
    };
  }
  return spec.keepPrivileges && account.uid !== 0
    ? {
        kind: 'refusal',
        code: 'refused',
        message: '--keep-privs requires root privileges',
        reason: `the caller is uid ${account.uid}`,
        fix: 'Leave it out, or use --fakeroot to be root inside'
      }
    : undefined;
}

/**
 * The steps before the command.
 *
 * @param uid who the command is inside: only uid 0 has capabilities.
 * @param filtered a system call filter is installed, which needs no_new_privs.
 */
export function privilegeSteps(
  spec: Wishes,
  host: Pick<IHostFacts, 'capabilities'>,
  uid: number,
  filtered = false
): IPlannedStep[] {
  const dropped = uid === 0 ? droppedNumbers(spec) : [];
  // Without it, and without the right to change the bounding set, an exec would give back what was dropped.
  const holds = dropped.length === 0 || host.capabilities.includes('CAP_SETPCAP');
  const kept = uid === 0 && spec.keepPrivileges && !spec.noPrivileges && holds && !filtered;
  const drop: IPlannedStep = {
    step: { op: 'drop-capabilities', numbers: dropped },
    reason: spec.noPrivileges ? '--no-privs' : '--drop-caps'
  };
  return [
    ...(kept
      ? []
      : [{ step: { op: 'no-new-privileges' }, reason: 'setuid programs of the image give no rights' } as const]),
    ...(dropped.length > 0 ? [drop] : [])
  ];
}

/** What is said about names that mean nothing here. */
export function privilegeNotes(spec: Wishes, uid: number): INote[] {
  const named = [...spec.addCapabilities, ...spec.dropCapabilities];
  const unknown = named.filter(name => name !== 'CAP_ALL' && capabilityNumbers([name]).length === 0);
  const vain = uid === 0 ? [] : spec.addCapabilities.filter(name => !unknown.includes(name));
  return [
    ...unknown.map(name => ({ level: 'warning', text: `won't add unknown capability: ${name}` }) as const),
    ...vain.map(name => ({ level: 'warning', text: `not authorized to add capability: ${name}` }) as const)
  ];
}

/** Root has every capability unless --no-privs; then those of --add-caps; never those of --drop-caps. */
function droppedNumbers(spec: Wishes): number[] {
  const numbers = (names: readonly string[]): number[] =>
    names.includes('CAP_ALL') ? EVERY : capabilityNumbers(names);
  const added = numbers(spec.addCapabilities);
  const dropped = numbers(spec.dropCapabilities);
  return EVERY.filter(number => dropped.includes(number) || (spec.noPrivileges && !added.includes(number)));
}
