// SPDX-License-Identifier: BSD-3-Clause
/** What a new shell is started with when nobody has said otherwise. Pure. */
import type { RunOptions } from '../../lib-runtime/api/schema.ts';
import type { ISettingValues } from '../setting-values.ts';

/**
 * The options of a shell from the user's settings.
 * @param directory absolute path on the server in which it starts; undefined: the user's home
 * @param gpuFound whether the machine has a GPU: decides `auto`
 */
export function shellOptions(
  settings: Pick<ISettingValues, 'gpu' | 'identity' | 'binds'>,
  directory: string | undefined,
  gpuFound: boolean
): RunOptions {
  const { gpu, identity, binds } = settings;
  return {
    ...(directory !== undefined && directory.startsWith('/') && { directory }),
    ...((gpu === 'on' || (gpu === 'auto' && gpuFound)) && { nv: true }),
    ...(identity !== 'auto' && { as: identity }),
    ...(binds.length > 0 && { binds: [...binds] })
  };
}
