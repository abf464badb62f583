// SPDX-License-Identifier: BSD-3-Clause
/** Content digests `sha256:<hex>` (OCI image-spec, descriptor.md "Digests"). */
import { ContainerError, printable } from '../../support/errors.ts';

export type DigestAlgorithm = 'sha256' | 'sha512';

export interface IDigest {
  readonly algorithm: DigestAlgorithm;
  /** Lower case hexadecimal. */
  readonly hex: string;
  /** `algorithm:hex`. */
  readonly text: string;
}

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/** @throws ContainerError `corrupt` (malformed) or `unsupported` (an algorithm we cannot check). */
export function parseDigest(text: string): IDigest {
  const match = /^([a-z0-9]+(?:[.+_-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)$/.exec(text);
  const [, algorithm, hex] = match ?? [];
  if (algorithm === undefined || hex === undefined) {
    throw bad('corrupt', `not a digest: ${printable(text.slice(0, 200))}`);
  }
  if (algorithm !== 'sha256' && algorithm !== 'sha512') {
    throw bad('unsupported', `digests of kind ${algorithm} cannot be checked; sha256 and sha512 can`);
  }
  if (hex.length !== HEX_LENGTH[algorithm] || !/^[0-9a-f]+$/.test(hex)) {
    throw bad('corrupt', `not a ${algorithm} digest: ${printable(text.slice(0, 200))}`);
  }
  return { algorithm, hex, text };
}

/** True when parseDigest would take the text. */
export function isDigest(text: string): boolean {
  return /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
}

function bad(code: 'corrupt' | 'unsupported', message: string): ContainerError {
  return new ContainerError({ code, step: 'read manifest', message });
}
