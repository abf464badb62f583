// SPDX-License-Identifier: BSD-3-Clause
/**
 * --writable: a directory is used as it is and changed in place. Nothing may be made in it that the user did not ask
 * for, so what needs a mount point that it lacks is left out, as Apptainer does. Pure.
 */
import type { IImageFacts } from '../images/image.ts';
import { findInImage, isWithin } from './image-tree.ts';
import type { IMounts, Mount } from './mounts.ts';
import type { INote, IRefusal } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';

/** Why the image cannot be written to; undefined when it can, or that was not asked for. */
export function writableRefusal(spec: IRunSpec, { source, name, trees }: IImageFacts): IRefusal | undefined {
  if (!spec.writable) {
    return undefined;
  }
  if (spec.overlays.length > 0) {
    return refusal(
      'cannot use --overlay in conjunction with --writable',
      'the changes can go to one place only',
      'Leave one of the two out'
    );
  }
  if (source.kind === 'directory' && source.directory !== trees.plain) {
    return undefined;
  }
  return refusal(
    `no SIF writable overlay partition found in ${name}`,
    'only an image that is a directory can be changed in place',
    'Use --writable-tmpfs or --overlay DIR, or make a directory with nbcontainer build --sandbox'
  );
}

/** The mounts that the directory has a place for. */
export function writableMounts(asked: IMounts, { tree, name }: IImageFacts): IMounts | IRefusal {
  const kept: Mount[] = [];
  const notes: INote[] = [...asked.notes];
  for (const mount of asked.mounts) {
    const { target, purpose } = mount;
    const inside = kept.some(other => other.target !== target && isWithin(target, other.target));
    const found = findInImage(tree, target).kind === 'found';
    if (mount.kind === 'content') {
      notes.push({ level: 'info', text: `--writable: ${target} is left as it is in the image` });
    } else if (inside || found) {
      kept.push(mount);
    } else if (purpose === 'bind' || purpose === 'scratch') {
      return refusal(
        `destination ${target} doesn't exist in container`,
        `${name} has no ${target}, and --writable makes no mount points in it`,
        'Make it in the image, or use --writable-tmpfs'
      );
    } else if (mount.kind === 'bind' && purpose !== 'hidden') {
      notes.push({
        level: 'warning',
        text: `Skipping mount ${mount.source} [${purpose}]: ${target} doesn't exist in container`
      });
    }
  }
  return { ...asked, mounts: kept, notes };
}

function refusal(message: string, reason: string, fix: string): IRefusal {
  return { kind: 'refusal', code: 'usage', message, reason, fix };
}
