// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts, Listings, ProbeName } from '../host/facts.ts';
import { callerIdentity, insideAccount, type Wishes } from './identity.ts';
import { planRun } from './plan.ts';
import { nextStrategy, restrict } from './strategy.ts';
import type { IRunSpec } from './spec.ts';
import { COLAB, DEBIAN, execSpec, hostFacts, imageFacts, listing, ROOT } from './testing.ts';

type ProbeDenials = Partial<Record<ProbeName, string>>;

const MAPPERS = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETFCAP'];
const ALL = ['CAP_SYS_ADMIN', ...MAPPERS];
const FULL = '0 0 4294967295';
const NO = { userNamespace: false, fakeroot: false, writableTmpfs: false };

describe('callerIdentity', () => {
  const user = hostFacts();
  const root = (capabilities: string[], more = {}) => hostFacts({}, { ...ROOT, capabilities, ...more });
  it.each([
    ['a user', user, NO, ['user', 'mount'], '1000 1000 1'],
    ['a user with --userns', user, { ...NO, userNamespace: true }, ['user', 'mount'], '1000 1000 1'],
    ['a user with --fakeroot', user, { ...NO, fakeroot: true }, ['user', 'mount'], '0 1000 1'],
    ['root', root(ALL), NO, ['mount'], undefined],
    ['root with --userns', root(ALL), { ...NO, userNamespace: true }, ['user', 'mount'], FULL],
    ['root with --fakeroot', root(ALL), { ...NO, fakeroot: true }, ['user', 'mount'], FULL],
    ['root without CAP_SYS_ADMIN', root(MAPPERS), NO, ['user', 'mount'], FULL],
    ['root that may map nobody else', root([]), NO, ['user', 'mount'], '0 0 1'],
    [
      'root of a user namespace',
      root(ALL, { idMaps: { uid: '         0       1000          1\n', gid: '0 1000 1\n' } }),
      { ...NO, fakeroot: true },
      ['user', 'mount'],
      '0 0 1'
    ],
    [
      'root of a namespace with a range',
      root(ALL, { idMaps: { uid: '0 1000 1\n1 100000 65536\n', gid: '0 1000 1\n1 100000 65536\n' } }),
      { ...NO, fakeroot: true },
      ['user', 'mount'],
      '0 0 1\n1 1 65536'
    ]
  ] as const)('%s', (_, host, wishes, namespaces, map) => {
    expect(callerIdentity(host, wishes)).toMatchObject({
      ok: true,
      privileged: !(namespaces as readonly string[]).includes('user'),
      unshare: { op: 'unshare', namespaces, ...(map !== undefined && { uidMap: map, gidMap: map }) }
    });
  });

  it('has none where a user namespace is wanted and denied', () => {
    const host = hostFacts({ 'user-namespace': 'EPERM', 'user-mount-namespace': 'EPERM' });
    expect(callerIdentity(host, { ...NO, fakeroot: true })).toEqual({
      ok: false,
      reason: 'no user namespace can be made (EPERM)'
    });
  });

  it('is real root where --fakeroot is wanted, user namespaces are denied and root may mount', () => {
    const host = hostFacts({ 'user-namespace': 'EPERM', 'user-mount-namespace': 'EPERM' }, { ...ROOT });
    const found = callerIdentity(host, { ...NO, fakeroot: true });
    expect(found).toMatchObject({ ok: true, privileged: true, fakes: false });
    expect(found).toHaveProperty('notes.0.text', expect.stringContaining('you are real root inside'));
  });

  const SUBORDINATE = { subordinate: { uid: { start: 100000, count: 65536 }, gid: { start: 200000, count: 10 } } };
  const HELPERS = { tools: { newuidmap: '/usr/bin/newuidmap', newgidmap: '/usr/bin/newgidmap' } };
  const FAKEROOT = { ...NO, fakeroot: true };
  it.each<[string, ProbeDenials, Partial<IHostFacts>, Partial<Wishes>, 'range' | 'single']>([
    ['with a range and newuidmap', {}, { ...SUBORDINATE, ...HELPERS }, {}, 'range'],
    ['without newuidmap', {}, SUBORDINATE, {}, 'single'],
    ['without a range', {}, HELPERS, {}, 'single'],
    ['with an overlay to write to', {}, { ...SUBORDINATE, ...HELPERS }, { writableTmpfs: true }, 'range'],
    [
      'with a copy to write to, which he has to remove',
      { 'user-overlay': 'EINVAL' },
      { ...SUBORDINATE, ...HELPERS },
      { writableTmpfs: true },
      'single'
    ],
    ['who only wants --userns', {}, { ...SUBORDINATE, ...HELPERS }, { fakeroot: false, userNamespace: true }, 'single']
  ])('--fakeroot of a user %s', (_, denied, host, wishes, kind) => {
    const found = callerIdentity(hostFacts(denied, host), { ...FAKEROOT, ...wishes });
    const fakeroot = wishes.fakeroot ?? true;
    const own = fakeroot ? '0 1000 1' : '1000 1000 1';
    expect(found).toMatchObject({
      ok: true,
      fakes: fakeroot && kind === 'single',
      unshare:
        kind === 'single'
          ? { uidMap: own, gidMap: own }
          : {
              uidMap: '0 1000 1\n1 100000 65536',
              gidMap: '0 1000 1\n1 200000 10',
              mapHelpers: ['/usr/bin/newuidmap', '/usr/bin/newgidmap']
            }
    });
    expect(JSON.stringify(found).includes('mapHelpers')).toBe(kind === 'range');
  });

  it('is brought down to a single id when newuidmap does not grant the range', () => {
    const host = hostFacts({}, { ...SUBORDINATE, ...HELPERS });
    const plan = planRun(execSpec({ fakeroot: true }), host, imageFacts(DEBIAN), {});
    const steps = plan.kind === 'plan' ? plan.steps : [];
    expect(steps.some(({ step }) => step.op === 'fake-root')).toBe(false);
    const failed = steps[0]?.step;
    const restriction = failed && nextStrategy(failed, 'EPERM');
    const restricted = restriction && restrict(host, restriction);
    const next = restricted && planRun(execSpec({ fakeroot: true }), restricted, imageFacts(DEBIAN), {});
    const single = next?.kind === 'plan' ? next.steps.map(({ step }) => step) : [];
    expect(single[0]).toEqual({ op: 'unshare', namespaces: ['user', 'mount'], uidMap: '0 1000 1', gidMap: '0 1000 1' });
    expect(single.slice(-3).map(({ op }) => op)).toEqual(['no-new-privileges', 'fake-root', 'chdir']);
    expect(single).toHaveLength(steps.length + 1);
  });
});

