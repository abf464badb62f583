// SPDX-License-Identifier: BSD-3-Clause
/** Who one is inside, on the stand-ins: --as user where the caller is root, and a container started inside a container. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { standInsWork } from '../../platforms/standin.ts';
import { makePlatformWorkplace } from './workplace.ts';
import type { IPlatformWorkplace } from './workplace.ts';

describe.runIf(standInsWork())('who one is inside', () => {
  let place: IPlatformWorkplace;
  beforeAll(async () => {
    place = await makePlatformWorkplace();
  });
  afterAll(() => place?.dispose());

  describe('--as user on colab, where root owns everything and /root is closed', () => {
    const inRoot = { environment: { NBCONTAINER_HOME: '' } };

    it('reads a store in /root, has a home, and says beforehand that it cannot write /content', async () => {
      const inside = [
        'id -u; id -un; pwd; [ "$HOME" = /home/user ] && touch ~/mine && stat -c %U ~/mine',
        'touch here 2>/dev/null; echo $?; ls -A /root; echo $?; grep CapEff /proc/self/status',
        'touch /tmp/from-user'
      ].join('; ');
      const script = [
        'unset NBCONTAINER_HOME; chmod 700 /root; before=$(cat /etc/passwd)',
        `nbcontainer exec --as user ${place.sif('debian')} bash -c '${inside}'; echo "status $?"`,
        'stat -c %u /tmp/from-user; [ "$(cat /etc/passwd)" = "$before" ] && echo "no account was made"; ls /home; pwd'
      ].join('\n');
      const { stdout, stderr } = await place.script('colab', script, inRoot);
      const uid = Number(stdout.split('\n')[0]);
      expect(uid, stderr).toBeGreaterThanOrEqual(1000);
      const home = stdout.split('no account was made\n')[1]?.split('/content')[0] ?? '';
      expect(stdout.replace(home, '')).toBe(
        `${uid}\nuser\n/content\nuser\n1\n0\nCapEff:\t0000000000000000\nstatus 0\n${uid}\nno account was made\n/content\n`
      );
      expect(home).not.toContain('user\n');
      expect(stderr).toContain(`uid ${uid} can read but not write the working directory /content`);
      expect(stderr).toContain('/home/user is empty and gone at the end');
    });

    it('writes a directory of its own, as the account that owns it', async () => {
      const script = [
        'mkdir work && chown 4242:4243 work && cd work',
        `nbcontainer exec --as user ${place.sif('debian')} sh -c 'id -u; id -g; echo result > out'`,
        'stat -c %u:%g out; cat out'
      ].join('\n');
      const { stdout, stderr } = await place.script('colab', script);
      expect(stdout, stderr).toBe('4242\n4243\n4242:4243\nresult\n');
      expect(stderr).not.toContain('WARNING');
    });
  });

  it.each([
    ['colab', ''],
    ['colab', '--as user'],
    ['kaggle', ''],
    ['studio-lab', '--as fakeroot'],
    ['hpc', '--as fakeroot']
  ] as const)('kill -9 of the caller ends the container on %s %s', async (name, flags) => {
    const script = [
      `"\${NBCONTAINER[@]}" -q exec ${flags} ${place.sif('busybox')} sleep 4711 & caller=$!`,
      'until_true "programs | grep -qx sleep"; kill -9 $caller; until_true "! programs | grep -qx sleep"; echo gone'
    ].join('\n');
    const { stdout, stderr } = await place.script(name, script);
    expect(stdout, stderr).toBe('gone\n');
  });

  it('--as user is pretended on kaggle, and root loses what overrides owners', async () => {
    const script = [
      `nbcontainer exec --as user ${place.sif('debian')} bash -c 'id -u; touch here && stat -c %U here; echo x > /usr/x'`,
      'stat -c %u here'
    ].join('\n');
    const { stdout, stderr } = await place.script('kaggle', script);
    const [uid, ...rest] = stdout.split('\n');
    expect(Number(uid), stderr).toBeGreaterThanOrEqual(1000);
    expect(rest).toEqual(['user', '0', '']);
    expect(stderr).toContain('PRoot pretends that root is uid');
    expect(stderr).toContain('/usr/x: Permission denied');
  });

  it('--as user is the caller himself where he is no root', async () => {
    const { stdout, stderr } = await place.script('hpc', `nbcontainer exec --as user ${place.sif('debian')} id -un`);
    expect(stdout, stderr).toBe('ada\n');
    expect(stderr).not.toContain('--as user');
  });

  it.each([
    ['kaggle', ''],
    ['kaggle', '--as fakeroot'],
    ['kaggle', '--as user'],
    ['studio-lab', '--as fakeroot'],
    ['hub-pod', '--as fakeroot']
  ] as const)("leaves the store's tree as it was on %s %s, whatever root tries below PRoot", async (name, flags) => {
    const tries = [
      ...[
        'echo x > /etc/os-release',
        'touch /new /usr/new',
        'chmod 777 /usr /etc/passwd',
        'chown 5:5 /usr /etc/passwd'
      ],
      ...[
        'mv /etc /etc2',
        'rm -rf /usr/share /bin/cat',
        'ln -s / /usr/link',
        'mkdir -p /usr/a/b',
        'touch -d 2001-01-01 /usr'
      ],
      ...['setfattr -n user.x -v y /usr', 'truncate -s 0 /etc/group', 'mknod /usr/null c 1 3']
    ];
    const script = [
      // Names, kinds, modes, owners, sizes, times, links of every entry; the content of every file.
      `tree() { (cd $NBCONTAINER_HOME/trees/*/read-only && find . -printf '%p %y %m %U:%G %s %T@ %n %l\\n' | sort; find . -type f -exec sha256sum {} + | sort); }`,
      `nbcontainer -q exec ${place.sif('debian')} true; before=$(tree); echo "$before" | wc -l`,
      `nbcontainer -q exec ${flags} ${place.sif('debian')} bash -c '${tries.map(words => `(${words})`).join('; ')}; echo tried' 2>/dev/null`,
      'diff <(echo "$before") <(tree) && echo same; ls -A $NBCONTAINER_HOME/tmp; rm -rf $NBCONTAINER_HOME'
    ].join('\n');
    const environment = { NBCONTAINER_HOME: `${place.scratch}/hashed-${name}-${flags.length}` };
    const { stdout, stderr } = await place.script(name, script, { environment });
    const [entries, ...rest] = stdout.split('\n');
    expect(Number(entries), stderr).toBeGreaterThan(100);
    expect(rest, stderr).toEqual(['tried', 'same', '']);
  });

  describe('a container in a container', () => {
    /** The command line itself runs inside: Node and the checkout are bound, the inner image is on /tmp or scratch. */
    const nested = (flags: string, inner: string): string =>
      [
        'node=$(dirname $(dirname $(readlink -f ${NBCONTAINER[2]})))',
        'repo=$(dirname $(dirname $(dirname ${NBCONTAINER[3]})))',
        // Node's libraries: the image is made of this machine's own, so they fit.
        `libraries=/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
        'inside="--bind $node,$repo,$SCRATCH,$libraries:/libraries --env LD_LIBRARY_PATH=/libraries"',
        // Where there is PRoot, the inner one may need it.
        'talloc=$(ldd /usr/bin/proot 2>/dev/null | grep -o "/[^ ]*libtalloc[^ ]*")',
        '[ -z "$talloc" ] || inside="$inside --bind /usr/bin/proot,$talloc"',
        `nbcontainer -q exec ${flags} $inside --env NBCONTAINER_HOME=$NBCONTAINER_HOME $SCRATCH/debian.sif \\`,
        `  bash -c 'grep ^NAME /etc/os-release; "$@"' sh "\${NBCONTAINER[@]}" -q exec ${inner} $SCRATCH/busybox.sif \\`,
        "  sh -c 'cat /etc/os-release; id -u; exit 7'; echo status $?"
      ].join('\n');
    const WHO: Readonly<Record<string, number>> = { hpc: 1000, 'studio-lab': 1000 };

    it.each([
      ['vm-root', '', ''],
      ['vm-root', '--fakeroot', ''],
      ['vm-root', '--fakeroot', '--fakeroot'],
      ['colab-2023', '', ''],
      ['colab', '', ''],
      // PRoot below PRoot: the outer one emulates tracing.
      ['kaggle', '', ''],
      ['studio-lab', '', ''],
      ['hpc', '', ''],
      ['hpc', '--fakeroot', '--fakeroot']
    ] as const)('on %s: outer %j, inner %j', async (name, outer, inner) => {
      const { stdout, stderr } = await place.script(name, nested(outer, inner));
      const uid = outer === '' ? (WHO[name] ?? 0) : 0;
      expect(stdout, stderr).toBe(`NAME="Debian for tests"\nNAME="BusyBox for tests"\n${uid}\nstatus 7\n`);
    });
  });
});
