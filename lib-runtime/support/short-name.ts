// SPDX-License-Identifier: BSD-3-Clause

/**
 * Sixteen hexadecimal digits for a text: two 32-bit FNV-1a hashes of its UTF-16 units, the second from another start.
 * For names of cache files whose content repeats the whole text: anybody can make two texts of one name. node:crypto
 * would take longer to load than everything else that finds a container's facts in their cache.
 */
export function shortName(text: string): string {
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul(second ^ unit, 0x01000193);
  }
  return [first, second].map(half => (half >>> 0).toString(16).padStart(8, '0')).join('');
}
