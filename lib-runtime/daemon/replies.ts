// SPDX-License-Identifier: BSD-3-Clause
/** What terminals answer to questions of programs, told from what a person types. Pure. */

/**
 * DA1, DA2, DSR and CPR, DECRPM, window reports; OSC colours; DECRQSS, XTVERSION and XTGETTCAP; focus. A terminal sends
 * an answer as a message of its own. (Shift-F3 looks like a cursor report; it is only lost in a window not in use.)
 */
const REPLY =
  /^(?:\x1b\[[?>=]?[\d;]*(?:[cnRt]|\$y)|\x1b\[[IO]|\x1b\](?:4;\d+|1\d);rgb[^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[01]?[$>!+][^\x1b]*\x1b\\)+$/;

const LONGEST = 512;

/** Whether bytes that a window sent are nothing but answers of its terminal. */
export function isReply(bytes: Uint8Array): boolean {
  return bytes.length > 2 && bytes.length <= LONGEST && bytes[0] === 0x1b && REPLY.test(Buffer.from(bytes).toString());
}
