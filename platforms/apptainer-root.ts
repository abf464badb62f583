// SPDX-License-Identifier: BSD-3-Clause
/**
 * The real Apptainer, to compare with: Debian unstable's package in a root file system made by mmdebstrap, entered
 * through a stand-in. Needs the network once (about 30 s, 250 MB); cached in .cache/apptainer-root.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from './build.ts';
import type { IStandInOptions, StandInName } from './recipes.ts';
import { runOnStandIn } from './standin.ts';
import type { IStandInResult } from './standin.ts';

const run = promisify(execFile);

const ROOT = join(REPOSITORY, '.cache', 'apptainer-root');
const SUITE = 'sid';
const PACKAGES = [
  'apptainer',
  'squashfs-tools',
  'squashfuse',
  'fuse2fs',
  'fuse-overlayfs',
  'e2fsprogs',
  'bubblewrap',
  'tzdata'
];
const LEFT_OUT = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/locale/*'];

/** Files that Apptainer insists on and that a bare Debian root lacks. */
async function complete(root: string): Promise<void> {
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost\n');
  await rm(join(root, 'etc/resolv.conf'), { force: true });
  await writeFile(join(root, 'etc/resolv.conf'), '');
  await rm(join(root, 'etc/localtime'), { force: true });
  await symlink('/usr/share/zoneinfo/Etc/UTC', join(root, 'etc/localtime'));
  for (const name of ['subuid', 'subgid']) {
    await writeFile(join(root, 'etc', name), 'root:100000:65536\n');
  }
}

/**
 * Path of a Debian unstable root with Apptainer; made when it is not there or its recipe changed.
 * @throws Error with mmdebstrap's message.
 */
export async function apptainerRoot(): Promise<string> {
  const recipe = createHash('sha256')
    .update(JSON.stringify([SUITE, PACKAGES, LEFT_OUT, 1]))
    .digest('hex');
  const stamp = join(ROOT, '.recipe');
  const isReady = async () => existsSync(stamp) && (await readFile(stamp, 'utf8')) === recipe;
  if (await isReady()) {
    return ROOT;
  }
  const temporary = `${ROOT}.${process.pid}`;
  await mkdir(join(REPOSITORY, '.cache'), { recursive: true });
  const options = [
    // A mirror that lags (or a snapshot) has an expired Release file; the packages are still signed.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    '--aptopt=APT::Install-Recommends "false"',
    '--dpkgopt=force-unsafe-io',
    ...LEFT_OUT.map(glob => `--dpkgopt=path-exclude=${glob}`)
  ];
  try {
    // In a mount namespace of its own: its /proc below /tmp would be seen by every stand-in that starts meanwhile.
    await run('unshare', [
      '--mount',
      'mmdebstrap',
      '--quiet',
      '--mode=root',
      '--variant=apt',
      `--include=${PACKAGES.join(',')}`,
      ...options,
      SUITE,
      temporary
    ]);
    await complete(temporary);
    await writeFile(join(temporary, '.recipe'), recipe);
    // Another test may have been faster meanwhile; then its root is in use already.
    if (!(await isReady())) {
      await rm(ROOT, { recursive: true, force: true });
      await rename(temporary, ROOT);
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return ROOT;
}

export interface IApptainerOptions extends Omit<IStandInOptions, 'lower'> {
  /** Where Apptainer runs; default vm-root. */
  readonly on?: StandInName;
  readonly input?: string;
}

/**
 * Runs `apptainer ARGUMENTS` with only the environment given. Of the machine, only the repository (read-only) and
 * `binds` are there. As root it needs `-u` (a user namespace) on machines whose root lacks CAP_SYS_RESOURCE.
 */
export async function runApptainer(args: readonly string[], options: IApptainerOptions = {}): Promise<IStandInResult> {
  const { on = 'vm-root', ...rest } = options;
  return runInApptainerRoot(['apptainer', ...args], { on, ...rest });
}

/** Runs any command of that root (`unsquashfs`, `sh` ...) as `runApptainer` does. */
export async function runInApptainerRoot(
  command: readonly string[],
  options: IApptainerOptions = {}
): Promise<IStandInResult> {
  const { on = 'vm-root', environment = {}, cwd = '/', ...rest } = options;
  const base = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' };
  return runOnStandIn(on, ['env', '-i', ...entries({ ...base, ...environment }), ...command], {
    ...rest,
    cwd,
    lower: await apptainerRoot()
  });
}

function entries(environment: Readonly<Record<string, string>>): string[] {
  return Object.entries(environment).map(([name, value]) => `${name}=${value}`);
}
