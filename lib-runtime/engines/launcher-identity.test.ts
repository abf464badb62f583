// SPDX-License-Identifier: BSD-3-Clause
/** Who the payload is: the account step, maps by newuidmap, the fake root; and a root that is no mount point. */
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileStatic } from '../../platforms/build.ts';
import { launcherPath } from './launcher-path.ts';
import { encodePlan } from './protocol.ts';
import type { Step } from './steps.ts';
import {
  eventually,
  IS_ROOT,
  makeBench,
  makeBusyboxTree,
  PATH,
  pivotSteps,
  planned,
  processTree,
  tryLauncher
} from './test-support.ts';
import type { ITrial } from './test-support.ts';

let launcher = '';
let base = '';
let tree = '';
let stage = '';
const UID = 1234;
const AS_USER = ['setpriv', `--reuid=${UID}`, `--regid=${UID}`, '--clear-groups'];

beforeAll(() => {
  ({ launcher, base, tree, stage } = makeBench());
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

/** A user namespace in which the caller is root, with these maps. */
function rootInside(uidMap: string, gidMap: string, mapHelpers?: readonly [string, string]): Step[] {
  return pivotSteps(tree, stage).map(step =>
    step.op === 'unshare'
      ? { op: 'unshare', namespaces: ['user', 'mount'], uidMap, gidMap, ...(mapHelpers && { mapHelpers }) }
      : step
  );
}

describe.runIf(IS_ROOT)('account', () => {
  const as = (argv: string[], extra: Step[] = [], wrapper: string[] = []): Promise<ITrial> =>
    tryLauncher(
      launcher,
      [
        ...pivotSteps(tree, stage),
        { op: 'tmpfs', target: '/tmp', options: 'mode=1777', flags: [] },
        { op: 'pivot' },
        { op: 'account', uid: UID, gid: 2345, groups: [2345, 77] },
        { op: 'no-new-privileges' },
        ...extra
      ],
      { argv, environment: PATH },
      { wrapper }
    );

  it('becomes the account for good, with its groups and no capability', async () => {
    const script = `id -u; id -g; id -G; grep -E '^(Uid|Cap(Prm|Eff|Amb)|PPid)' /proc/self/status | cut -f 2-`;
    const { stdout, records } = await as(['sh', '-c', `${script.replace('|PPid', '')}`]);
    expect(records).toEqual([]);
    const none = '0'.repeat(16);
    expect(stdout.split('\n').slice(0, 3)).toEqual(['1234', '2345', '2345 77']);
    expect(stdout).toContain('1234\t1234\t1234\t1234');
    expect(stdout.match(new RegExp(`^${none}$`, 'gm'))).toHaveLength(3);
  });

  it('can open its standard output by name, and cannot write what belongs to root', async () => {
    const script = 'echo said > /dev/stdout; touch /data/x || touch /tmp/mine && stat -c %u:%g /tmp/mine';
    const { stdout } = await as(['sh', '-c', script], [], ['sh', '-c', '"$@" | cat', 'sh']);
    expect(stdout).toBe(`said\n${UID}:2345\n`);
  });

  it('enters directories with its own rights', async () => {
    const closed: Step = { op: 'chdir', candidates: ['/tmp/closed', '/data'] };
    const { stdout, records } = await tryLauncher(
      launcher,
      [
        ...pivotSteps(tree, stage),
        { op: 'tmpfs', target: '/tmp', options: 'mode=1777', flags: [] },
        { op: 'mkdir', path: '/tmp/closed', mode: 0o700 },
        { op: 'pivot' },
        { op: 'account', uid: UID, gid: UID, groups: [] },
        closed
      ],
      { argv: ['pwd'], environment: PATH }
    );
    expect(stdout).toBe('/data\n');
    expect(records).toMatchObject([{ kind: 'note', errno: 'EACCES', text: 'chdir /tmp/closed' }]);
  });

  it.each([0, 1])('is ended by kill -9 of the launcher`s process %i', async victim => {
    const asleep = (pid: number): boolean => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep\0');
      } catch {
        return false;
      }
    };
    let payload: Promise<number> = Promise.resolve(0);
    const trial = tryLauncher(
      launcher,
      [...pivotSteps(tree, stage), { op: 'pivot' }, { op: 'account', uid: UID, gid: UID, groups: [] }],
      { argv: ['sleep', '600'], environment: PATH },
      {
        onPid: pid => {
          payload = eventually(() => processTree(pid).find(asleep), 'the payload runs').then(found => {
            process.kill(processTree(pid)[victim] ?? -1, 'SIGKILL');
            return found;
          });
        }
      }
    );
    const sleeper = await payload;
    await trial;
    await eventually(() => !asleep(sleeper), 'the payload is gone');
  });
});

