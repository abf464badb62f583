// SPDX-License-Identifier: BSD-3-Clause
/** What this machine permits, found out by trying (launcher/probe.c) and remembered for as long as it holds. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { asContainerError } from '../support/errors.ts';
import { writeFileAtomic } from '../support/atomic.ts';
import { type IProbeResult, PROBES, type ProbeName } from './facts.ts';

export type ProbeResults = Readonly<Record<ProbeName, IProbeResult>>;

const PROBE_TIMEOUT_MS = 10_000;
const run = promisify(execFile);

/** Reads the launcher's `name ok` / `name ERRNO` lines; a probe without a line counts as failed (ENOSYS). */
export function parseProbes(output: string): ProbeResults {
  const lines = new Map(output.split('\n').map(line => line.split(' ') as [string, string | undefined]));
  const result = (name: ProbeName): IProbeResult => {
    const word = lines.get(name);
    return word === 'ok' ? { ok: true } : { ok: false, errno: /^E\w+$/.test(word ?? '') ? (word ?? '') : 'ENOSYS' };
  };
  return Object.fromEntries(PROBES.map(name => [name, result(name)])) as Record<ProbeName, IProbeResult>;
}

/** Everything that decides what is permitted: a change of any of it makes a new probe. */
async function cacheKey(launcher: string): Promise<string> {
  const text = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
  const link = (path: string): Promise<string> => readlink(path).catch(() => '');
  const [boot, user, mounts, label, status, binary] = await Promise.all([
    text('/proc/sys/kernel/random/boot_id'),
    link('/proc/self/ns/user'),
    link('/proc/self/ns/mnt'),
    text('/proc/self/attr/current'),
    text('/proc/self/status'),
    readFile(launcher)
  ]);
  // The same account may run with and without capabilities, a seccomp filter or no_new_privs in the same namespaces.
  const rights = status.split('\n').filter(line => /^(Cap(Eff|Bnd)|Seccomp|Seccomp_filters|NoNewPrivs):/.test(line));
  const hash = createHash('sha256').update(binary);
  for (const part of [boot, String(process.geteuid?.()), user, mounts, label, ...rights]) {
    hash.update(`\0${part}`);
  }
  return hash.digest('hex');
}

/**
 * The results of all probes, from the cache in `runtimeDirectory` when nothing that decides has changed since.
 *
 * @param options.fresh tries anew in any case (`doctor`).
 * @throws ContainerError when the launcher itself cannot be started.
 */
export async function probeHost(
  launcher: string,
  runtimeDirectory: string,
  options: { readonly fresh?: boolean } = {}
): Promise<ProbeResults> {
  try {
    const key = await cacheKey(launcher);
    const file = join(runtimeDirectory, `probes-${key.slice(0, 16)}.json`);
    const known = options.fresh ? undefined : await readCache(file, key);
    if (known) {
      return known;
    }
    const { stdout } = await run(launcher, ['probe'], { timeout: PROBE_TIMEOUT_MS, env: {}, cwd: '/' });
    const probes = parseProbes(stdout);
    // A cache that cannot be written costs the next start 20 ms, not more.
    await writeFileAtomic(file, JSON.stringify({ key, probes }), { mode: 0o600 }).catch(() => undefined);
    return probes;
  } catch (error) {
    throw asContainerError(error, 'host', `the launcher ${launcher} cannot be started`);
  }
}

async function readCache(file: string, key: string): Promise<ProbeResults | undefined> {
  try {
    const content = JSON.parse(await readFile(file, 'utf8')) as { key?: unknown; probes?: Partial<ProbeResults> };
    const complete = PROBES.every(name => typeof content.probes?.[name]?.ok === 'boolean');
    return content.key === key && complete ? (content.probes as ProbeResults) : undefined;
  } catch {
    return undefined;
  }
}
