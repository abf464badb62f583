// SPDX-License-Identifier: BSD-3-Clause
/** Images served by squashfuse_ll, on the platforms that have no loop devices but may have FUSE. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StandInName } from '../../platforms/recipes.ts';
import { standInsWork } from '../../platforms/standin.ts';
import { makePlatformWorkplace } from './workplace.ts';
import type { IPlatformWorkplace } from './workplace.ts';

const FUSE = { fuse: true };
const PLATFORMS: readonly StandInName[] = ['colab', 'colab-2023', 'hpc'];
const here = standInsWork() && ['/usr/bin/squashfuse_ll', '/dev/fuse'].every(path => existsSync(path));

describe.runIf(here)('images served by FUSE', () => {
  let place: IPlatformWorkplace;
  beforeAll(async () => {
    place = await makePlatformWorkplace();
  });
  afterAll(() => place?.dispose());

  /** A store of each test's own: a tree that another test left would be used instead. */
  const script = (name: StandInName, store: string, lines: readonly string[]) =>
    place.script(name, [`export NBCONTAINER_HOME=$SCRATCH/${name}-${store}`, ...lines].join('\n'), FUSE);

  describe.each(PLATFORMS)('%s', name => {
    it('starts them at once, unpacks nothing and leaves nothing behind', async () => {
      const image = place.sif('debian');
      const result = await script(name, 'plain', [
        `nbcontainer exec --dry-run ${image} true | grep ^rootfs; before=$(left)`,
        `nbcontainer exec ${image} sh -c 'head -1 /etc/os-release; touch /usr/x 2>/dev/null || echo read-only; exit 7'`,
        'echo "status $?"',
        `nbcontainer -q exec ${place.sif('hello-world')} /hello`,
        `echo from outside | nbcontainer -q exec --fakeroot ${image} cat; same`,
        'ls $NBCONTAINER_HOME/trees 2>/dev/null'
      ]);
      expect(result.stdout.split('\n'), result.stderr).toEqual([
        'rootfs  the image, served by /usr/bin/squashfuse_ll (FUSE)',
        'NAME="Debian for tests"',
        'read-only',
        'status 7',
        'Hello from a static program!',
        'from outside',
        ''
      ]);
      expect(result.stderr.match(/squashfuse_ll \(FUSE\) serves the image: .*/g)).toEqual([
        expect.stringContaining(name === 'hpc' ? 'mounting its squashfs needs root' : 'no loop device') as string
      ]);
    });

    it('ends the server with the container, also after kill -9 and an interrupt', async () => {
      const servers = 'programs | grep -c squashfuse_ll';
      const start = `"\${NBCONTAINER[@]}" -q exec ${place.sif('debian')} sleep 1000 & main=$!; until_true '[ "$(${servers})" = 1 ] && programs | grep -q sleep'`;
      const result = await script(name, 'ends', [
        `nbcontainer -q exec ${place.sif('debian')} true; before=$(left)`,
        `${start}; kill -9 $main; until_true '[ "$(${servers})" = 0 ]'; wait $main 2>/dev/null; echo "status $?"`,
        // A script's child ignores SIGINT unless it has job control.
        `set -m; ${start}; kill -INT -$main; wait $main; echo "status $?"; until_true '[ "$(${servers})" = 0 ]'; set +m`,
        'same'
      ]);
      expect(result.stdout, result.stderr).toBe('status 137\nstatus 130\n');
    });

    it('unpacks when the program cannot do it, says so once, and stays with the tree', async () => {
      const result = await script(name, 'broken', [
        'mkdir /tmp/bin; printf "#!/bin/sh\\necho built without zstd; exit 1\\n" > /tmp/bin/squashfuse_ll',
        'chmod 755 /tmp/bin/squashfuse_ll; export PATH=/tmp/bin:$PATH',
        `nbcontainer exec ${place.sif('app')} head -1 /etc/os-release 2>&1 | grep -vE "procfs|directory, unpacked once"`,
        'rm -r /tmp/bin',
        `nbcontainer exec ${place.sif('app')} head -1 /etc/os-release 2>&1 | grep -v procfs`,
        `nbcontainer exec --dry-run ${place.sif('app')} true | grep -o "^rootfs  unpacked tree"`
      ]);
      expect(result.stdout.split('\n'), result.stderr).toEqual([
        expect.stringContaining('squashfuse_ll (FUSE) serves the image') as string,
        expect.stringMatching(/squashfuse_ll: built without zstd .*: another way is taken$/) as string,
        expect.stringContaining('Unpacking the image once') as string,
        'NAME="App image"',
        'NAME="App image"',
        'rootfs  unpacked tree',
        ''
      ]);
    });
  });

  it('takes changes over the served files where there are several ids, else over a tree', async () => {
    const change = `sh -c 'echo new > /etc/os-release && cat /etc/os-release; rm /usr/bin/tail; ls /usr/bin/tail 2>/dev/null || echo gone'`;
    const lines = [
      `nbcontainer exec --writable-tmpfs ${place.sif('debian')} ${change} 2>&1 | grep -v procfs`,
      'ls $NBCONTAINER_HOME/trees 2>/dev/null | wc -l'
    ];
    const root = await script('colab', 'written', lines);
    expect(root.stdout.split('\n')).toEqual([expect.stringContaining('squashfuse_ll (FUSE)'), 'new', 'gone', '0', '']);
    const user = await script('hpc', 'written', lines);
    expect(user.stdout).toContain('with one id, files that FUSE serves could not be changed');
    expect(user.stdout).toMatch(/\nnew\ngone\n1\n$/);
  });

  it('lies over an image as a layer, also for an ordinary user', async () => {
    const layer = join(place.scratch, 'layer');
    mkdirSync(join(layer, 'usr/extra'), { recursive: true });
    writeFileSync(join(layer, 'usr/extra/file'), 'layered\n');
    execFileSync('mksquashfs', [layer, `${layer}.sqfs`, '-all-root', '-quiet', '-no-progress'], { stdio: 'ignore' });
    const line = `nbcontainer -q exec --overlay ${layer}.sqfs:ro ${place.sif('debian')} cat /usr/extra/file; echo "status $?"`;
    const served = await script('hpc', 'layers', [line, 'ls $NBCONTAINER_HOME/trees 2>/dev/null']);
    expect(served.stdout, served.stderr).toBe('layered\nstatus 0\n');
    const without = await place.script('hpc', line);
    expect(without.stdout).toBe('status 255\n');
    expect(without.stderr).toMatch(/--overlay .*layer\.sqfs cannot be honoured: mounting its squashfs needs root/);
  });

  describe.runIf(existsSync('/usr/bin/fuse-overlayfs'))('fuse-overlayfs', () => {
    const change =
      "sh -c 'echo new > /etc/os-release && cat /etc/os-release; rm /usr/bin/tail; ls /usr/bin/tail 2>/dev/null || echo gone'";

    it.each(PLATFORMS)('takes changes on %s and is gone with the container', async name => {
      const image = place.sif('debian');
      const result = await script(name, 'overlays', [
        `nbcontainer -q exec ${image} true; before=$(left); mkdir $SCRATCH/${name}-changes`,
        `nbcontainer -q exec --overlay-driver fuse --writable-tmpfs ${image} ${change}`,
        `nbcontainer -q exec --overlay-driver fuse --overlay $SCRATCH/${name}-changes ${image} sh -c 'echo kept > /usr/kept'`,
        `nbcontainer -q exec --overlay-driver fuse --overlay $SCRATCH/${name}-changes:ro ${image} cat /usr/kept`,
        `"\${NBCONTAINER[@]}" -q exec --overlay-driver fuse --writable-tmpfs ${image} sleep 1000 & main=$!`,
        `until_true 'programs | grep -q fuse-overlayfs && programs | grep -q sleep'; kill -9 $main`,
        `until_true '! programs | grep -q fuse'; wait $main 2>/dev/null`,
        'same'
      ]);
      expect(result.stdout, result.stderr).toBe('new\ngone\nkept\n');
    });

    it('takes changes into a directory that the kernel does not take: one on an overlay, as in every docker', async () => {
      const line = (driver: string): string =>
        `nbcontainer -q exec ${driver} --overlay $HOME/changes ${place.sif('debian')} touch /usr/kept; echo "status $?"`;
      const result = await script('colab-2023', 'docker', [
        'mkdir $HOME/changes',
        line(''),
        line('--overlay-driver fuse'),
        'ls $HOME/changes/upper/usr'
      ]);
      expect(result.stdout).toBe('status 255\nstatus 0\nkept\n');
      expect(result.stderr).toContain('Add --overlay-driver fuse');
    });
  });
});