describe.runIf(IS_ROOT)('maps by newuidmap', () => {
  /** newuidmap with files of our own: in a mount namespace, so that the machine's stays as it is. */
  const withRanges = (line: string): string[] => {
    const files = {
      subuid: line,
      subgid: line,
      passwd: `root:x:0:0::/root:/bin/sh\nada:x:${UID}:${UID}::/:/bin/sh\n`
    };
    const mounts = Object.entries(files).map(([name, text]) => {
      writeFileSync(join(base, name), text);
      return `touch /etc/${name}; mount --bind ${join(base, name)} /etc/${name}`;
    });
    return ['unshare', '-m', 'sh', '-c', `${mounts.join('; ')}; exec ${AS_USER.join(' ')} "$@"`, 'sh'];
  };
  const HELPERS = ['/usr/bin/newuidmap', '/usr/bin/newgidmap'] as const;
  const MAP = `0 ${UID} 1\n1 300000 1000`;
  const script = 'chown 33:44 /tmp/x && stat -c %u:%g /tmp/x && id -u';
  const steps = (): Step[] => [
    ...rootInside(MAP, MAP, HELPERS),
    { op: 'tmpfs', target: '/tmp', options: '', flags: [] },
    { op: 'pivot' },
    { op: 'no-new-privileges' }
  ];

  it('gives files to other ids of the range', async () => {
    const trial = await tryLauncher(
      launcher,
      steps(),
      { argv: ['sh', '-c', `touch /tmp/x; ${script}`], environment: PATH },
      { wrapper: withRanges(`${UID}:300000:65536\n`) }
    );
    expect(trial).toEqual({ status: 0, stdout: '33:44\n0\n', stderr: '', records: [] });
  });

  it("says what newuidmap said when the range is not the user's", async () => {
    const { status, records } = await tryLauncher(
      launcher,
      steps(),
      { argv: ['true'], environment: PATH },
      { wrapper: withRanges(`${UID}:400000:65536\n`) }
    );
    expect(status).toBe(255);
    expect(records).toMatchObject([{ kind: 'failed', index: 0, errno: 'EPERM' }]);
    expect(records[0]).toHaveProperty('text', expect.stringMatching(/^newuidmap: uid range \[.*not allowed/));
  });

  it('says that a helper is missing', async () => {
    const helpers = ['/no/newuidmap', '/no/newgidmap'] as const;
    const { records } = await tryLauncher(
      launcher,
      [...rootInside(MAP, MAP, helpers)],
      { argv: ['true'], environment: PATH },
      { wrapper: AS_USER }
    );
    expect(records).toMatchObject([{ kind: 'failed', errno: 'EPERM', text: 'newuidmap: No such file or directory' }]);
  });
});

/** Every call of the filter, natively, as an i386 program makes it, and those that must still do their work. */
const CALLS = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
static void say(const char *name, long result) { printf("%s %s\\n", name, result == 0 ? "0" : strerror(errno)); }
#define DO(call, ...) say(#call, syscall(SYS_##call, __VA_ARGS__))
int main(void) {
  int fd = open("/tmp/file", O_CREAT | O_RDWR, 0644);
  unsigned group = 33;
  unsigned device = makedev(1, 3);
  DO(fchown, fd, 33, 44);
  DO(fchownat, AT_FDCWD, "/tmp/file", 33, 44, 0);
  DO(setuid, 33); DO(setgid, 33); DO(setreuid, 33, 33); DO(setregid, 33, 33);
  DO(setresuid, 33, 33, 33); DO(setresgid, 33, 33, 33); DO(setgroups, 1, &group);
  DO(setfsuid, 33); DO(setfsgid, 33);
  DO(mknodat, AT_FDCWD, "/tmp/device", S_IFCHR | 0600, device);
  DO(mknodat, AT_FDCWD, "/tmp/disk", S_IFBLK | 0600, device);
  DO(mknodat, AT_FDCWD, "/tmp/pipe", S_IFIFO | 0600, 0);
#ifdef SYS_chown
  DO(chown, "/tmp/file", 33, 44);
  DO(lchown, "/tmp/file", 33, 44);
  DO(mknod, "/tmp/device2", S_IFCHR | 0600, device);
  DO(mknod, "/tmp/pipe2", S_IFIFO | 0600, 0);
#endif
  struct stat status;
  printf("owner %d:%d\\n", fstat(fd, &status) == 0 ? (int)status.st_uid : -1, (int)status.st_gid);
  printf("device %d\\n", access("/tmp/device", F_OK));
  printf("pipe %d %d\\n", access("/tmp/pipe", F_OK), access("/tmp/pipe2", F_OK));
  printf("ids %d %d\\n", getuid(), getgid());
#ifdef __x86_64__
  static char path[] = "/tmp/file"; // a static program lies below 4 GiB, so an i386 call can name it
  static const int NUMBERS[] = {182, 212, 16, 198};
  for (int at = 0; at < 4; at++) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(NUMBERS[at]), "b"(path), "c"(33), "d"(44) : "memory", "r8", "r9", "r10", "r11");
    printf("i386 %d: %ld\\n", NUMBERS[at], result);
  }
  long pid;
  __asm__ volatile("int $0x80" : "=a"(pid) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
  printf("i386 getpid: %d\\n", pid == getpid());
#endif
  return 0;
}`;

describe.runIf(IS_ROOT)('the fake root', () => {
  let program = '';
  beforeAll(async () => {
    const source = join(base, 'calls.c');
    writeFileSync(source, CALLS);
    program = join(tree, 'bin', 'calls');
    await compileStatic([source], program);
    chmodSync(program, 0o755);
  });

  const run = (fake: boolean): Promise<ITrial> =>
    tryLauncher(
      launcher,
      [
        ...rootInside(`0 ${UID} 1`, `0 ${UID} 1`),
        { op: 'tmpfs', target: '/tmp', options: '', flags: [] },
        { op: 'pivot' },
        { op: 'no-new-privileges' },
        ...(fake ? ([{ op: 'fake-root' }] as const) : [])
      ],
      { argv: ['calls'], environment: PATH },
      { wrapper: AS_USER }
    );

  it('answers 0 to chown, set*id and mknod of devices, in both ABIs, and lets the rest through', async () => {
    const { stdout, status, records } = await run(true);
    expect({ status, records }).toEqual({ status: 0, records: [] });
    const lines = stdout.trim().split('\n');
    expect(lines.filter(line => /^(\w*chown\w*|set\w+|mknod\w*) /.test(line) && !line.endsWith(' 0'))).toEqual([]);
    expect(lines).toEqual(expect.arrayContaining(['owner 0:0', 'device -1', 'pipe 0 0', 'ids 0 0']));
    if (process.arch === 'x64') {
      expect(lines.slice(-5)).toEqual([...[182, 212, 16, 198].map(number => `i386 ${number}: 0`), 'i386 getpid: 1']);
    }
  });

  it('is needed: without it the same calls fail', async () => {
    const { stdout } = await run(false);
    expect(stdout).toContain('fchown Invalid argument');
    expect(stdout).toContain('setuid Invalid argument');
    expect(stdout).toContain('setgroups Operation not permitted');
    expect(stdout).toContain('mknodat Operation not permitted');
  });
});

/** Sets a capability of a file, natively; with words it refuses that to another program first, as some file systems do. */
const ATTRIBUTES = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#define REFUSED(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
int main(int argc, char **argv) {
  if (argc > 1) {
    struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      REFUSED(SYS_setxattr), REFUSED(SYS_lsetxattr), REFUSED(SYS_fsetxattr),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    execv(argv[1], argv + 1);
    return 1;
  }
  static const unsigned char CAPABILITY[20] = {0, 0, 0, 2, 0, 4};
  close(open("/usr/file", O_CREAT | O_WRONLY, 0755));
  int result = setxattr("/usr/file", "security.capability", CAPABILITY, sizeof CAPABILITY, 0);
  printf("%s, %s\\n", result == 0 ? "0" : strerror(errno),
         getxattr("/usr/file", "security.capability", NULL, 0) > 0 ? "kept" : "not kept");
  return 0;
}`;

