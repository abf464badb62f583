// SPDX-License-Identifier: BSD-3-Clause
/** What a fake root needs beside the kernel's (or PRoot's) pretence: settings of programs that check what they did. Pure. */
import type { Listings } from '../host/facts.ts';
import { findInImage } from './image-tree.ts';
import type { Mount } from './mounts.ts';

const APT_DIRECTORY = '/etc/apt/apt.conf.d';
/** Looked up in the image, so that its directory is listed. */
export const APT_SETTINGS = `${APT_DIRECTORY}/zz-nbcontainer`;

/**
 * apt downloads as the account _apt, and after becoming it asks the kernel whether it really did: with one id that can
 * only fail (apt-pkg/contrib/fileutl.cc, DropPrivileges), unless it is told to stay root.
 */
export function fakeRootMounts(tree: Listings): Mount[] {
  const found = findInImage(tree, APT_DIRECTORY);
  if (found.kind !== 'found' || found.type !== 'directory') {
    return [];
  }
  return [
    {
      kind: 'content',
      target: APT_SETTINGS,
      content: 'APT::Sandbox::User "root";\n',
      mode: 0o644,
      purpose: 'account',
      reason: 'apt would try to become _apt, an id that there is not'
    }
  ];
}
