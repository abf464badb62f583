// SPDX-License-Identifier: BSD-3-Clause
/**
 * The real Apptainer on the stand-ins: it fails there as users report it does on the platforms, which is the best
 * evidence we have that a stand-in is like its platform. Part of `npm run test:all`: it downloads a Debian root once.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apptainerRoot, runApptainer, runInApptainerRoot } from '../../platforms/apptainer-root.ts';
import { RECIPES } from '../../platforms/recipes.ts';
import type { StandInName } from '../../platforms/recipes.ts';
import { runOnStandIn, standInsWork } from '../../platforms/standin.ts';
import { explainText } from '../../lib-runtime/host/explain.ts';
import { testImages } from '../support/images.ts';

const enabled = process.env['NBCONTAINER_TEST_ALL'] === '1' && standInsWork();

describe.runIf(enabled)('Apptainer 1.4.5', () => {
  let scratch: string;
  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'nbc-apptainer-'));
    chmodSync(scratch, 0o755); // for the stand-ins of ordinary accounts
    await apptainerRoot();
    const image = `oci:${join(await testImages(), 'busybox')}`;
    const built = await runApptainer(['build', '--sandbox', `${scratch}/bb`, image], { binds: [scratch] });
    expect(built.status, built.stderr).toBe(0);
  }, 300_000);
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  async function exec(on: StandInName, flag: string): ReturnType<typeof runApptainer> {
    const words = ['exec', flag, `${scratch}/bb`, 'cat', '/etc/os-release'].filter(Boolean);
    const environment = { HOME: RECIPES[on].account?.home ?? '/root' };
    return runApptainer(words, { on, binds: [scratch], environment });
  }

  it('is the version we compare with', async () => {
    expect((await runApptainer(['--version'])).stdout).toBe('apptainer version 1.4.5\n');
  });

  it.each(['-u', '--fakeroot'])('runs on vm-root: exec %s', async flag => {
    const result = await runApptainer(['exec', flag, `${scratch}/bb`, 'cat', '/etc/os-release'], { binds: [scratch] });
    expect(result.stdout, result.stderr).toBe('NAME="BusyBox for tests"\n');
  });

  // apptainer/apptainer#2842, word for word.
  const COLAB =
    'container creation failed: mount hook function failure: hook function for tag sessiondir returns error: while ' +
    'mounting /var/lib/apptainer/mnt/session/mountinfo to /proc/self/mountinfo: permission denied';
  it.each(['', '-u', '--fakeroot'])('fails on colab as reported: exec %s', async flag => {
    const command = ['exec', flag, `${scratch}/bb`, 'true'].filter(Boolean);
    const result = await runApptainer(command, { on: 'colab', binds: [scratch] });
    expect(result.status).toBe(255);
    expect(result.stderr).toContain(COLAB);
  });

  // What users report from the platforms, and from which row of our table they get an answer.
  it.each<[StandInName, string, string, string]>([
    ['colab', '-u', COLAB, 'procfs-mount-denied'],
    // apptainer/apptainer#1041
    ['colab-2023', '', 'CAP_DAC_READ_SEARCH is not in the permitted capability set', 'capability-not-permitted'],
    ['kaggle', '-u', 'Failed to create user namespace: not allowed to create user namespace', 'user-namespace-denied'],
    ['kaggle', '--fakeroot', 'Failed to create container process: Operation not permitted', 'container-process-denied'],
    [
      'studio-lab',
      '',
      'Failed to create user namespace: not allowed to create user namespace',
      'user-namespace-denied'
    ],
    ['studio-lab', '--fakeroot', '--fakeroot requires either being in /etc/subuid', 'fakeroot-requirements'],
    // apptainer/apptainer#1806
    ['hub-pod', '', 'Failed to set mount propagation: Permission denied', 'mount-propagation-denied'],
    ['hub-pod', '--fakeroot', 'Failed to set mount propagation: Permission denied', 'mount-propagation-denied']
  ])('fails on %s with exec %s: %s', async (on, flag, message, id) => {
    const result = await exec(on, flag);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain(message);
    expect(explainText(result.stderr).map(({ known }) => known.id)).toContain(id);
  });

  it.each<[StandInName, string]>([
    ['colab-2023', '-u'],
    ['colab-2023', '--fakeroot'],
    ['hpc', ''],
    ['hpc', '--fakeroot']
  ])('runs on %s: exec %s', async (on, flag) => {
    const result = await exec(on, flag);
    expect(result.stdout, result.stderr).toBe('NAME="BusyBox for tests"\n');
  });

  it('bubblewrap fails on colab at its procfs, and before that with docker’s seccomp profile', async () => {
    const bwrap = ['bwrap', '--ro-bind', '/', '/', '--unshare-pid', '--proc', '/proc', 'echo', 'ran'];
    expect((await runInApptainerRoot(bwrap)).stdout).toBe('ran\n');
    const colab = await runInApptainerRoot(bwrap, { on: 'colab' });
    expect(colab.stderr).toContain('mounting proc: Permission denied');
    // As fsquillace/junest#247 saw on Colab in 2020.
    const strict = await runInApptainerRoot(bwrap, { on: 'colab', dockerSeccomp: true });
    expect(strict.stderr).toContain('pivot_root: Operation not permitted');
  });

  it('udocker’s engine works where the platform has ptrace', async () => {
    const words = ['proot', '-r', `${scratch}/bb`, '/bin/sh', '-c', 'cat /etc/os-release'];
    const result = await runOnStandIn('kaggle', words, {
      binds: [scratch],
      environment: { PROOT_NO_SECCOMP: '1' }
    });
    expect(result.stdout).toBe('NAME="BusyBox for tests"\n');
  });
});