describe.runIf(IS_ROOT)('the fake root and file capabilities', () => {
  let program = '';
  beforeAll(async () => {
    const source = join(base, 'attributes.c');
    writeFileSync(source, ATTRIBUTES);
    program = join(tree, 'bin', 'attributes');
    await compileStatic([source], program);
  });

  it.each([
    ['sets them where the kernel does', [], '0, kept\n'],
    ['pretends where they are refused', ['refuse'], '0, not kept\n']
  ])('%s', async (_, refuse, said) => {
    const trial = await tryLauncher(
      launcher,
      [
        ...rootInside(`0 ${UID} 1`, `0 ${UID} 1`),
        { op: 'tmpfs', target: '/usr', options: '', flags: [] },
        { op: 'pivot' },
        { op: 'no-new-privileges' },
        { op: 'fake-root' }
      ],
      { argv: ['attributes'], environment: PATH },
      { wrapper: [...AS_USER, ...(refuse.length > 0 ? [program] : [])] }
    );
    expect(trial).toEqual({ status: 0, stdout: said, stderr: '', records: [] });
  });
});

describe.runIf(IS_ROOT)('below a plain chroot', () => {
  it('starts a container although / is no mount point, and nothing is seen outside', async () => {
    const outer = makeBusyboxTree(join(base, 'outer'));
    const steps = pivotSteps('/data', '/tmp/stage').map(step =>
      step.op === 'bind' && step.source === '/data' ? { ...step, source: '/inner' } : step
    );
    makeBusyboxTree(join(outer, 'inner'));
    writeFileSync(join(outer, 'inner', 'etc', 'os-release'), 'NAME=Inner\n');
    const plan = encodePlan(
      planned(...steps.filter(step => step.op !== 'bind' || step.source !== '/dev'), {
        op: 'chroot',
        root: '/tmp/stage/root'
      }),
      { argv: ['sh', '-c', 'cat /etc/os-release; grep -c . /proc/self/mountinfo'], environment: PATH }
    );
    writeFileSync(join(outer, 'plan'), plan);
    // The chroot lies on a shared mount: what is mounted below it would be seen on the other side.
    const script = [
      `mount --bind ${base} ${base} && mount --make-shared ${base}`,
      `mount --rbind /proc ${outer}/proc`,
      // The static one: there is no library in there.
      `cp ${launcherPath({})} ${outer}/bin/launcher`,
      `unshare -m --propagation unchanged chroot ${outer} /bin/sh -c 'launcher run 3 4 3< /plan 4>&2'; echo $?`,
      `grep -c ${outer}/tmp/stage /proc/self/mountinfo`
    ].join('\n');
    const trial = await tryLauncher(launcher, [{ op: 'unshare', namespaces: ['mount'] }, { op: 'private' }], {
      argv: ['/bin/sh', '-c', script],
      environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
    });
    expect(trial.stderr).toBe('');
    expect(trial.stdout).toMatch(/^NAME=Inner\n\d+\n0\n0\n$/);
    expect(readFileSync(join(outer, 'etc', 'os-release'), 'utf8')).toBe('NAME=Busy\n');
    expect(statSync(join(outer, 'tmp')).isDirectory()).toBe(true);
  });
});
