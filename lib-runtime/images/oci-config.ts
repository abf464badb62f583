// SPDX-License-Identifier: BSD-3-Clause
/** The `config` part of an OCI image configuration, from documents and from SIF objects. */
import { z } from 'zod';
import type { IContainerConfig } from '../formats/oci/documents.ts';
import type { IOciConfig } from './image.ts';

const strings = z.array(z.string()).nullish().catch(undefined);
const schema = z.object({
  Env: strings,
  Entrypoint: strings,
  Cmd: strings,
  WorkingDir: z.string().optional().catch(undefined),
  User: z.string().optional().catch(undefined),
  Labels: z.record(z.string(), z.string()).nullish().catch(undefined)
});

/** Reads `oci-config.json` of a SIF; what is malformed in it counts as absent: the image can run without it. */
export function parseOciConfig(text: string): IOciConfig | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? asOciConfig(parsed.data) : undefined;
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
