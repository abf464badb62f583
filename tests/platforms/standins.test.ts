// SPDX-License-Identifier: BSD-3-Clause
/** The stand-ins refuse what the platforms refuse, permit what they permit, and leave nothing behind. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildStandIn, REPOSITORY } from '../../platforms/build.ts';
import { capabilityMask, RECIPES, STAND_INS } from '../../platforms/recipes.ts';
import type { IStandInOptions, StandInName } from '../../platforms/recipes.ts';
import { collect, runOnStandIn, standInsWork, startOnStandIn } from '../../platforms/standin.ts';

const works = standInsWork();
/** busybox's mount reports the errno in words; util-linux turns EACCES into "read-only". */
const MOUNT = 'busybox mount';

let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'nbc-standin-'));
  chmodSync(scratch, 0o777); // for the stand-ins of ordinary accounts
  await buildStandIn();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function shell(name: StandInName, script: string, options: IStandInOptions & { input?: string } = {}) {
  return runOnStandIn(name, ['sh', '-c', script], options);
}

describe.runIf(works).each(STAND_INS)('every stand-in: %s', name => {
  it('runs a command with its input, output, errors and status', async () => {
    const result = await shell(name, 'id -u; cat; echo warning >&2; exit 7', { input: 'hello\n' });
    const uid = RECIPES[name].account?.uid ?? 0;
    expect(result).toEqual({ status: 7, stdout: `${uid}\nhello\n`, stderr: 'warning\n' });
  });

  it('says 127 for a missing command and 128 + N for a signal', async () => {
    expect((await runOnStandIn(name, ['/no/such/program'])).status).toBe(127);
    expect((await shell(name, 'kill -9 $$')).status).toBe(137);
  });

  it('passes a signal on', async () => {
    const child = await startOnStandIn(name, ['sh', '-c', 'trap "echo got; exit 3" TERM; echo ready; sleep 30 & wait']);
    const done = collect(child);
    await new Promise<void>(resolve => child.stdout?.once('data', () => resolve()));
    child.kill('SIGTERM');
    expect(await done).toEqual({ status: 3, stdout: 'ready\ngot\n', stderr: '' });
  });

  it('has a root of its own: what is written there is gone', async () => {
    const { account } = RECIPES[name];
    const marks =
      account === undefined ? ['/nbc-mark', '/usr/nbc-mark', '/etc/nbc-mark'] : [`${account.home}/nbc-mark`];
    const moves = account === undefined ? 'mv /etc/passwd /etc/passwd.moved' : '! touch /nbc-mark 2>/dev/null';
    const result = await shell(name, `touch ${marks.join(' ')} && ${moves} && ls ${marks[0]}`);
    expect(result).toEqual({ status: 0, stdout: `${marks[0]}\n`, stderr: '' });
    expect([...marks, '/nbc-mark'].filter(path => existsSync(path))).toEqual([]);
    expect(existsSync('/etc/passwd')).toBe(true);
  });

  it('writes through a bind, and only there', async () => {
    const result = await shell(name, `echo kept > ${scratch}/${name}`, { binds: [scratch] });
    expect(result).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(readFileSync(join(scratch, name), 'utf8')).toBe('kept\n');
  });

  it('shows the repository read-only and runs the pinned Node', async () => {
    const result = await shell(name, `node -v && test -f ${REPOSITORY}/package.json && ! touch ${REPOSITORY}/mark`);
    expect(result.status).toBe(0);
    expect(result.stdout).toBe(`${process.version}\n`);
    expect(result.stderr).toContain('Read-only file system');
  });

  it('leaves no process and no mount, even after kill -9 of the supervisor', async () => {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    const mark = `3000.${process.pid}`;
    const script = `mount -t tmpfs none /mnt 2>/dev/null; setsid sleep ${mark} & sleep ${mark} & echo ready; wait`;
    const child = await startOnStandIn(name, ['sh', '-c', script]);
    await new Promise<void>(resolve => child.stdout?.once('data', () => resolve()));
    await expect.poll(() => processesWith(mark).length).toBe(3); // the shell and both sleeps
    child.kill('SIGKILL');
    await expect.poll(() => processesWith(mark)).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(mounts);
  });
});

