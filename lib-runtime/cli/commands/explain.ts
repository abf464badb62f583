// SPDX-License-Identifier: BSD-3-Clause
/** doctor --explain: what is known of a message of Apptainer, bubblewrap, udocker, PRoot ... */
import type { Readable } from 'node:stream';
import { explainText } from '../../host/explain.ts';
import { ContainerError, printable } from '../../support/errors.ts';
import { print } from '../output.ts';

/** More than any log that somebody pastes. */
const MAX_BYTES = 16 * 1024 * 1024;

/** The text of a stream. @throws ContainerError `usage` when it is larger than a log. */
export async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Buffer);
    size += bytes.length;
    if (size > MAX_BYTES) {
      throw new ContainerError({
        code: 'usage',
        step: 'explain',
        message: 'the text is too long',
        fix: 'Give the last lines: tail -n 100 LOG | nbcontainer doctor --explain -'
      });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Prints what each known line means. @returns 1 when none is known. */
export function explainCommand(text: string, json: boolean): number {
  const found = explainText(text);
  if (json) {
    const rows = found.map(({ line, known: { id, cause, advice, administrator, source } }) => ({
      line,
      ...{ id, cause, advice, administrator, source }
    }));
    print(JSON.stringify(rows, null, 2));
    return found.length > 0 ? 0 : 1;
  }
  if (found.length === 0) {
    print('This message is not in the table. nbcontainer doctor says what this machine permits.');
    return 1;
  }
  const paragraphs = found.map(({ line, known }) =>
    [
      printable(line),
      `  Cause:   ${known.cause}.`,
      `  Do this: ${known.advice}.`,
      ...(known.administrator === undefined ? [] : [`  Admin:   ${known.administrator}.`]),
      `  Seen in: ${known.source}`
    ].join('\n')
  );
  print(paragraphs.join('\n\n'));
  return 0;
}

/**
 * What the table knows of a failure of ours that carries the words of another program (PRoot, the kernel, a registry)
 * and gives no better advice than to see doctor; lines for a person.
 */
export function knownCause(error: ContainerError): string[] {
  const advised = error.fix !== undefined && !error.fix.includes('nbcontainer doctor');
  const found = advised ? [] : explainText([error.message, error.reason ?? ''].join('\n'));
  return found.flatMap(({ known }) => [
    `Known cause: ${known.cause}. ${known.advice}.`,
    ...(known.administrator === undefined ? [] : [`An administrator could change: ${known.administrator}.`])
  ]);
}
