// SPDX-License-Identifier: BSD-3-Clause
/** Links in a shell's output. A program writes them: what it says is not to be trusted. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

/** The address of a page of the web; undefined for anything else (`javascript:`, `file:`). Pure. */
export function webAddress(text: string): string | undefined {
  try {
    const url = new URL(text);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Opens a link in a new tab of the browser. A link with a text of its own (OSC 8) may lead elsewhere than it says: its
 * address is shown first.
 * @param shown whether the text that was clicked is the address
 */
export async function openLink(text: string, shown: boolean, trans: TranslationBundle): Promise<void> {
  const address = webAddress(text);
  if (address === undefined) {
    return;
  }
  if (!shown) {
    const { button } = await showDialog({
      title: trans.__('Open this page?'),
      body: address,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Open') })]
    });
    if (!button.accept) {
      return;
    }
  }
  window.open(address, '_blank', 'noopener,noreferrer');
}
