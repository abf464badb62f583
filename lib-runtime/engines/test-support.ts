// SPDX-License-Identifier: BSD-3-Clause
/** What the tests of the launcher share: a busybox tree, plans for it, runs with captured output. */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildLauncher } from '../../scripts/build-launcher.mjs';
import { launcherPath } from './launcher-path.ts';
import { encodePlan, StatusDecoder, type StatusRecord } from './protocol.ts';
import type { IExecution, IPlannedStep, Step } from './steps.ts';

export const IS_ROOT = process.getuid?.() === 0;

/** Whether strace can make a call of the launcher fail or come late: it is here, and no other tracer is at work. */
export const HAS_STRACE = existsSync('/usr/bin/strace') && process.env['NBCONTAINER_LAUNCHER'] === undefined;

/** Builds the launcher when it is stale; returns its path. */
export function freshLauncher(): string {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  buildLauncher({ architectures: [machine] });
  return launcherPath();
}

/** A directory that every account can enter. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'nbcontainer-launcher-'));
  execFileSync('chmod', ['0755', directory]);
  return directory;
}

/** A small root file system of busybox: applets in /bin, empty mount points, an /etc of its own. */
export function makeBusyboxTree(directory: string): string {
  for (const name of ['bin', 'etc', 'proc', 'dev', 'sys', 'tmp', 'root', 'data', 'usr']) {
    mkdirSync(join(directory, name), { recursive: true, mode: 0o755 });
  }
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(path => existsSync(path));
  if (!busybox) {
    throw new Error('busybox-static is needed by the tests of the launcher');
  }
  copyFileSync(busybox, join(directory, 'bin', 'busybox'));
  const applets =
    'sh true false cat echo ls id env sleep kill mount umount touch mkdir ps grep hostname readlink wc seq pwd stat nohup setsid trap chown test head'.split(
      ' '
    );
  applets.forEach(name => {
    symlinkSync('busybox', join(directory, 'bin', name));
  });
  writeFileSync(join(directory, 'etc', 'os-release'), 'NAME=Busy\n');
  writeFileSync(join(directory, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  return directory;
}

/** What most suites of the launcher stand on. */
export interface IBench {
  readonly launcher: string;
  /** Holds the rest; to be removed. */
  readonly base: string;
  readonly tree: string;
  /** Empty, for the `stage` step. */
  readonly stage: string;
}

export function makeBench(): IBench {
  const launcher = freshLauncher();
  const base = temporaryDirectory();
  const stage = join(base, 'stage');
  mkdirSync(stage);
  return { launcher, base, tree: makeBusyboxTree(join(base, 'tree')), stage };
}

export const planned = (...steps: Step[]): IPlannedStep[] => steps.map(step => ({ step, reason: 'a test' }));

/** The steps of an ordinary pivot root on a directory. */
export function pivotSteps(tree: string, stage: string, account?: { uid: number; gid: number }): Step[] {
  return [
    account
      ? {
          op: 'unshare',
          namespaces: ['user', 'mount'],
          uidMap: `${account.uid} ${account.uid} 1`,
          gidMap: `${account.gid} ${account.gid} 1`
        }
      : { op: 'unshare', namespaces: ['mount'] },
    { op: 'private' },
    { op: 'stage', stage, sizeBytes: 1 << 20 },
    { op: 'bind', source: tree, target: '/', flags: ['nosuid', 'nodev', 'ro'] },
    { op: 'bind', source: '/proc', target: '/proc', flags: ['rec', 'nosuid', 'nodev'] },
    { op: 'bind', source: '/dev', target: '/dev', flags: ['rec', 'nosuid'] }
  ];
}

export const PATH = { PATH: '/bin' };

export interface ITrial {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly records: readonly StatusRecord[];
}

/** Runs the launcher itself (optionally below another program such as setpriv) and collects everything. */
export function tryLauncher(
  launcher: string,
  steps: readonly Step[],
  execution: IExecution,
  options: { wrapper?: readonly string[]; input?: Buffer; onPid?: (pid: number) => void; stdin?: string } = {}
): Promise<ITrial> {
  const command = [...(options.wrapper ?? []), launcher, 'run', '3', '4'];
  const child = spawn(command[0] ?? launcher, command.slice(1), { stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'] });
  const records: StatusRecord[] = [];
  const decoder = new StatusDecoder(record => records.push(record));
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdio[4]?.on('data', (chunk: Buffer) => {
    decoder.write(chunk);
  });
  const plan = child.stdio[3];
  if (plan && 'end' in plan) {
    plan.on('error', () => undefined);
    plan.end(options.input ?? encodePlan(planned(...steps), execution));
  }
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.stdin ?? '');
  if (child.pid !== undefined) {
    options.onPid?.(child.pid);
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      decoder.end();
      resolve({ status: code ?? (signal === 'SIGKILL' ? 137 : 1), stdout, stderr, records });
    });
  });
}

/** A process and all its descendants, parents first. */
export function processTree(root: number): number[] {
  const found = [root];
  for (const parent of found) {
    try {
      const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim();
      found.push(...children.split(' ').filter(Boolean).map(Number));
    } catch {
      // ended meanwhile
    }
  }
  return found;
}

/** Waits until `look` gives something else than undefined or false; fails after `seconds`. */
export async function eventually<T>(look: () => T | undefined | false, what: string, seconds = 10): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`timed out: ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}
