// SPDX-License-Identifier: BSD-3-Clause
/** What this machine permits, found out by trying (launcher/probe.c) and remembered for as long as it holds. */
import { execFile } from 'node:child_process';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { asContainerError } from '../support/errors.ts';
import { writeFileAtomic } from '../support/atomic.ts';
import { shortName } from '../support/short-name.ts';
import { readText } from './account.ts';
import { type IProbeResult, PROBES, type ProbeName } from './facts.ts';

export type ProbeResults = Readonly<Record<ProbeName, IProbeResult>>;

const PROBE_TIMEOUT_MS = 10_000;

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
function cacheKey(launcher: string): string {
  const link = (path: string): string => {
    try {
      return readlinkSync(path);
    } catch {
      return '';
    }
  };
  const binary = statSync(launcher, { bigint: true });
  // The same account may run with and without capabilities, a seccomp filter or no_new_privs in the same namespaces.
  const rights = readText('/proc/self/status')
    .split('\n')
    .filter(line => /^(Cap(Eff|Bnd)|Seccomp|Seccomp_filters|NoNewPrivs):/.test(line));
  return [
    launcher,
    ...[binary.dev, binary.ino, binary.size, binary.mtimeNs, binary.ctimeNs].map(String),
    readText('/proc/sys/kernel/random/boot_id'),
    String(process.geteuid?.()),
    link('/proc/self/ns/user'),
    link('/proc/self/ns/mnt'),
    readText('/proc/self/attr/current'),
    ...rights
  ].join('\n');
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
    const key = cacheKey(launcher);
    const file = join(runtimeDirectory, `probes-${shortName(key)}.json`);
    const known = options.fresh ? undefined : readCache(file, key);
    if (known) {
      return known;
    }
    const { stdout } = await promisify(execFile)(launcher, ['probe'], { timeout: PROBE_TIMEOUT_MS, env: {}, cwd: '/' });
    const probes = parseProbes(stdout);
    // A cache that cannot be written costs the next start 20 ms, not more.
    await writeFileAtomic(file, JSON.stringify({ key, probes }), { mode: 0o600 }).catch(() => undefined);
    return probes;
  } catch (error) {
    throw asContainerError(error, 'host', `the launcher ${launcher} cannot be started`);
  }
}

function readCache(file: string, key: string): ProbeResults | undefined {
  try {
    const content = JSON.parse(readFileSync(file, 'utf8')) as { key?: unknown; probes?: Partial<ProbeResults> };
    const complete = PROBES.every(name => typeof content.probes?.[name]?.ok === 'boolean');
    return content.key === key && complete ? (content.probes as ProbeResults) : undefined;
  } catch {
    return undefined;
  }
}
