// SPDX-License-Identifier: BSD-3-Clause
/** The `config` part of an OCI image configuration, from documents and from SIF objects. */
import { dirname, join } from 'node:path';
import type { IContainerConfig } from '../formats/oci/documents.ts';
import type { Store } from '../store/store.ts';
import type { IOciConfig } from './image.ts';

/**
 * Reads `oci-config.json` of a SIF; what is malformed in it counts as absent: the image can run without it.
 * By hand and not by a schema: this is on the way of every start, and nothing here is refused.
 */
export function parseOciConfig(text: string): IOciConfig | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return undefined;
  }
  const field = (name: keyof IOciConfig): unknown => (value as Readonly<Record<string, unknown>>)[name];
  return asOciConfig({
    Env: strings(field('Env')),
    Entrypoint: strings(field('Entrypoint')),
    Cmd: strings(field('Cmd')),
    WorkingDir: string(field('WorkingDir')),
    User: string(field('User')),
    Labels: stringMap(field('Labels'))
  });
}

function string(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function strings(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every(item => typeof item === 'string') ? value : undefined;
}

function stringMap(value: unknown): Readonly<Record<string, string>> | undefined {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isMap && strings(Object.values(value)) ? (value as Readonly<Record<string, string>>) : undefined;
}

type Loose = { readonly [Key in keyof IOciConfig]: IOciConfig[Key] | null | undefined };

/** The fields that we keep, absent ones left out. */
export function asOciConfig(config: Loose | IContainerConfig | undefined): IOciConfig {
  const { Env, Entrypoint, Cmd, WorkingDir, User, Labels } = config ?? {};
  return {
    ...(Env && { Env }),
    ...(Entrypoint && { Entrypoint }),
    ...(Cmd && { Cmd }),
    ...(WorkingDir && { WorkingDir }),
    ...(User && { User }),
    ...(Labels && { Labels })
  };
}

/** File beside the trees of an image that has no SIF: its OCI configuration. */
export function treeConfigPath(store: Store, key: string): string {
  return join(dirname(store.treePath(key, 'plain')), 'oci-config.json');
}
