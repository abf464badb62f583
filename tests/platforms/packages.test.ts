// SPDX-License-Identifier: BSD-3-Clause
/**
 * `--as fakeroot --writable-tmpfs` installs packages, offline, on every stand-in: one Debian package in `npm test`, and
 * apt, pip and dnf everywhere in `npm run test:all`.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../platforms/build.ts';
import { STAND_INS } from '../../platforms/recipes.ts';
import type { StandInName } from '../../platforms/recipes.ts';
import { standInsWork } from '../../platforms/standin.ts';
import { packageImage } from '../support/package-image.ts';
import { makePlatformWorkplace, quote } from './workplace.ts';
import type { IPlatformWorkplace } from './workplace.ts';

const ALL = process.env['NBCONTAINER_TEST_ALL'] === '1';
const SAMPLE = join(REPOSITORY, 'examples', 'images', 'sample.sif');
const EXEC = 'nbcontainer -q exec --as fakeroot --writable-tmpfs';
/** Where only one id can be had: owners are pretended. Real root has them all. */
const ONE_ID: readonly StandInName[] = ['studio-lab', 'hub-pod', 'hpc'];

const APT = [
  'apt-get -q update && apt-get -q install -y nbc-demo >&2 && nbc-demo',
  'stat -c "%U:%G %a" /var/lib/nbc-demo /var/lib/nbc-demo/data /usr/bin/nbc-demo',
  'dpkg -s nbc-demo | grep ^Status; getent passwd nbcdemo | cut -d : -f 1,7'
].join('\n');
const PIP = 'pip install -q --break-system-packages --no-index /srv/wheels/*.whl >&2 && nbc-wheel-demo';
const DNF = [
  'dnf -q -y install nbc-rpm-demo >&2 && nbc-rpm-demo && rpm -q nbc-rpm-demo',
  'stat -c "%U:%G %a" /etc/nbc-rpm-demo.conf /var/lib/nbc-rpm-demo; getent passwd nbcrpm | cut -d : -f 1,7'
].join('\n');

/** What the three print. */
function installed(owners: 'kept' | 'pretended'): string[] {
  const own = (user: string, group: string): string => (owners === 'kept' ? `${user}:${group}` : 'root:root');
  return [
    'demo of deb',
    `${own('nbcdemo', 'nbcdemo')} 2750`,
    `${own('nbcdemo', 'nbcdemo')} 644`,
    'root:root 4755',
    'Status: install ok installed',
    'nbcdemo:/usr/sbin/nologin',
    'demo of wheel',
    'demo of rpm',
    'nbc-rpm-demo-1.0-1.noarch',
    `${own('root', 'nbcrpm')} 640`,
    `${own('nbcrpm', 'nbcrpm')} 2750`,
    'nbcrpm:/usr/sbin/nologin'
  ];
}

/** Lines of apt's own progress are not looked at. */
function lines(stdout: string): string[] {
  return stdout.split('\n').filter(line => line !== '' && !/^(Get|Hit|Reading|Fetched|Ign):?/.test(line));
}

