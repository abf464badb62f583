// SPDX-License-Identifier: BSD-3-Clause
/** The first bytes of a file: whether it can be an image at all, and what it is else. Pure. */
import { SIF_MAGIC, SIF_MAGIC_OFFSET } from '../formats/sif/layout.ts';

export type HeadKind = 'sif' | 'squashfs' | 'empty' | 'web page' | 'text' | 'other';

/** End of the first line of images of Singularity 2: their squashfs begins one byte behind it. */
const LAUNCH = ' run-singularity\n';
const SQUASHFS = 'hsqs';

/**
 * Where the squashfs of a file that is no SIF begins: at 0, or behind the launch line of Singularity 2 (Apptainer,
 * pkg/image/squashfs.go); undefined when there is none.
 */
export function squashfsOffset(head: Uint8Array): number | undefined {
  const text = Buffer.from(head).toString('latin1');
  const line = text.startsWith('#!') ? text.indexOf(LAUNCH) : -1;
  const offset = line < 0 ? 0 : line + LAUNCH.length + 1;
  return text.startsWith(SQUASHFS, offset) ? offset : undefined;
}

/** @param head at least 64 bytes, unless the file is shorter. */
export function kindOfHead(head: Uint8Array): HeadKind {
  if (head.length === 0) {
    return 'empty';
  }
  const text = Buffer.from(head).toString('latin1');
  if (text.startsWith(SIF_MAGIC, SIF_MAGIC_OFFSET)) {
    return 'sif';
  }
  if (squashfsOffset(head) !== undefined) {
    return 'squashfs';
  }
  if (/^[\s\u00ef\u00bb\u00bf]*<(!doctype|html|head|body|\?xml|!--)/i.test(text)) {
    return 'web page';
  }
  return /^[\t\n\r\x20-\x7e]*$/.test(text) ? 'text' : 'other';
}