describe('--as user of root', () => {
  const account = {
    uid: 1002,
    gid: 1002,
    name: 'user',
    gecos: '',
    home: '/home/user',
    shell: '/bin/sh',
    groups: [{ gid: 1002, name: 'user' }]
  };
  const COLABS = { uid: '0 0 4294967295', gid: '0 0 4294967295' };
  const root = (more: Partial<IHostFacts['unprivileged']> = {}, facts: Partial<IHostFacts> = {}): IHostFacts =>
    hostFacts(COLAB, {
      ...ROOT,
      capabilities: ALL,
      idMaps: COLABS,
      unprivileged: {
        account,
        origin: 'an id that nobody has here',
        hasHome: false,
        workingDirectory: { enter: true, write: false },
        ...more
      },
      ...facts
    });
  const image = imageFacts(DEBIAN, { passwd: 'root:x:0:0:root:/root:/bin/sh\n', group: 'root:x:0:\n' });
  const plan = (host: IHostFacts, spec: Partial<IRunSpec> = {}): ReturnType<typeof planRun> =>
    planRun(execSpec({ as: 'user', ...spec }), host, image, { USER: 'root', HOME: '/root' });

  it('gives root up after the mounts, with an account and an empty home that exist inside only', () => {
    const result = plan(root());
    const steps = result.kind === 'plan' ? result.steps.map(({ step }) => step) : [];
    expect(result).toMatchObject({
      root: 'in-place',
      execution: { environment: { HOME: '/home/user', USER: 'user', LOGNAME: 'user' } }
    });
    expect(steps[0]).toEqual({ op: 'unshare', namespaces: ['mount'] });
    expect(steps).toContainEqual({ op: 'account', uid: 1002, gid: 1002, groups: [1002] });
    expect(steps).toContainEqual(
      expect.objectContaining({ op: 'tmpfs', target: '/home/user', options: 'mode=0700,uid=1002,gid=1002' })
    );
    expect(steps.map(({ op }) => op).slice(-4)).toEqual(['umask', 'account', 'no-new-privileges', 'chdir']);
    expect(JSON.stringify(steps)).toContain('user:x:1002:1002::/home/user:/bin/sh');
    expect(JSON.stringify(steps)).not.toContain('"source":"/root"');
  });

  it.each([
    [{ enter: true, write: false }, 'can read but not write the working directory /content'],
    [{ enter: false, write: false }, 'cannot enter the working directory /content'],
    [{ enter: true, write: true }, undefined]
  ])('says before the run what the account may do here: %j', (workingDirectory, text) => {
    const result = plan(root({ workingDirectory }));
    const said = result.kind === 'plan' ? result.notes.filter(({ level }) => level === 'warning') : [];
    expect(said.map(note => note.text)).toEqual(text === undefined ? [] : [expect.stringContaining(text)]);
  });

  it('binds the home of an account that has one', () => {
    const result = plan(root({ hasHome: true }));
    const steps = result.kind === 'plan' ? result.steps.map(({ step }) => step) : [];
    expect(steps).toContainEqual(expect.objectContaining({ op: 'bind', source: '/home/user' }));
  });

  it.each<[Partial<IHostFacts>, string]>([
    [{ capabilities: ['CAP_SYS_ADMIN', 'CAP_SETUID'] }, 'root has no CAP_SETGID'],
    [{ idMaps: { uid: '0 1000 1', gid: '0 1000 1' } }, 'this user namespace has no other id than those of root']
  ])('is refused where root cannot become anybody: %j', (facts, reason) => {
    expect(plan(root({}, facts))).toMatchObject({ kind: 'refusal', code: 'refused', reason });
  });

  it('changes nothing for somebody who is no root', () => {
    const asked = planRun(execSpec({ as: 'user' }), hostFacts(), image, {});
    expect(asked).toEqual(planRun(execSpec(), hostFacts(), image, {}));
  });
});

