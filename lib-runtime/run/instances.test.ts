// SPDX-License-Identifier: BSD-3-Clause
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startOf } from '../engines/processes.ts';
import {
  checkInstanceName,
  claimInstance,
  forgetInstance,
  type IInstance,
  instanceOfAddress,
  listInstances,
  readInstance,
  requireInstance,
  updateInstance
} from './instances.ts';
import { execSpec } from './testing.ts';

let directory: string;
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'nbc-instances-')), 'instances');
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

async function instance(name: string, pid = process.pid, more: Partial<IInstance> = {}): Promise<IInstance> {
  const keeperStart = (await startOf(process.pid)) ?? '';
  const rest = { image: '/i.sif', engine: 'namespaces', namespaces: ['mount'], logOut: '/o', logErr: '/e' } as const;
  return { name, pid, keeper: process.pid, keeperStart, spec: execSpec(), ...rest, ...more };
}

describe('instances', () => {
  it('are found by name and listed in order, in a directory of the user alone', async () => {
    for (const name of ['web', 'db', 'starting']) {
      await claimInstance(directory, await instance(name, 0));
    }
    await updateInstance(directory, await instance('web', 12));
    await updateInstance(directory, await instance('db', 11));
    expect((await listInstances(directory)).map(({ name, pid }) => [name, pid])).toEqual([
      ['db', 11],
      ['web', 12]
    ]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, 'web.json')).mode & 0o777).toBe(0o600);
    expect(await requireInstance(directory, 'web')).toEqual(await instance('web', 12));
    await expect(requireInstance(directory, 'starting')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('have a name each: of many claims at once one wins', async () => {
    const claims = await Promise.allSettled(
      [1, 2, 3, 4].map(async () => claimInstance(directory, await instance('web', 0)))
    );
    expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const [refused] = claims.filter(claim => claim.status === 'rejected');
    expect(refused?.reason).toMatchObject({ code: 'exists', message: 'instance web already exists' });
  });

  it('whose process is gone do not count, and their name is free', async () => {
    await claimInstance(directory, await instance('web', 5, { keeper: 4194303, keeperStart: '1' }));
    await claimInstance(directory, await instance('reused', 5, { keeperStart: '1' }));
    writeFileSync(join(directory, 'torn.json'), '{"name":');
    expect(await listInstances(directory)).toEqual([]);
    expect(await readInstance(directory, 'web')).toBeUndefined();
    await claimInstance(directory, await instance('web'));
    expect(await listInstances(directory)).toHaveLength(1);
    await forgetInstance(directory, 'web');
    expect(existsSync(join(directory, 'web.json'))).toBe(false);
  });

  it('are none where there is no directory', async () => {
    expect(await listInstances(join(directory, 'none'))).toEqual([]);
  });
});

it.each(['', '.', '..', 'a/b', 'a b', '-a', '.hidden', 'ü', 'a'.repeat(64)])('%j is no name', name => {
  expect(() => checkInstanceName(name)).toThrow('is not a valid instance name');
});

it('knows its address', () => {
  expect(instanceOfAddress('instance://web')).toBe('web');
  expect(instanceOfAddress('docker://web')).toBeUndefined();
});