describe.runIf(standInsWork())('packages, as fake root', () => {
  let place: IPlatformWorkplace;
  beforeAll(async () => {
    place = await makePlatformWorkplace();
  });
  afterAll(() => place?.dispose());

  it.runIf(existsSync(SAMPLE)).each(['hpc', 'colab'] as const)('dpkg installs files of others on %s', async name => {
    const tree = join(place.scratch, `deb-${name}`);
    mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
    mkdirSync(join(tree, 'opt', 'demo'), { recursive: true });
    writeFileSync(join(tree, 'opt', 'demo', 'file'), 'content\n');
    writeFileSync(
      join(tree, 'DEBIAN', 'control'),
      'Package: demo\nVersion: 1\nArchitecture: all\nMaintainer: tests <tests@example.org>\nDescription: for tests\n'
    );
    writeFileSync(
      join(tree, 'DEBIAN', 'postinst'),
      '#!/bin/sh\nset -e\nchown daemon:daemon /opt/demo\nchmod 2750 /opt/demo\n'
    );
    chmodSync(join(tree, 'DEBIAN', 'postinst'), 0o755);
    chownSync(join(tree, 'opt', 'demo', 'file'), 1, 2);
    const deb = `${tree}.deb`;
    execFileSync('dpkg-deb', ['-Zgzip', '--build', tree, deb], { stdio: 'ignore' });
    const inside = `dpkg -i ${deb} >&2 && stat -c "%u:%g %a %n" /opt/demo /opt/demo/file && id -u && touch /etc/new`;
    const script = `${EXEC} ${quote(SAMPLE)} sh -c '${inside}'`;
    const result = await place.script(name, script);
    const [directory, file] = name === 'colab' ? ['1:1', '1:2'] : ['0:0', '0:0'];
    expect(result.stdout, result.stderr).toBe(`${directory} 2750 /opt/demo\n${file} 644 /opt/demo/file\n0\n`);
    expect(result.status).toBe(0);
  });

  describe.runIf(ALL)('from offline repositories', () => {
    let sif: string;
    beforeAll(async () => {
      const reference = await packageImage();
      sif = join(place.scratch, 'packages.sif');
      const { status, stderr } = await place.script('vm-root', `nbcontainer -q pull ${quote(sif)} ${quote(reference)}`);
      expect(status, stderr).toBe(0);
    }, 300_000);

    it.each(STAND_INS)('apt, pip and dnf on %s', { timeout: 300_000 }, async name => {
      const inside = [APT, PIP, DNF].join('\n');
      const script = [
        `${EXEC} ${sif} bash -c ${quote(inside)}; echo "status $?"`,
        `${EXEC} ${sif} bash -c 'type nbc-demo nbc-rpm-demo 2>/dev/null; echo fresh'`,
        // No copy is left behind.
        'ls -A $NBCONTAINER_HOME/tmp; ls -A $NBCONTAINER_HOME/trees | grep -v -E "^(sif|sha256)-"'
      ].join('\n');
      const result = await place.script(name, script, { timeoutMs: 280_000 });
      const owners = ONE_ID.includes(name) ? 'pretended' : 'kept';
      expect(lines(result.stdout), result.stderr).toEqual([...installed(owners), 'status 0', 'fresh']);
    });

    it.each(['colab', 'kaggle'] as const)('apt for root as he is on %s', { timeout: 200_000 }, async name => {
      const script = `nbcontainer -q exec --writable-tmpfs ${sif} bash -c ${quote(APT)}; echo "status $?"`;
      const result = await place.script(name, script, { timeoutMs: 180_000 });
      expect(lines(result.stdout), result.stderr).toEqual([...installed('kept').slice(0, 6), 'status 0']);
    });

    it('keeps owners for a user with a range of subordinate ids', { timeout: 120_000 }, async () => {
      const account = `ada-${process.pid}`;
      const script = [
        `useradd -m ${account} && for f in /etc/subuid /etc/subgid; do echo ${account}:200000:65536 > $f; done`,
        `cd /home/${account}; export HOME=$PWD NBCONTAINER_HOME=$PWD/store XDG_RUNTIME_DIR=`,
        `as_ada() { setpriv --reuid=${account} --regid=${account} --clear-groups "$@"; }`,
        `as_ada "\${NBCONTAINER[@]}" -q exec --as fakeroot --writable-tmpfs ${sif} bash -c ${quote(`${APT}\n${PIP}\n${DNF}`)}; echo "status $?"`,
        // newuidmap refuses what the user has no right to: one id has to do.
        'for f in /etc/subuid /etc/subgid; do echo other:200000:65536 > $f; done',
        `as_ada "\${NBCONTAINER[@]}" -q exec --as fakeroot --writable-tmpfs ${sif} sh -c 'touch /x; chown 5 /x; stat -c %u /x'`
      ].join('\n');
      const result = await place.script('vm-root', script, { timeoutMs: 110_000 });
      expect(lines(result.stdout), result.stderr).toEqual([...installed('kept'), 'status 0', '0']);
    });
  });
});
