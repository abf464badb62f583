// SPDX-License-Identifier: BSD-3-Clause
/** Finds the directory for unpacked trees on this machine; the decision itself is `chooseTreesDirectory`. */
import { constants } from 'node:fs';
import { access, lstat, mkdir, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { chooseTreesDirectory, localCandidates, remoteFileSystem } from './layout.ts';
import type { Environment, ITreesCandidate } from './layout.ts';
import { makeDirectory } from '../support/make-directory.ts';

/** Makes the directory when it is absent, mode 0700, and returns it with the reason when it is not in the store. */
export async function locateTrees(home: string, env: Environment): Promise<{ path: string; reason?: string }> {
  const homeMagic = (await statfs(home)).type;
  // Not from os.userInfo: a uid need not have an account.
  const uid = process.geteuid?.() ?? 0;
  const candidates: ITreesCandidate[] = [];
  if (remoteFileSystem(homeMagic) !== undefined) {
    for (const path of localCandidates(env, uid)) {
      candidates.push(await lookAt(path, uid));
    }
  }
  const chosen = chooseTreesDirectory(home, homeMagic, candidates);
  if (chosen.path !== join(home, 'trees')) {
    await mkdir(dirname(chosen.path), { mode: 0o700 }).catch(() => undefined);
    // Between the look and the mkdir someone else may have put a directory or a link there (/tmp is everyone's).
    if (!(await lookAt(dirname(chosen.path), uid)).usable) {
      return locateInHome(home, `${dirname(chosen.path)} is not a private directory of this user`);
    }
  }
  await makeDirectory(chosen.path, 0o700);
  return chosen;
}

async function locateInHome(home: string, reason: string): Promise<{ path: string; reason: string }> {
  const path = join(home, 'trees');
  await makeDirectory(path, 0o700);
  return { path, reason };
}

async function lookAt(path: string, uid: number): Promise<ITreesCandidate> {
  try {
    const status = await lstat(path);
    const usable = status.isDirectory() && status.uid === uid && (status.mode & 0o077) === 0;
    return { path, usable, magic: (await statfs(path)).type };
  } catch {
    const parent = dirname(path);
    try {
      await access(parent, constants.W_OK | constants.X_OK);
      return { path, usable: true, magic: (await statfs(parent)).type };
    } catch {
      return { path, usable: false, magic: 0 };
    }
  }
}
