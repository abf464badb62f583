// SPDX-License-Identifier: BSD-3-Clause
/** Pure parts of the model. */

export interface IServerFacts {
  readonly api: number | undefined;
  /** Absolute path of what the file browser shows as `/`. */
  readonly rootDir: string | undefined;
  readonly shells: boolean;
  /** Whether a daemon runs already. */
  readonly daemon: boolean;
}

/** The server extension's answer to `version`; of one that is older or absent, what can be assumed. */
export function readServer(body: unknown): IServerFacts {
  const facts = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  return {
    api: typeof facts.api === 'number' ? facts.api : undefined,
    rootDir: typeof facts.root_dir === 'string' ? facts.root_dir : undefined,
    shells: facts.shells !== false,
    daemon: facts.daemon === true
  };
}

/** Newest first. */
export function inOrder<T extends { readonly startedAt: string; readonly id: string }>(items: Iterable<T>): T[] {
  return [...items].sort((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0));
}

/**
 * A list that was asked for, where events have come while it was on its way: what they told of an id is newer.
 * @param known what the events have made of it
 * @param heard the ids that they were about, also of what they took away
 */
export function reconcile<T extends { readonly id: string }>(
  listed: readonly T[],
  known: ReadonlyMap<string, T>,
  heard: ReadonlySet<string>
): Map<string, T> {
  const merged = new Map(listed.filter(item => !heard.has(item.id)).map(item => [item.id, item]));
  for (const id of heard) {
    const item = known.get(id);
    if (item) {
      merged.set(id, item);
    }
  }
  return merged;
}
