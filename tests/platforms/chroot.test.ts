// SPDX-License-Identifier: BSD-3-Clause
/** `--root chroot` on the stand-in of Kaggle: root with CAP_SYS_CHROOT who may mount nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { standInsWork } from '../../platforms/standin.ts';
import { makePlatformWorkplace } from './workplace.ts';
import type { IPlatformWorkplace } from './workplace.ts';

describe.runIf(standInsWork())('a root without mounts', () => {
  let place: IPlatformWorkplace;
  beforeAll(async () => {
    place = await makePlatformWorkplace();
  });
  afterAll(() => place?.dispose());

  it('starts on kaggle, writes where root may write, and leaves nothing behind', async () => {
    const image = place.sif('debian');
    const inside = [
      'id -u; pwd; echo gone > /dev/null; grep -c . < /dev/null',
      'touch /etc/mine /tmp/mine $HOME/mine && echo written',
      'ls /proc | wc -l',
      '[ -e /kaggle ] || echo "no /kaggle"',
      'kill -TERM $$'
    ].join('; ');
    const result = await place.script(
      'kaggle',
      [
        `nbcontainer -q exec --root chroot ${image} true; before=$(left)`,
        `nbcontainer -q exec --root chroot ${image} sh -c '${inside}'; echo "status $?"`,
        `nbcontainer -q exec --root chroot ${place.sif('hello-world')} /hello`,
        `echo from outside | nbcontainer -q exec --root chroot ${image} cat`,
        'same; ls $NBCONTAINER_HOME/trees'
      ].join('\n')
    );
    expect(result.stdout, result.stderr).toBe(
      [
        ...['0', '/root', '0', 'written', '0', 'no /kaggle', 'status 143', 'Hello from a static program!'],
        ...['from outside', '']
      ].join('\n')
    );
    expect(result.stderr).toContain('--root chroot: there is neither /proc nor /sys inside');
  });

  it('really is the account of --as user', async () => {
    const result = await place.script(
      'kaggle',
      `nbcontainer -q exec --as user --root chroot ${place.sif('debian')} ` +
        `sh -c 'id -u; echo mine > $HOME/mine; stat -c %u $HOME/mine; touch /etc/mine 2>&1'; echo "status $?"`
    );
    const [uid, owner, denied, status] = result.stdout.split('\n');
    expect(Number(uid), result.stderr).toBeGreaterThan(0);
    expect(owner).toBe(uid);
    expect(denied).toMatch(/Permission denied/);
    expect(status).toBe('status 1');
  });

  it('is refused in words to an ordinary user, and so is a root that cannot be had', async () => {
    const asked = (root: string): string =>
      `nbcontainer exec --root ${root} ${place.sif('debian')} true; echo "status $?"`;
    const user = await place.script('studio-lab', asked('chroot'));
    expect(user.stdout).toBe('status 255\n');
    expect(user.stderr).toMatch(
      /^FATAL: +--root chroot is not possible on this machine: only real root .* uid 1000\. Leave/m
    );
    const root = await place.script('kaggle', asked('pivot'));
    expect(root.stdout).toBe('status 255\n');
    expect(root.stderr).toMatch(
      /^FATAL: +--root pivot is not possible on this machine: root has no CAP_SYS_ADMIN here/m
    );
  });
});
