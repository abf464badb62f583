// SPDX-License-Identifier: BSD-3-Clause
import { lstatSync } from 'node:fs';

/** Which file a path is a name of. Numbers above 2^53, which Lustre and overlayfs have, are rounded in Stats. */
export function inodeOf(path: string | Buffer): string {
  const { dev, ino } = lstatSync(path, { bigint: true });
  return `${dev}:${ino}`;
}
