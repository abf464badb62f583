// SPDX-License-Identifier: BSD-3-Clause
/** What the runtime finds out about each stand-in by trying is what the stand-in is. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../platforms/build.ts';
import type { StandInName } from '../../platforms/recipes.ts';
import { runOnStandIn, standInsWork } from '../../platforms/standin.ts';
import type { IHostFacts } from '../../lib-runtime/host/facts.ts';
import { freshLauncher } from '../../lib-runtime/engines/test-support.ts';

async function factsOn(name: StandInName, dockerSeccomp = false): Promise<IHostFacts> {
  const gather = JSON.stringify(join(REPOSITORY, 'lib-runtime', 'host', 'gather.ts'));
  const program = [
    `import { gatherHostFacts } from ${gather};`,
    'const facts = await gatherHostFacts({ env: process.env, cwd: process.cwd(), paths: [] });',
    'process.stdout.write(JSON.stringify(facts));'
  ].join('\n');
  const result = await runOnStandIn(name, ['node', '--input-type=module', '-e', program], { dockerSeccomp });
  expect(result.status, result.stderr).toBe(0);
  return JSON.parse(result.stdout) as IHostFacts;
}

/** `ok`, or the errno, by name of the probe. */
function outcomes({ probes }: IHostFacts): Record<string, string> {
  return Object.fromEntries(Object.entries(probes).map(([name, { ok, errno }]) => [name, ok ? 'ok' : (errno ?? '?')]));
}

describe.runIf(standInsWork())('the probe', () => {
  beforeAll(() => {
    freshLauncher();
  });
  const NAMESPACES = ['user-namespace', 'mount-namespace', 'user-mount-namespace'];
  const MOUNTS = ['tmpfs', 'bind', 'bind-procfs', 'fresh-procfs', 'overlay', 'pivot-root'];
  const all = (names: readonly string[], outcome: string) => Object.fromEntries(names.map(name => [name, outcome]));

  it('finds everything permitted on vm-root', async () => {
    const facts = await factsOn('vm-root');
    expect(outcomes(facts)).toMatchObject(all([...NAMESPACES, ...MOUNTS, 'chroot', 'ptrace', 'write-root'], 'ok'));
    expect(facts.platform).toBe('generic');
  });

  it('finds that root of a user namespace can open a loop device and mount nothing from it', async () => {
    const launcher = freshLauncher();
    const loop = async (...before: string[]): Promise<string | undefined> => {
      const { stdout } = await runOnStandIn('vm-root', [...before, launcher, 'probe']);
      return /^loop-device (\w+)$/m.exec(stdout)?.[1];
    };
    // What a machine without loop devices says is the same for both.
    const real = await loop();
    expect(await loop('unshare', '--user', '--map-root-user')).toBe(real === 'ok' ? 'EPERM' : real);
  });

  it('finds mounts of procfs, and only those, denied on colab', async () => {
    const facts = await factsOn('colab');
    const denied = { 'bind-procfs': 'EACCES', 'fresh-procfs': 'EACCES', 'loop-device': 'ENOENT' };
    const permitted = all([...NAMESPACES, ...MOUNTS, 'chroot', 'ptrace', 'fuse-device', 'write-root'], 'ok');
    expect(outcomes(facts)).toMatchObject({ ...permitted, ...denied });
    expect(facts.platform).toBe('colab');
    expect(facts.tools).not.toHaveProperty('squashfuse_ll');
  });

  it("finds pivot_root denied, too, with docker's profile on colab", async () => {
    const found = outcomes(await factsOn('colab', true));
    expect(found).toMatchObject({ 'pivot-root': 'EPERM', bind: 'ok', tmpfs: 'ok', 'bind-procfs': 'EACCES' });
  });

  it('finds everything but loop devices permitted on colab-2023', async () => {
    const facts = await factsOn('colab-2023');
    const permitted = all([...NAMESPACES, ...MOUNTS, 'user-overlay', 'chroot', 'ptrace', 'fuse-device'], 'ok');
    expect(outcomes(facts)).toMatchObject({ ...permitted, 'loop-device': 'ENOENT' });
    expect(facts.platform).toBe('colab');
  });

  it('finds nothing but ptrace on studio-lab', async () => {
    const facts = await factsOn('studio-lab');
    const denied = all([...NAMESPACES, ...MOUNTS, 'user-overlay', 'chroot', 'mknod'], 'EPERM');
    expect(outcomes(facts)).toMatchObject({ ...denied, ptrace: 'ok', 'seccomp-filter': 'ok', 'write-root': 'EACCES' });
    expect(facts.platform).toBe('studio-lab');
  });

  it('finds user namespaces permitted and every mount denied on hub-pod', async () => {
    const facts = await factsOn('hub-pod');
    const denied = all(
      ['user-mount-namespace', ...MOUNTS.filter(name => name !== 'overlay'), 'user-overlay'],
      'EACCES'
    );
    expect(outcomes(facts)).toMatchObject({
      'user-namespace': 'ok',
      ptrace: 'ok',
      'mount-namespace': 'EPERM',
      ...denied
    });
    expect(facts.platform).toBe('hub-pod');
  });

  it('finds mounts in a user namespace permitted on hpc', async () => {
    const facts = await factsOn('hpc');
    const permitted = [...MOUNTS.filter(name => name !== 'overlay'), 'user-mount-namespace', 'user-overlay', 'ptrace'];
    const denied = { overlay: 'EPERM', 'mount-namespace': 'EPERM', 'loop-device': 'EACCES', 'fuse-device': 'ENOENT' };
    expect(outcomes(facts)).toMatchObject({ ...all(permitted, 'ok'), ...denied });
    expect(facts.platform).toBe('slurm');
  });

  it('finds namespaces and mounts denied on kaggle, ptrace and chroot permitted', async () => {
    const facts = await factsOn('kaggle');
    const permitted = all(['chroot', 'ptrace', 'write-root'], 'ok');
    const missing = all(['fuse-device', 'loop-device'], 'ENOENT');
    expect(outcomes(facts)).toMatchObject({ ...all([...NAMESPACES, ...MOUNTS], 'EPERM'), ...permitted, ...missing });
    expect(facts.platform).toBe('kaggle');
  });
});
