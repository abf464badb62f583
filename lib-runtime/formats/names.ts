// SPDX-License-Identifier: BSD-3-Clause
/**
 * File names between bytes and strings. Linux names are bytes; almost all are UTF-8. A byte that is not becomes a lone
 * surrogate (U+DC80..U+DCFF) as Python's `surrogateescape` (PEP 383) does, so that every name survives a round trip.
 */
import { isUtf8 } from 'node:buffer';

const ESCAPE = 0xdc00;

/** String form of a name's bytes. */
export function decodeName(bytes: Buffer): string {
  if (isUtf8(bytes)) {
    return bytes.toString('utf8');
  }
  let name = '';
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      name += String.fromCharCode(ESCAPE + bytes.readUInt8(at));
      at += 1;
    } else {
      name += bytes.toString('utf8', at, at + length);
      at += length;
    }
  }
  return name;
}

/** Bytes of a name; the inverse of decodeName. */
export function encodeName(name: string): Buffer {
  if (name.isWellFormed()) {
    return Buffer.from(name, 'utf8');
  }
  const parts: Buffer[] = [];
  for (const char of name) {
    const code = char.charCodeAt(0);
    parts.push(isEscape(char, code) ? Buffer.from([code - ESCAPE]) : Buffer.from(char, 'utf8'));
  }
  return Buffer.concat(parts);
}

/** Path for Node's fs functions: the string itself, or bytes when it holds escaped ones. */
export function fsPath(path: string): string | Buffer {
  return path.isWellFormed() ? path : encodeName(path);
}

function isEscape(char: string, code: number): boolean {
  return char.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
}

/** Length of the valid UTF-8 sequence at a place, 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes.readUInt8(at);
  const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
