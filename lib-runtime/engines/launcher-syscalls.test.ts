// SPDX-License-Identifier: BSD-3-Clause
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileStatic } from '../../platforms/build.ts';
import { freshLauncher, PATH, temporaryDirectory, tryLauncher } from './test-support.ts';

/** Prints the errno of statx, openat2, faccessat2 and the C library's own access() for a path that is there. */
const PROGRAM = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  char buffer[512];
  struct { unsigned long long flags, mode, resolve; } how = {0, 0, 0};
  errno = 0; syscall(SYS_statx, AT_FDCWD, "/", 0, 0x7ff, buffer); printf("%d ", errno);
  errno = 0; syscall(437, AT_FDCWD, "/", &how, sizeof how); printf("%d ", errno);
  errno = 0; syscall(439, AT_FDCWD, "/", 0, 0); printf("%d ", errno);
  errno = 0; printf("%d\\n", access("/", R_OK) == 0 ? 0 : errno);
}`;

let launcher: string;
let scratch: string;
let program: string;
beforeAll(async () => {
  launcher = freshLauncher();
  scratch = temporaryDirectory();
  const source = join(scratch, 'calls.c');
  writeFileSync(source, PROGRAM);
  program = join(scratch, 'calls');
  await compileStatic([source], program);
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const run = (...names: string[]): ReturnType<typeof tryLauncher> =>
  tryLauncher(launcher, [{ op: 'no-new-privileges' }, { op: 'without-system-calls', names }], {
    argv: [program],
    environment: PATH
  });

describe('without-system-calls', () => {
  it.each([
    [['statx', 'openat2', 'faccessat2'], '38 38 38 0'],
    [['openat2'], '0 38 0 0'],
    [['faccessat2', 'statx'], '38 0 38 0'],
    [[], '0 0 0 0']
  ])('answers ENOSYS to %j and to nothing else', async (names, errnos) => {
    expect(await run(...names)).toMatchObject({ status: 0, stdout: `${errnos}\n`, records: [] });
  });

  it.each([
    [['no_such_call'], 'EINVAL', 'unknown system call no_such_call'],
    [Array<string>(20).fill('statx'), 'E2BIG', 'without-system-calls: too many names']
  ])('refuses %j', async (names, errno, text) => {
    const { status, records } = await run(...names);
    expect(status).toBe(255);
    expect(records).toEqual([{ kind: 'failed', index: 1, errno, text }]);
  });
});
