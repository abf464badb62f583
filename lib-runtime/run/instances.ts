// SPDX-License-Identifier: BSD-3-Clause
/**
 * Running instances: one file each in a directory that only the user can enter, written by the process that keeps the
 * instance and removed by it. A file whose process is gone (kill -9, a restart of the machine) counts as absent.
 */
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '../engines/processes.ts';
import type { Namespace } from '../engines/steps.ts';
import { writeFileAtomic } from '../support/atomic.ts';
import { asContainerError, ContainerError, errnoOf } from '../support/errors.ts';
import type { IRunSpec } from './spec.ts';

export interface IInstance {
  readonly name: string;
  /** Absolute path of the image, or its address. */
  readonly image: string;
  /** The process that stays in the container; 0 until it is there. */
  readonly pid: number;
  /** The process of ours that started it, with the time of its start: a number alone may be used anew. */
  readonly keeper: number;
  readonly keeperStart: string;
  readonly engine: 'namespaces' | 'ptrace';
  readonly namespaces: readonly Namespace[];
  readonly spec: IRunSpec;
  readonly logOut: string;
  readonly logErr: string;
}

/** @throws ContainerError `usage` for a name that could be a path, or that a list could not show. */
export function checkInstanceName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(name)) {
    throw new ContainerError({
      code: 'usage',
      step: 'instance',
      message: `${JSON.stringify(name)} is not a valid instance name`,
      reason: 'it may hold letters, digits, dots, dashes and underscores, and begins with a letter or digit',
      fix: 'Choose another name'
    });
  }
  return name;
}

/** `instance://NAME`, or undefined for any other image. */
export function instanceOfAddress(image: string): string | undefined {
  return image.startsWith('instance://') ? image.slice('instance://'.length) : undefined;
}

/** The running instances, by name. */
export async function listInstances(directory: string): Promise<IInstance[]> {
  const files = await readdir(directory).catch(() => []);
  const names = files.filter(file => file.endsWith('.json')).map(file => file.slice(0, -'.json'.length));
  const found = await Promise.all(names.sort().map(name => readInstance(directory, name)));
  return found.filter(instance => instance !== undefined && instance.pid > 0) as IInstance[];
}

/** One that runs or is being started. */
export async function readInstance(directory: string, name: string): Promise<IInstance | undefined> {
  try {
    const instance = JSON.parse(await readFile(join(directory, `${name}.json`), 'utf8')) as IInstance;
    return (await startOf(instance.keeper)) === instance.keeperStart ? instance : undefined;
  } catch {
    return undefined;
  }
}

/** @throws ContainerError `not-found` when none of that name runs. */
export async function requireInstance(directory: string, name: string): Promise<IInstance> {
  const instance = await readInstance(directory, name);
  if (instance === undefined || instance.pid === 0) {
    throw new ContainerError({
      code: 'not-found',
      step: 'instance',
      message: `no instance found with name ${name}`,
      reason: 'it was not started by you, or it has ended',
      fix: 'nbcontainer instance list shows those that run'
    });
  }
  return instance;
}

/**
 * Takes a name for an instance that is about to start.
 *
 * @throws ContainerError `exists` when one of that name runs.
 */
export async function claimInstance(directory: string, instance: IInstance): Promise<void> {
  const file = join(directory, `${instance.name}.json`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // A second try after a dead one's file was removed; of two that claim at once, one wins.
    for (const last of [false, true]) {
      try {
        const handle = await open(file, 'wx', 0o600);
        await handle.writeFile(JSON.stringify(instance)).finally(() => handle.close());
        return;
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') {
          throw error;
        }
        if (last || (await readInstance(directory, instance.name)) !== undefined) {
          throw alreadyRuns(instance.name);
        }
        await rm(file, { force: true });
      }
    }
  } catch (error) {
    throw asContainerError(error, 'instance', `cannot write ${file}`);
  }
}

export function alreadyRuns(name: string): ContainerError {
  return new ContainerError({
    code: 'exists',
    step: 'instance',
    message: `instance ${name} already exists`,
    reason: 'one of that name is running',
    fix: `End it with nbcontainer instance stop ${name}, or choose another name`
  });
}

export async function updateInstance(directory: string, instance: IInstance): Promise<void> {
  await writeFileAtomic(join(directory, `${instance.name}.json`), JSON.stringify(instance), { mode: 0o600 });
}

export async function forgetInstance(directory: string, name: string): Promise<void> {
  await rm(join(directory, `${name}.json`), { force: true });
}
