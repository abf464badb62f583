// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { ContainerError } from '../support/errors.ts';
import { parseVariables, runSpec } from './action-options.ts';

const none = {};

describe('runSpec', () => {
  it('is the default spec without flags', () => {
    const spec = runSpec('exec', ['true'], none, {});
    expect(spec).toMatchObject({ action: 'exec', command: ['true'], binds: [], cleanEnvironment: false, nv: false });
    expect(spec.workingDirectory).toBeUndefined();
  });

  it.each([
    ['APPTAINER_BIND', { APPTAINER_BIND: '/data' }, { binds: [{ source: '/data', target: '/data', readOnly: false }] }],
    ['legacy prefix', { SINGULARITY_NV: '1' }, { nv: true }],
    ['new prefix wins', { APPTAINER_NV: '0', SINGULARITY_NV: '1' }, { nv: false }],
    ['CLEANENV', { APPTAINER_CLEANENV: 'true' }, { cleanEnvironment: true }],
    ['CWD', { APPTAINER_CWD: '/w' }, { workingDirectory: '/w' }],
    ['PWD before CWD', { APPTAINER_CWD: '/w', APPTAINER_PWD: '/p' }, { workingDirectory: '/p' }],
    ['the first of two names', { APPTAINER_SCRATCH: '/a', APPTAINER_SCRATCHDIR: '/b' }, { scratch: ['/a'] }],
    ['HOME', { APPTAINER_HOME: '/a:/b' }, { home: { source: '/a', target: '/b' } }],
    ['CONTAINALL', { APPTAINER_CONTAINALL: '1' }, { contain: true, pid: true, ipc: true, cleanEnvironment: true }],
    ['NO_PID', { APPTAINER_CONTAINALL: '1', APPTAINER_NO_PID: '1' }, { contain: true, pid: false }],
    ['COMPAT', { APPTAINER_COMPAT: '1' }, { contain: true, noUmask: true, writableTmpfs: true, noEval: true }],
    ['UNSHARE_PID', { SINGULARITY_UNSHARE_PID: '1' }, { pid: true }],
    ['IPC', { APPTAINER_IPC: '1' }, { ipc: true }],
    ['UTS', { APPTAINER_UTS: '1' }, { uts: true }],
    ['MOUNT', { APPTAINER_MOUNT: 'source=/b,destination=/c' }, { binds: [{ source: '/b', target: '/c' }] }],
    ['SCRATCH', { APPTAINER_SCRATCH: '/a' }, { scratch: ['/a'] }],
    ['WORKDIR', { APPTAINER_WORKDIR: '/w' }, { workdir: '/w' }],
    ['DNS', { APPTAINER_DNS: '192.0.2.1' }, { dns: ['192.0.2.1'] }],
    ['NET', { APPTAINER_NET: '1' }, { network: true }],
    ['NO_PRIVS', { APPTAINER_NO_PRIVS: '1' }, { noPrivileges: true }],
    ['DROP_CAPS', { APPTAINER_DROP_CAPS: 'kill' }, { dropCapabilities: ['CAP_KILL'] }],
    ['CPUSET_CPUS', { SINGULARITY_CPUSET_CPUS: '0' }, { limits: { cpuset: '0' } }],
    ['OVERLAY', { APPTAINER_OVERLAY: '/o:ro' }, { overlays: [{ path: '/o', readOnly: true }] }],
    ['UNSHARE_USERNS', { APPTAINER_UNSHARE_USERNS: '1' }, { userNamespace: true }],
    ['FAKEROOT', { SINGULARITY_FAKEROOT: '1' }, { fakeroot: true }],
    ['UNSQUASH', { APPTAINER_UNSQUASH: '1' }, { unsquash: true }],
    ['NO_UMASK', { APPTAINER_NO_UMASK: '1' }, { noUmask: true }],
    ['NO_MOUNT', { APPTAINER_NO_MOUNT: 'tmp,cwd' }, { noMount: ['tmp', 'cwd'] }]
  ])('reads %s from the environment', (_, environment, expected) => {
    expect(runSpec('exec', [], none, environment)).toMatchObject(expected);
  });

  it.each([
    ['--containall', { containall: true }, { contain: true, cleanEnvironment: true, pid: true, ipc: true, uts: false }],
    ['--containall --no-pid', { containall: true, noPid: true }, { contain: true, pid: false, ipc: true }],
    ['--contain', { contain: true }, { contain: true, cleanEnvironment: false, pid: false, ipc: false }],
    [
      '--compat',
      { compat: true },
      { contain: true, pid: true, ipc: true, cleanEnvironment: true, writableTmpfs: true, noUmask: true, noEval: true }
    ],
    ['--pid --ipc --uts', { pid: true, ipc: true, uts: true }, { pid: true, ipc: true, uts: true, contain: false }],
    [
      '--mount after --bind',
      { bind: ['/a'], mount: ['type=bind,source=/b,destination=/c,ro'] },
      {
        binds: [
          { source: '/a', target: '/a', readOnly: false },
          { source: '/b', target: '/c', readOnly: true }
        ]
      }
    ],
    ['--no-mount', { noMount: ['tmp,cwd', 'home'] }, { noMount: ['tmp', 'cwd', 'home'] }],
    ['--scratch', { scratch: ['/a,/b', '/c'] }, { scratch: ['/a', '/b', '/c'] }],
    ['--workdir', { workdir: 'w' }, { workdir: 'w' }],
    ['--dns', { dns: '192.0.2.1,2001:db8::1' }, { dns: ['192.0.2.1', '2001:db8::1'] }],
    ['--net', { net: true }, { network: true }],
    ['--no-privs', { noPrivs: true }, { noPrivileges: true }],
    ['--keep-privs', { keepPrivs: true }, { keepPrivileges: true, noPrivileges: false }],
    [
      '--add-caps --drop-caps',
      { addCaps: 'chown', dropCaps: 'CAP_KILL,all' },
      { addCapabilities: ['CAP_CHOWN'], dropCapabilities: ['CAP_KILL', 'CAP_ALL'] }
    ],
    ['--memory --cpu-shares', { memory: '1m', cpuShares: '512' }, { limits: { memory: 1048576, cpuShares: 512 } }],
    [
      '--overlay',
      { overlay: ['/a:ro,b', 'c:rw'] },
      {
        overlays: [
          { path: '/a', readOnly: true },
          { path: 'b', readOnly: false },
          { path: 'c', readOnly: false }
        ]
      }
    ],
    ['--userns', { userns: true }, { userNamespace: true, fakeroot: false }],
    ['--fakeroot', { fakeroot: true }, { fakeroot: true, userNamespace: false }],
    ['--as fakeroot', { as: 'fakeroot' }, { as: 'fakeroot', fakeroot: true }],
    ['--as user', { as: 'user' }, { as: 'user', fakeroot: false }],
    ['--as auto', { as: 'auto', fakeroot: true }, { fakeroot: true }],
    ['--unsquash', { unsquash: true }, { unsquash: true }],
    ['--no-umask', { noUmask: true }, { noUmask: true }],
    ['--hostname a.b-c.d', { hostname: 'a.b-c.d' }, { hostname: 'a.b-c.d' }]
  ])('%s', (_, values, expected) => {
    expect(runSpec('exec', [], values, {})).toMatchObject(expected);
  });

  it('adds binds of flags after those of the environment', () => {
    const spec = runSpec('exec', [], { bind: ['/b:/c:ro'] }, { APPTAINER_BIND: '/a' });
    expect(spec.binds).toEqual([
      { source: '/a', target: '/a', readOnly: false },
      { source: '/b', target: '/c', readOnly: true }
    ]);
  });

  it.each([
    ['NO_MOUNT', { noMount: ['tmp'] }, { noMount: ['tmp'] }],
    ['SCRATCH', { scratch: ['/b'] }, { scratch: ['/b'] }],
    ['OVERLAY', { overlay: ['/b:ro'] }, { overlays: [{ path: '/b', readOnly: true }] }],
    ['SECURITY', { security: ['gid:1'] }, { security: { gids: [1] } }]
  ])('takes the flag in the place of %s', (name, values, expected) => {
    const variable = { [`APPTAINER_${name}`]: name === 'SECURITY' ? 'uid:5' : '/x' };
    expect(runSpec('exec', [], values, variable)).toEqual({ ...runSpec('exec', [], {}, {}), ...expected });
  });

  it.each([
    ['an older name behind an empty new one', { APPTAINER_PWD: '', SINGULARITY_PWD: '/p' }],
    ['ENV, which programs set for themselves', { APPTAINER_ENV: 'production' }],
    ['SHELL, for exec', { APPTAINER_SHELL: '/bin/x' }]
  ])('passes over %s', (_, environment) => {
    expect(runSpec('exec', [], none, environment)).toEqual(runSpec('exec', [], none, {}));
  });

  it('lets --env beat --env-file', () => {
    const spec = runSpec('exec', [], { env: ['A=flag'] }, {}, { A: 'file', B: 'file' });
    expect(spec.environment).toEqual({ A: 'flag', B: 'file' });
  });

  it.each([['app'], ['dns'], ['home'], ['hostname'], ['pwd'], ['shell'], ['workdir']])(
    'takes an empty --%s for none, also against the environment',
    name => {
      const spec = runSpec('shell', [], { [name]: '' }, { [`APPTAINER_${name.toUpperCase()}`]: '/bin/x' });
      expect(spec).toEqual(runSpec('shell', [], {}, {}));
    }
  );

  it('lets a false flag beat the environment', () => {
    const environment = { APPTAINER_CLEANENV: '1', APPTAINER_NO_HOME: '1', APPTAINER_NO_PID: '1' };
    const values = { cleanenv: false, noHome: false, noPid: false, pid: true };
    expect(runSpec('exec', [], values, environment)).toEqual(runSpec('exec', [], { pid: true }, {}));
  });

  it.each([
    ['--engine', { engine: 'docker' }],
    ['--as', { as: 'nobody' }],
    ['--as user and --fakeroot', { as: 'user', fakeroot: true }],
    ['--hostname', { hostname: 'bad host' }],
    ['--hostname', { hostname: 'a..b' }],
    ['--app', { app: '../x' }],
    ['--scratch', { scratch: ['relative'] }],
    ['--scratch', { scratch: ['/'] }],
    ['--overlay', { overlay: ['/a:no'] }],
    ['--dns', { dns: 'example.org' }],
    ['--mount', { mount: ['type=tmpfs,destination=/b'] }],
    ['--home', { home: 'a:b:c' }],
    ['--env', { env: ['novalue'] }]
  ])('refuses a bad %s in words', (flag, values) => {
    expect(() => runSpec('exec', [], values, {})).toThrow(ContainerError);
    expect(() => runSpec('exec', [], values, {})).toThrow(flag);
  });
});

describe('parseVariables', () => {
  it.each([
    [['A=1'], { A: '1' }],
    [['A=1,B=2'], { A: '1', B: '2' }],
    [['A=x,y'], { A: 'x,y' }],
    [['A="x"'], { A: '"x' }],
    [['"A=x y"'], { A: 'x y' }],
    [['A="'], { A: '' }],
    [['"A=1,2",B=3'], { A: '1,2', B: '3' }],
    [['A='], { A: '' }],
    [['A=b=c'], { A: 'b=c' }],
    [['=b'], { '': 'b' }]
  ])('%j', (items, expected) => {
    expect(parseVariables(items)).toEqual(expected);
  });

  it.each([['A=1=2,x'], ['A=1,B=x,y'], ['A="1,2",B=3'], ['A']])('refuses %s', item => {
    expect(() => parseVariables([item])).toThrow(expect.objectContaining({ code: 'usage', step: 'flag' }));
  });
});
