// SPDX-License-Identifier: BSD-3-Clause
/** Whether files can be given to other users. */
import { readFileSync } from 'node:fs';
import { parseStatus } from '../host/capabilities.ts';

/**
 * True for root with all ids of a distribution mapped; root of a user namespace with one id cannot chown to others.
 * @param uidMap text of /proc/self/uid_map (user_namespaces(7)).
 */
export function mapsAllIds(uidMap: string): boolean {
  const ranges = uidMap
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/).map(Number));
  const total = ranges.reduce((sum, [, , count = 0]) => sum + count, 0);
  return ranges.some(([inside]) => inside === 0) && total >= 65535;
}

/** What giving files to others takes, and changing them afterwards (capabilities(7)). */
const NEEDED = ['CAP_CHOWN', 'CAP_FOWNER'];

/**
 * True for root with the rights of root: those of a container may have been dropped (below PRoot, in a pod).
 * @param status text of /proc/self/status.
 */
export function mayGiveAway(status: string): boolean {
  const { capabilities } = parseStatus(status);
  return NEEDED.every(name => capabilities.includes(name));
}

/** True when this process restores ownership of an unpacked image. */
export function actsAsRoot(): boolean {
  if (process.geteuid?.() !== 0) {
    return false;
  }
  try {
    return (
      mayGiveAway(readFileSync('/proc/self/status', 'utf8')) && mapsAllIds(readFileSync('/proc/self/uid_map', 'utf8'))
    );
  } catch {
    return false;
  }
}
