// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { execError, stepError } from './launch-errors.ts';
import { decodeStatus, encodePlan, MAX_PLAN_BYTES, StatusDecoder, type StatusRecord } from './protocol.ts';
import type { Step } from './steps.ts';
import { freshLauncher, planned, tryLauncher } from './test-support.ts';

const EXECUTION = { argv: ['true'], environment: { PATH: '/bin', EMPTY: '' } };
const strings = (...steps: Step[]): string[] =>
  encodePlan(planned(...steps), EXECUTION)
    .toString()
    .split('\0')
    .slice(0, -1);
const TAIL = ['environment', '2', 'PATH=/bin', 'EMPTY=', 'argv', '1', 'true', 'end'];

describe('encodePlan', () => {
  it.each<[Step, string[]]>([
    [
      { op: 'unshare', namespaces: ['user', 'mount'], uidMap: '0 1 2' },
      ['unshare', '2', 'user', 'mount', '0 1 2', '', '0']
    ],
    [
      { op: 'unshare', namespaces: ['user'], uidMap: '0 1 2', gidMap: '0 1 2', mapHelpers: ['/u', '/g'] },
      ['unshare', '1', 'user', '0 1 2', '0 1 2', '2', '/u', '/g']
    ],
    [{ op: 'account', uid: 1000, gid: 100, groups: [100, 4] }, ['account', '1000', '100', '2', '100', '4']],
    [{ op: 'fake-root' }, ['fake-root']],
    [{ op: 'private' }, ['private']],
    [{ op: 'stage', stage: '/s', sizeBytes: 5e9 }, ['stage', '/s', '5000000000']],
    [{ op: 'squashfs', image: '/i', offset: 45056, size: 9, mountpoint: '/m' }, ['squashfs', '/i', '45056', '9', '/m']],
    [
      { op: 'ext3', image: '/i', offset: 4096, size: 7, mountpoint: '/m', readOnly: true },
      ['ext3', '/i', '4096', '7', '/m', '1']
    ],
    [{ op: 'overlay', lower: ['/a', '/b'], userxattr: true }, ['overlay', '2', '/a', '/b', '', '', '1']],
    [
      { op: 'overlay', lower: ['/a'], upper: '/u', work: '/w', userxattr: false },
      ['overlay', '1', '/a', '/u', '/w', '0']
    ],
    [{ op: 'mkdir', path: '/d', mode: 0o755 }, ['mkdir', '/d', '493']],
    [{ op: 'file', path: '/f', mode: 0o644, content: 'a\nb' }, ['file', '/f', '420', 'a\nb']],
    [{ op: 'symlink', path: '/l', target: 't' }, ['symlink', '/l', 't']],
    [{ op: 'bind', source: '/s', target: '/t', flags: ['rec', 'ro'] }, ['bind', '/s', '/t', '2', 'rec', 'ro', '0']],
    [{ op: 'bind', source: '/s', target: '/t', flags: [], optional: true }, ['bind', '/s', '/t', '0', '1']],
    [{ op: 'tmpfs', target: '/t', options: 'size=1m', flags: ['nodev'] }, ['tmpfs', '/t', 'size=1m', '1', 'nodev']],
    [{ op: 'procfs', target: '/proc' }, ['procfs', '/proc']],
    [{ op: 'remount', target: '/t', flags: ['ro'] }, ['remount', '/t', '1', 'ro']],
    [{ op: 'pivot' }, ['pivot']],
    [{ op: 'chroot', root: '/r' }, ['chroot', '/r']],
    [{ op: 'ledger', directory: '/l' }, ['ledger', '/l']],
    [{ op: 'entry', kind: 'symlink', name: 'n', target: 't' }, ['entry', 'symlink', 'n', 't']],
    [{ op: 'entry', kind: 'file', name: 'n' }, ['entry', 'file', 'n', '']],
    [{ op: 'place', name: 'usr', from: '/usr' }, ['place', 'usr', '/usr']],
    [{ op: 'hide', name: 'opt', kind: 'directory' }, ['hide', 'opt', 'directory']],
    [{ op: 'unstage' }, ['unstage']],
    [{ op: 'hostname', name: 'h' }, ['hostname', 'h']],
    [{ op: 'umask', mask: 0o22 }, ['umask', '18']],
    [{ op: 'no-new-privileges' }, ['no-new-privileges']],
    [{ op: 'drop-capabilities', numbers: [0, 21] }, ['drop-capabilities', '2', '0', '21']],
    [{ op: 'without-system-calls', names: ['statx'] }, ['without-system-calls', '1', 'statx']],
    [{ op: 'hold', command: true }, ['hold', '1']],
    [{ op: 'join', pid: 7, namespaces: ['mount', 'pid'] }, ['join', '7', '2', 'mount', 'pid']],
    [{ op: 'chdir', candidates: ['/a', '/'] }, ['chdir', '2', '/a', '/']]
  ])('%j', (step, expected) => {
    expect(strings(step)).toEqual([...expected, ...TAIL]);
  });

  it.each<[string, () => Buffer, RegExp]>([
    ['a NUL', () => encodePlan([], { argv: ['a\0b'], environment: {} }), /NUL/],
    ['no command', () => encodePlan([], { argv: [], environment: {} }), /no command/],
    ['too much', () => encodePlan([], { argv: ['x'.repeat(MAX_PLAN_BYTES)], environment: {} }), /too large/]
  ])('refuses %s', (_what, encode, message) => {
    expect(encode).toThrow(message);
  });
});

