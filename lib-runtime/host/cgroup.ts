// SPDX-License-Identifier: BSD-3-Clause
/**
 * A control group of one container, below our own (docs.kernel.org: cgroup-v1, cgroup-v2). Its processes are moved in
 * before they do anything, and it goes away when the last has ended.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ContainerError, errnoOf } from '../support/errors.ts';

/** One value to set; in version 1 every controller has a tree of its own. */
export interface ICgroupValue {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

/** Where groups of ours can be made. */
export interface ICgroupPlaces {
  readonly version: 1 | 2;
  /** Our own group's directory, by controller; in version 2 under the empty name. */
  readonly directories: Readonly<Record<string, string>>;
}

export interface ICgroup {
  /** Moves a process (and all that it starts from now on) into the group. */
  add(pid: number): void;
  /** Removes the group; what is still in it keeps it. */
  dispose(): Promise<void>;
}

/**
 * The places from /proc/self/cgroup and /proc/self/mountinfo. Pure. Version 1 where any of its controllers is mounted:
 * the unified tree beside them has no controllers then.
 *
 * A container that has its own view of /sys/fs/cgroup but not of /proc/self/cgroup shows the group's directory as the
 * root of the mount: that part of the path is taken off.
 */
export function cgroupPlaces(groups: string, mounts: string): ICgroupPlaces {
  const ours = new Map<string, string>();
  for (const line of groups.split('\n')) {
    const [, , controllers = '', path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (path !== undefined) {
      controllers.split(',').forEach(name => ours.set(name, path));
    }
  }
  const directories: Record<string, string> = {};
  let unified: string | undefined;
  for (const line of mounts.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '/', mountpoint = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    const place = (path: string): string => join(mountpoint, path.startsWith(root) ? path.slice(root.length) : path);
    if (type === 'cgroup2') {
      unified ??= place(ours.get('') ?? '/');
    } else if (type === 'cgroup') {
      for (const name of options.split(',').filter(option => ours.has(option))) {
        directories[name] ??= place(ours.get(name) ?? '/');
      }
    }
  }
  if (Object.keys(directories).length > 0 || unified === undefined) {
    return { version: 1, directories };
  }
  return { version: 2, directories: { '': unified } };
}

/** The places of this process. */
export function ownCgroupPlaces(): ICgroupPlaces {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  };
  return cgroupPlaces(read('/proc/self/cgroup'), read('/proc/self/mountinfo'));
}

/**
 * Makes the group with these values.
 *
 * @throws ContainerError `refused` when this machine does not let us; nothing is left then.
 */
export function makeCgroup(values: readonly ICgroupValue[], places: ICgroupPlaces): ICgroup {
  const name = `nbcontainer-${process.pid}-${randomBytes(4).toString('hex')}`;
  const made = new Set<string>();
  try {
    for (const { controller, file, value } of values) {
      const parent = places.directories[places.version === 2 ? '' : controller];
      if (parent === undefined) {
        throw refusal(`there is no ${controller} controller`);
      }
      const directory = join(parent, name);
      if (!made.has(directory)) {
        mkdirSync(directory, { mode: 0o755 });
        made.add(directory);
      }
      if (places.version === 2) {
        enable(parent, directory, controller);
      } else if (controller === 'cpuset') {
        inheritCpuset(parent, directory);
      }
      writeFileSync(join(directory, file), value);
    }
  } catch (error) {
    made.forEach(tryRemove);
    throw error instanceof ContainerError ? error : refusal('the machine does not let us set the limit', error);
  }
  return {
    add: pid => {
      for (const directory of made) {
        writeFileSync(join(directory, 'cgroup.procs'), String(pid));
      }
    },
    dispose: async () => {
      // A process that was killed leaves its group a little later than it ends.
      for (const wait of [0, 20, 100, 500]) {
        await setTimeout(wait);
        [...made].filter(tryRemove).forEach(directory => made.delete(directory));
        if (made.size === 0) {
          return;
        }
      }
    }
  };
}

function enable(parent: string, directory: string, controller: string): void {
  const has = (): boolean =>
    readFileSync(join(directory, 'cgroup.controllers'), 'utf8').split(/\s/).includes(controller);
  if (!has()) {
    writeFileSync(join(parent, 'cgroup.subtree_control'), `+${controller}`);
    if (!has()) {
      throw refusal(`the ${controller} controller is not handed down to us`);
    }
  }
}

/** A new cpuset of version 1 is empty, and no process can enter an empty one. */
function inheritCpuset(parent: string, directory: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (readFileSync(join(directory, file), 'utf8').trim() === '') {
      writeFileSync(join(directory, file), readFileSync(join(parent, file)));
    }
  }
}

function tryRemove(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return errnoOf(error) === 'ENOENT';
  }
}

function refusal(reason: string, cause?: unknown): ContainerError {
  const errno = errnoOf(cause);
  return new ContainerError({
    code: 'refused',
    step: 'limits',
    message: 'cannot use cgroups for the limits that were asked for',
    reason,
    fix: 'Leave --memory, --cpus and the like out',
    ...(errno !== undefined && { errno }),
    ...(cause !== undefined && { cause })
  });
}

/**
 * How much sooner than others a container is ended when memory runs out (proc_pid_oom_score_adj(5)): the notebook's
 * kernel, whose variables are worth more, has to take four fifths of the memory more to go first.
 */
const SOONER = 800;

/** Marks a process and all that it starts; nothing happens where that is denied, or it has a higher mark already. */
export function preferAsVictim(pid: number): void {
  const file = `/proc/${pid}/oom_score_adj`;
  try {
    if (Number(readFileSync(file, 'utf8')) < SOONER) {
      writeFileSync(file, String(SOONER));
    }
  } catch {
    // it ended meanwhile, or /proc is read-only here
  }
}
