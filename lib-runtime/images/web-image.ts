// SPDX-License-Identifier: BSD-3-Clause
/** An image on a web server: a SIF or squashfs file behind an `https://` or `http://` address. */
import { createHash } from 'node:crypto';
import { parseWebAddress, shownAddress, webFileName } from '../registry/web-address.ts';
import { versionName, WebFile, type IWebOptions, type IWebVersion } from '../registry/web.ts';
import { ContainerError, printable } from '../support/errors.ts';
import { kindOfHead } from './image-head.ts';
import type { IRemoteFile } from './remote-file.ts';

/**
 * Looks at the file: that it is there, that it begins as an image, and which version it is.
 * @param address as the user wrote it, with user and password where there are some.
 * @throws ContainerError `not-an-image`, `not-found`, `network` ...
 */
export async function openWebImage(address: string, options: IWebOptions): Promise<IRemoteFile> {
  const parsed = parseWebAddress(address);
  if (parsed === undefined) {
    throw new ContainerError({ code: 'internal', step: 'pull', message: `${printable(address)} is no web address` });
  }
  const file = new WebFile(parsed, options);
  const first = await file.look();
  checkHead(first, parsed.url);
  return {
    name: parsed.url,
    shown: shownAddress(parsed.url),
    fileName: webFileName(parsed.url),
    size: first.size,
    digest: `sha256:${createHash('sha256').update(parsed.url).digest('hex')}`,
    version: () => file.version && versionName(file.version),
    download: (path, onProgress) => file.download(path, onProgress ? { onProgress } : {}),
    close: () => Promise.resolve()
  };
}

/** Plain HTTP over a network: anybody in between can put another program into the image. Undefined where it is fine. */
export function plainHttpNotice(url: string): string | undefined {
  const { protocol, hostname, host } = new URL(url);
  return protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
    ? undefined
    : `The image comes from ${host} without encryption: nothing shows whether it was changed on the way. Use https:// if the server knows it`;
}

function checkHead({ head, type }: IWebVersion, url: string): void {
  const kind = kindOfHead(head);
  if (kind === 'sif' || kind === 'squashfs') {
    return;
  }
  const said = type === '' ? '' : ` (${printable(type)})`;
  const reasons = {
    empty: 'the file is empty',
    'web page': `the server sent a web page${said}`,
    text: `the server sent a text${said}`,
    other: `it is neither a SIF nor a squashfs file${said}`
  };
  throw new ContainerError({
    code: 'not-an-image',
    step: 'pull',
    message: `${printable(shownAddress(url))} is no image`,
    reason: reasons[kind],
    fix:
      kind === 'web page'
        ? 'Open the address in a browser: it may be a login, or a page with a link to the file; take the address of the file itself'
        : 'Check the address'
  });
}
