// SPDX-License-Identifier: BSD-3-Clause
/**
 * Who holds a lock or a temporary directory: a process, named so that it can be told apart from a later process with
 * the same id. The name fits into a file name, so that it needs no file content that could be torn:
 * `PID-START-PLACE`, with the start time in clock ticks after boot (proc(5), field 22 of /proc/PID/stat) and the place
 * a hash of boot id and pid namespace.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface IOwner {
  readonly pid: number;
  readonly startTime: string;
  /** Equal for processes that can see each other in /proc. */
  readonly place: string;
}

/** `elsewhere`: another machine or pid namespace, of which /proc here says nothing. */
export type OwnerState = 'alive' | 'dead' | 'elsewhere';

let cachedPlace: string | undefined;

function readOr(read: () => string, otherwise: string): string {
  try {
    return read().trim();
  } catch {
    return otherwise;
  }
}

/** 12 hexadecimal digits for this boot of this machine and this pid namespace. */
export function currentPlace(): string {
  cachedPlace ??= createHash('sha256')
    .update(readOr(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'), hostname()))
    .update('\0')
    .update(readOr(() => readlinkSync('/proc/self/ns/pid'), 'pid'))
    .digest('hex')
    .slice(0, 12);
  return cachedPlace;
}

/** Start time and state letter of a process, or undefined when there is none. */
export function parseStat(text: string): { state: string; startTime: string } | undefined {
  // The command in parentheses may itself hold spaces and parentheses: count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state === undefined || startTime === undefined || !/^\d+$/.test(startTime) ? undefined : { state, startTime };
}

/** The identity of a process of this machine, this one by default; undefined when it is not there. */
export function ownerOf(pid: number = process.pid): IOwner | undefined {
  const stat = parseStat(readOr(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), ''));
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') {
    return undefined;
  }
  return { pid, startTime: stat.startTime, place: currentPlace() };
}

export function formatOwner(owner: IOwner): string {
  return `${owner.pid}-${owner.startTime}-${owner.place}`;
}

/** Finds the owner in a name such as `prefix-PID-START-PLACE-RANDOM`. */
export function parseOwner(name: string): IOwner | undefined {
  const match = /(?:^|[.-])(\d{1,10})-(\d{1,20})-([0-9a-f]{12})(?:$|-[0-9a-f]+$)/.exec(name);
  const [, pid, startTime, place] = match ?? [];
  if (pid === undefined || startTime === undefined || place === undefined) {
    return undefined;
  }
  return { pid: Number(pid), startTime, place };
}

/** Whether the process still runs; a zombie counts as dead, for it holds nothing any more. */
export function ownerState(owner: IOwner): OwnerState {
  if (owner.place !== currentPlace()) {
    return 'elsewhere';
  }
  return ownerOf(owner.pid)?.startTime === owner.startTime ? 'alive' : 'dead';
}