describe('StatusDecoder', () => {
  it('reads records however they are cut', () => {
    const stream = Buffer.from(
      'note 3 ENOENT source /a b\0failed 12 EACCES policy: x\ny\0exec ENOENT interpreter /bin/sh\0'
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), cuts => {
        const records: StatusRecord[] = [];
        const decoder = new StatusDecoder(record => records.push(record));
        const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
        edges.slice(1).forEach((end, at) => {
          decoder.write(stream.subarray(edges[at], end));
        });
        decoder.end();
        expect(records).toEqual([
          { kind: 'note', index: 3, errno: 'ENOENT', text: 'source /a b' },
          { kind: 'failed', index: 12, errno: 'EACCES', text: 'policy: x\ny' },
          { kind: 'exec', errno: 'ENOENT', interpreter: '/bin/sh' }
        ]);
      })
    );
  });

  it('turns garbage and half a record into one failure', () => {
    const records: StatusRecord[] = [];
    const decoder = new StatusDecoder(record => records.push(record));
    decoder.write(Buffer.from('garbage\0note 1 ENO'));
    decoder.end();
    expect(records.map(record => [record.kind, record.errno])).toEqual([
      ['failed', 'EPROTO'],
      ['failed', 'EPROTO']
    ]);
    expect(decodeStatus('failed 99999999999 EIO x')).toBeUndefined();
  });
});