describe('a fake root with one id', () => {
  const withApt = {
    ...DEBIAN,
    '/etc': [...(DEBIAN['/etc'] ?? []), ...listing('apt/')],
    '/etc/apt': listing('apt.conf.d/'),
    '/etc/apt/apt.conf.d': []
  };
  it('keeps apt from becoming _apt, where the image has apt', () => {
    const text = (tree: Listings): string =>
      JSON.stringify(planRun(execSpec({ fakeroot: true }), hostFacts(), imageFacts(tree), {}));
    expect(text(withApt)).toContain('APT::Sandbox::User');
    expect(text(DEBIAN)).not.toContain('APT::Sandbox::User');
  });

  it('leaves accounts and the time zone to the packages in a root that can be written to', () => {
    const host = hostFacts(
      {},
      { paths: { ...hostFacts().paths, '/etc/localtime': { real: '/usr/share/zoneinfo/Europe/Rome', type: 'file' } } }
    );
    const image = imageFacts(DEBIAN, { passwd: 'root:x:0:0:root:/root:/bin/sh\n', group: 'root:x:0:\n' });
    const targets = (spec: Partial<IRunSpec>): string[] => {
      const plan = planRun(execSpec({ fakeroot: true, ...spec }), host, image, {});
      const steps = plan.kind === 'plan' ? plan.steps : [];
      return steps.flatMap(({ step }) =>
        step.op === 'bind' && /passwd|group|localtime/.test(step.target) ? [step.target] : []
      );
    };
    expect(targets({})).toEqual(expect.arrayContaining(['/etc/localtime', '/etc/group']));
    expect(targets({ writableTmpfs: true })).toEqual([]);
  });
});

describe('--fakeroot of a user', () => {
  it('makes him root in passwd, in HOME and in the environment', () => {
    const image = imageFacts(DEBIAN, { passwd: 'root:x:0:0:root:/root:/bin/sh\n', group: 'root:x:0:\n' });
    const host = hostFacts({}, {});
    const plan = planRun(execSpec({ fakeroot: true }), host, image, { HOME: '/home/ada' });
    expect(plan).toMatchObject({ kind: 'plan', execution: { environment: { HOME: '/root' } } });
    const steps = plan.kind === 'plan' ? plan.steps.map(({ step }) => step) : [];
    expect(steps).toContainEqual(expect.objectContaining({ op: 'bind', source: '/home/ada', target: '/root' }));
    expect(insideAccount({ fakeroot: true }, host)).toMatchObject({ uid: 0, gid: 0, name: 'root' });
    expect(insideAccount({ fakeroot: false }, host)).toBe(host.account);
  });
});