describe.runIf(works)('a stand-in of a test', () => {
  it('dies with the process that started it', async () => {
    const mark = `3001.${process.pid}`;
    const program = [
      `import { startOnStandIn } from ${JSON.stringify(join(REPOSITORY, 'platforms', 'standin.ts'))};`,
      `await startOnStandIn('kaggle', ['sleep', '${mark}'], { stdio: 'ignore' });`
    ].join('\n');
    const starter = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
    await expect.poll(() => processesWith(mark).length, { timeout: 10_000 }).toBeGreaterThan(1);
    starter.kill('SIGKILL');
    await expect.poll(() => processesWith(mark)).toEqual([]);
  });
});

describe.runIf(works)('vm-root', () => {
  it('has the rights and devices of the machine', async () => {
    const status = readFileSync('/proc/self/status', 'utf8');
    const effective = /^CapEff:\s*(\w+)$/m.exec(status)?.[1];
    const result = await shell(
      'vm-root',
      'grep CapEff /proc/self/status; ls /dev/loop-control; unshare -Um true && echo namespaces'
    );
    expect(result.stdout).toBe(`CapEff:\t${effective}\n/dev/loop-control\nnamespaces\n`);
  });

  it('mounts procfs and what carries it', async () => {
    const script = `mkdir -p /tmp/p /tmp/q && ${MOUNT} -t proc p /tmp/p && ${MOUNT} --rbind / /tmp/q && test -e /tmp/q/proc/self/exe`;
    expect(await shell('vm-root', script)).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});

/** Runs each command on its own, in a private mount namespace of one stand-in; result per command. */
async function attempts(name: StandInName, commands: readonly string[], options: IStandInOptions = {}) {
  const script = commands
    .map((command, index) => `(${command}) 2>/tmp/e${index} >&2; echo "$? $(tail -n 1 /tmp/e${index})"`)
    .join('\n');
  const result = await shell(name, `mkdir /tmp/a /tmp/b /tmp/c\n${script}`, options);
  return new Map(
    result.stdout
      .trimEnd()
      .split('\n')
      .map((line, index) => [commands[index], line])
  );
}

describe.runIf(works)('colab', () => {
  it("has docker's capabilities and SYS_ADMIN", async () => {
    const mask = capabilityMask(RECIPES.colab.capabilities ?? []);
    expect(mask).toBe('a82425fb');
    const { stdout } = await shell(
      'colab',
      'grep -E "Cap(Prm|Eff|Bnd)|NoNewPrivs" /proc/self/status; pwd; ls -a /root /tmp'
    );
    const wide = mask.padStart(16, '0');
    expect(stdout).toContain(`CapPrm:\t${wide}\nCapEff:\t${wide}\nCapBnd:\t${wide}\nNoNewPrivs:\t0\n/content\n`);
    expect(stdout).toContain('/root:\n.\n..\n');
  });

  const REFUSED = [
    `${MOUNT} --bind /proc/self /tmp/b`,
    `${MOUNT} --bind /proc /tmp/b`,
    `touch /tmp/f && ${MOUNT} --bind /proc/self/mountinfo /tmp/f`,
    `ln -s /proc /tmp/link && ln -s link/self /tmp/other && ${MOUNT} --bind /tmp/other/net /tmp/b`,
    `cd /proc && ${MOUNT} --bind ./self/../sys /tmp/b`,
    `cd / && ${MOUNT} --bind ../../proc /tmp/b`,
    `${MOUNT} -t proc proc /tmp/b`,
    `${MOUNT} -t tmpfs none /proc/fs`,
    `${MOUNT} -o remount,rw /proc`,
    `${MOUNT} --rbind / /tmp/b`,
    `${MOUNT} --rbind /proc/.. /tmp/b`,
    `mkdir /tmp/r && ${MOUNT} --bind / /tmp/r && chroot /tmp/r mkdir -p /x && ${MOUNT} --rbind / /tmp/r`,
    `unshare -m ${MOUNT} --bind /proc /tmp/b`,
    `unshare -Um --map-root-user ${MOUNT} --rbind /proc /tmp/b`,
    `unshare -Um --map-root-user ${MOUNT} --rbind / /tmp/b`,
    `unshare -Ump -f --map-root-user ${MOUNT} -t proc proc /tmp/b`,
    `chroot / ${MOUNT} --bind /proc /tmp/b`
  ];
  it('refuses every mount that involves procfs, with EACCES', async () => {
    const results = await attempts('colab', REFUSED);
    const wrong = [...results].filter(([, line]) => !/^[1-9]\d* .*Permission denied$/.test(line));
    expect(wrong).toEqual([]);
    expect(results.size).toBe(REFUSED.length);
  });

  const PERMITTED = [
    `${MOUNT} -t tmpfs none /tmp/a`,
    `${MOUNT} --bind /tmp /tmp/b`,
    `${MOUNT} --bind / /tmp/c && test ! -e /tmp/c/proc/self`,
    `${MOUNT} --rbind /usr /tmp/c`,
    `${MOUNT} --rbind /dev /tmp/c`,
    `${MOUNT} --make-rprivate /`,
    `mkdir /tmp/a/u /tmp/a/w && ${MOUNT} -t overlay overlay -o lowerdir=/usr,upperdir=/tmp/a/u,workdir=/tmp/a/w /tmp/b`,
    `unshare -Um --map-root-user ${MOUNT} -t tmpfs none /tmp/b`,
    'unshare -m sh -c "busybox mount -t tmpfs none /mnt && mkdir /mnt/old && cp $(command -v busybox) /mnt && cd /mnt && pivot_root . old && /busybox ls /old/usr"',
    'unshare -p -f true',
    'cat /proc/self/mountinfo',
    'test -c /dev/fuse'
  ];
  it('permits the other mounts, namespaces and pivot_root', async () => {
    const results = await attempts('colab', PERMITTED);
    expect([...results].filter(([, line]) => !/^0( |$)/.test(line))).toEqual([]);
    expect(results.size).toBe(PERMITTED.length);
  });

  it("refuses pivot_root with docker's profile on top, and still permits mounts", async () => {
    const script = `${MOUNT} -t tmpfs none /mnt && mkdir /mnt/old && cd /mnt && pivot_root . old`;
    const result = await shell('colab', script, { dockerSeccomp: true });
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('Operation not permitted');
  });
});

describe.runIf(works)('kaggle', () => {
  it("has docker's default capabilities and no /dev/fuse, loop or kmsg", async () => {
    const { stdout } = await shell('kaggle', 'grep CapEff /proc/self/status; pwd; ls /dev');
    expect(stdout).toContain(`CapEff:\t${'a80425fb'.padStart(16, '0')}\n/kaggle/working\n`);
    expect(stdout.split('\n').filter(node => /fuse|loop|kmsg|vda/.test(node))).toEqual([]);
  });

  it('refuses namespaces and mounts with EPERM', async () => {
    const commands = [
      'unshare -m true',
      'unshare -U true',
      'unshare -Ur true',
      'unshare -p -f true',
      `${MOUNT} -t tmpfs none /tmp/a`,
      `${MOUNT} --bind /tmp /tmp/b`,
      'nsenter -t $$ -m true',
      'pivot_root /tmp /tmp'
    ];
    const results = await attempts('kaggle', commands);
    const wrong = [...results].filter(
      ([, line]) => !/^[1-9]\d* .*(Operation not permitted|permission denied.*)$/.test(line)
    );
    expect(wrong).toEqual([]);
    expect(results.size).toBe(commands.length);
  });

  it('permits chroot, ptrace (PRoot) and threads', async () => {
    const commands = ['chroot / true', 'PROOT_NO_SECCOMP=1 proot -0 true', 'node -e 0', 'mknod /tmp/null c 1 3'];
    const results = await attempts('kaggle', commands);
    expect([...results].filter(([, line]) => !/^0( |$)/.test(line))).toEqual([]);
  });
});

describe.runIf(works)('colab-2023', () => {
  it('mounts procfs and what carries it', async () => {
    const commands = [
      `${MOUNT} --bind /proc/self /tmp/b`,
      `${MOUNT} -t proc proc /tmp/a`,
      `${MOUNT} --rbind / /tmp/c && test -e /tmp/c/proc/self/exe`
    ];
    const results = await attempts('colab-2023', commands);
    expect([...results].filter(([, line]) => !/^0( |$)/.test(line))).toEqual([]);
    expect(results.size).toBe(commands.length);
  });

  it("has colab's capabilities: SYS_ADMIN, no DAC_READ_SEARCH", async () => {
    const { stdout } = await shell('colab-2023', 'grep CapEff /proc/self/status; ls /dev/fuse; ls /dev/loop-control');
    expect(stdout).toBe(`CapEff:\t${'a82425fb'.padStart(16, '0')}\n/dev/fuse\n`);
  });
});

/** What an ordinary account is and may, as lines of a script's output. */
const ACCOUNT =
  'id -un; id -u; id -g; pwd; test -w . && echo home; grep -E "CapEff|NoNewPrivs" /proc/self/status | tr -d "\\t"; ' +
  'command -v sudo newuidmap; ls /dev/fuse 2>/dev/null; ls -A /root 2>&1; ls -A ~';
const NO_CAPABILITY = `CapEff:${'0'.repeat(16)}`;
const CLOSED_ROOT = "ls: cannot open directory '/root': Permission denied";

describe.runIf(works)('studio-lab', () => {
  it('is an ordinary account without sudo', async () => {
    const { stdout } = await shell('studio-lab', ACCOUNT);
    const home = '/home/studio-lab-user';
    const lines = ['studio-lab-user', '1000', '1000', home, 'home', 'NoNewPrivs:0', NO_CAPABILITY, CLOSED_ROOT, ''];
    expect(stdout.split('\n').sort()).toEqual(lines.sort());
  });

  it("refuses namespaces, mounts and chroot with docker's EPERM, permits ptrace", async () => {
    const refused = [
      'unshare -U true',
      'unshare -Urm true',
      `${MOUNT} -t tmpfs none /tmp/a`,
      '/usr/sbin/chroot / true'
    ];
    const permitted = ['PROOT_NO_SECCOMP=1 proot -0 true', 'node -e 0'];
    const results = await attempts('studio-lab', [...refused, ...permitted]);
    expect(refused.filter(line => !/^[1-9]\d* .*(not permitted|denied.*)$/.test(results.get(line) ?? ''))).toEqual([]);
    expect(permitted.filter(line => !/^0( |$)/.test(results.get(line) ?? ''))).toEqual([]);
  });
});

describe.runIf(works)('hub-pod', () => {
  it('is an ordinary account that gains nothing by setuid programs', async () => {
    const { stdout } = await shell('hub-pod', ACCOUNT);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['jovyan', '1000', '100', 'home', 'NoNewPrivs:1']));
    expect(stdout).toContain(`${NO_CAPABILITY}\n`);
    expect(stdout).not.toContain('/dev/fuse');
  });

  it('makes user namespaces, and refuses every mount in them with EACCES', async () => {
    const inside = (command: string): string => `unshare -Urm --propagation unchanged ${command}`;
    const refused = [
      inside(`${MOUNT} -t tmpfs none /tmp/a`),
      inside(`${MOUNT} --bind /tmp /tmp/b`),
      inside(`${MOUNT} --make-rprivate /`),
      inside(`${MOUNT} -o remount,ro /`),
      inside('pivot_root /tmp /tmp')
    ];
    const permitted = ['unshare -Ur true', inside('true'), 'proot -0 true', inside('chroot / true')];
    const results = await attempts('hub-pod', [...refused, ...permitted]);
    expect(refused.filter(line => !/^[1-9]\d* .*Permission denied$/.test(results.get(line) ?? ''))).toEqual([]);
    expect(permitted.filter(line => !/^0( |$)/.test(results.get(line) ?? ''))).toEqual([]);
    // util-linux makes / private first: the words of apptainer/apptainer#1806.
    const { stderr } = await shell('hub-pod', 'unshare -Urm true');
    expect(stderr).toContain('cannot change root filesystem propagation: Permission denied');
  });
});