describe('the launcher, given a malformed plan', () => {
  let launcher = '';
  beforeAll(() => {
    launcher = freshLauncher();
  });
  const give = (...words: string[]): Promise<unknown> =>
    tryLauncher(launcher, [], EXECUTION, { input: Buffer.from(words.map(word => `${word}\0`).join('')) }).then(
      trial => ({
        status: trial.status,
        text: trial.records[0]?.kind === 'failed' ? trial.records[0].text : trial.records
      })
    );

  it.each<[string[], string]>([
    [['nonsense', ...TAIL], 'unknown operation in the plan'],
    [['mkdir', '/a', ...TAIL], 'bad operand in the plan'],
    [['mkdir', '/a', '-1', ...TAIL], 'bad operand in the plan'],
    [['mkdir', '/a', '99999999999999999999', ...TAIL], 'bad operand in the plan'],
    [['chdir', '18446744073709551615', '/', ...TAIL], 'bad operand in the plan'],
    [['chdir', '9', '/'], 'bad operand in the plan'],
    [['private'], 'the plan ends before its end mark'],
    [['environment', '0'], 'the plan has no argv'],
    [['environment', '1'], 'bad environment in the plan'],
    [['environment', '0', 'argv', '0', 'end'], 'bad argv in the plan'],
    [['environment', '0', 'argv', '1', 'true'], 'the plan has no proper end'],
    [['environment', '0', 'argv', '1', 'true', 'end', 'more'], 'the plan has no proper end']
  ])('%j', async (words, text) => {
    expect(await give(...words)).toEqual({ status: 255, text });
  });

  it('refuses a stream that is empty or does not end with NUL', async () => {
    for (const input of [Buffer.alloc(0), Buffer.from('private')]) {
      const trial = await tryLauncher(launcher, [], EXECUTION, { input });
      expect(trial.status).toBe(255);
      expect(trial.records).toMatchObject([{ kind: 'failed', errno: 'EPROTO' }]);
    }
  });

  it('refuses 17 MiB', async () => {
    const trial = await tryLauncher(launcher, [], EXECUTION, { input: Buffer.alloc(17 << 20, 'a') });
    expect(trial.records).toMatchObject([{ kind: 'failed', errno: 'E2BIG' }]);
  });

  it('never crashes or executes on a plan with bytes changed', async () => {
    const plan = encodePlan(
      planned({ op: 'chdir', candidates: ['/no/such/a', '/no/such/b'] }, { op: 'umask', mask: 0o22 }),
      { argv: ['/no/such/program'], environment: { A: 'b' } }
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(plan.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: plan.length }),
        async (changes, length) => {
          const input = Buffer.from(plan.subarray(0, length));
          changes.forEach(([at, byte]) => at < length && (input[at] = byte));
          const trial = await tryLauncher(launcher, [], EXECUTION, { input });
          expect(trial.status).toBe(255);
          expect(trial.records.filter(record => record.kind !== 'note')).toHaveLength(1);
          expect(
            trial.records.filter(
              record => record.errno === 'EPROTO' && 'text' in record && record.text.startsWith('unexpected')
            )
          ).toEqual([]);
        }
      ),
      { numRuns: 150 }
    );
  });
});

describe('errors', () => {
  const record = (errno: string, text: string) => ({ kind: 'failed', index: 0, errno, text }) as const;

  it.each<[Step, string, string, RegExp]>([
    [{ op: 'unshare', namespaces: ['user', 'mount'] }, 'EPERM', 'unshare', /user namespace.*--engine ptrace/],
    [{ op: 'unshare', namespaces: ['mount'] }, 'EPERM', 'unshare', /CAP_SYS_ADMIN/],
    [{ op: 'private' }, 'EACCES', 'make every mount private', /AppArmor/],
    [{ op: 'bind', source: '/a', target: '/b', flags: [] }, 'ENOENT', 'source /a', /--bind/],
    [{ op: 'bind', source: '/a', target: '/b', flags: [] }, 'ENOENT', 'target /b', /mount point/],
    [{ op: 'bind', source: '/proc', target: '/p', flags: [] }, 'EACCES', 'policy: source /proc', /keeps to that/],
    [{ op: 'procfs', target: '/proc' }, 'EPERM', 'mount procfs on /proc', /masked/],
    [{ op: 'umask', mask: 0 }, 'EWHATEVER', 'odd', /odd \(a test\) \(EWHATEVER\)\./]
  ])('%j %s', (step, errno, text, sentence) => {
    const error = stepError(record(errno, text), { step, reason: 'a test' });
    expect(error.code).toBe('launch');
    expect(error.toSentence()).toMatch(sentence);
  });

  it('words a missing command as Apptainer does', () => {
    const missing = execError({ kind: 'exec', errno: 'ENOENT' }, { argv: ['foo'], environment: {} });
    expect(missing.message).toBe('"foo": executable file not found in $PATH');
    expect(missing.code).toBe('exec');
    const interpreter = execError(
      { kind: 'exec', errno: 'ENOENT', interpreter: '/bin/zsh' },
      { argv: ['/s'], environment: {} }
    );
    expect(interpreter.reason).toContain('/bin/zsh');
  });
});
