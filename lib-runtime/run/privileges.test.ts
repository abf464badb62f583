// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { parseCapabilities, privilegeNotes, privilegesRefusal, privilegeSteps } from './privileges.ts';
import type { IRunSpec } from './spec.ts';
import { execSpec, hostFacts, ROOT } from './testing.ts';

const root = hostFacts({}, { ...ROOT, capabilities: ['CAP_SYS_ADMIN', 'CAP_SETPCAP'] });
const weak = hostFacts({}, ROOT);

const steps = (spec: Partial<IRunSpec>, uid = 0, host = root, filtered = false): string[] =>
  privilegeSteps(execSpec(spec), host, uid, filtered).map(({ step }) =>
    step.op === 'drop-capabilities'
      ? `drop ${step.numbers.length < 9 ? step.numbers.join() : step.numbers.length}`
      : step.op
  );
const NNP = 'no-new-privileges';

describe('privilegeSteps', () => {
  it.each<[string, string[], string[]]>([
    ['nothing asked for', steps({}), [NNP]],
    ['a user', steps({ dropCapabilities: ['CAP_CHOWN'], noPrivileges: true }, 1000), [NNP]],
    ['--drop-caps', steps({ dropCapabilities: ['CAP_CHOWN', 'CAP_KILL', 'CAP_BOGUS'] }), [NNP, 'drop 0,5']],
    ['--drop-caps all', steps({ dropCapabilities: ['CAP_ALL'] }), [NNP, 'drop 64']],
    ['--no-privs', steps({ noPrivileges: true }), [NNP, 'drop 64']],
    ['--no-privs --keep-privs', steps({ noPrivileges: true, keepPrivileges: true }), [NNP, 'drop 64']],
    [
      '--no-privs --add-caps',
      steps({ noPrivileges: true, addCapabilities: ['CAP_CHOWN', 'CAP_KILL'], dropCapabilities: ['CAP_KILL'] }),
      [NNP, 'drop 63']
    ],
    ['--add-caps of what root has', steps({ addCapabilities: ['CAP_CHOWN'] }), [NNP]],
    ['--keep-privs', steps({ keepPrivileges: true }), []],
    ['--keep-privs under a filter', steps({ keepPrivileges: true }, 0, root, true), [NNP]],
    ['--keep-privs --drop-caps', steps({ keepPrivileges: true, dropCapabilities: ['CAP_KILL'] }), ['drop 5']],
    [
      '--keep-privs --drop-caps without CAP_SETPCAP',
      steps({ keepPrivileges: true, dropCapabilities: ['CAP_KILL'] }, 0, weak),
      [NNP, 'drop 5']
    ]
  ])('%s', (_, actual, expected) => {
    expect(actual).toEqual(expected);
  });
});

it('says what it cannot do', () => {
  const spec = execSpec({ addCapabilities: ['CAP_BOGUS', 'CAP_CHOWN'], keepPrivileges: true });
  expect(privilegeNotes(spec, 0).map(({ text }) => text)).toEqual(["won't add unknown capability: CAP_BOGUS"]);
  expect(privilegeNotes(spec, 1000).map(({ text }) => text)).toEqual([
    "won't add unknown capability: CAP_BOGUS",
    'not authorized to add capability: CAP_CHOWN'
  ]);
  expect(privilegesRefusal(spec, hostFacts())).toMatchObject({ message: '--keep-privs requires root privileges' });
  expect(privilegesRefusal(spec, root)).toBeUndefined();
});

it('reads names with and without their prefix', () => {
  expect(parseCapabilities('chown, CAP_KILL,,all')).toEqual(['CAP_CHOWN', 'CAP_KILL', 'CAP_ALL']);
});