describe.runIf(works)('hpc', () => {
  it('is an ordinary account with its home on another file system', async () => {
    const { stdout } = await shell('hpc', `${ACCOUNT}; stat -c %d / ~ | sort -u | wc -l; ls ~ /dev/loop-control`);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['ada', '1000', '/home/ada', 'home', NO_CAPABILITY]));
    expect(stdout).toContain('\n2\n');
    expect(stdout).not.toContain('/dev/fuse');
    expect(stdout).toContain('/dev/loop-control\n');
  });

  it('mounts in a user namespace, and has no way to root', async () => {
    const permitted = [
      `unshare -Urm ${MOUNT} -t tmpfs none /mnt`,
      `unshare -Urm ${MOUNT} --rbind / /mnt`,
      `unshare -Urpmf ${MOUNT} -t proc proc /mnt`
    ];
    const refused = ['unshare -m true', 'cat /dev/loop-control', 'chown root ~'];
    const results = await attempts('hpc', [...refused, ...permitted]);
    expect(refused.filter(line => !/^[1-9]\d* .*(not permitted|denied)$/.test(results.get(line) ?? ''))).toEqual([]);
    expect(permitted.filter(line => !/^0( |$)/.test(results.get(line) ?? ''))).toEqual([]);
  });
});

/** Ids of the processes whose command line holds `mark`. */
function processesWith(mark: string): string[] {
  return readdirSync('/proc').filter(name => {
    if (!/^\d+$/.test(name)) {
      return false;
    }
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return words.includes(mark) && !words.includes('standin-');
    } catch {
      return false; // it ended meanwhile
    }
  });
}
