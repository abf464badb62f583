// SPDX-License-Identifier: BSD-3-Clause
/** Removes an image from the store, after asking. */
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Image } from '../../lib-runtime/api/schema.ts';
import { formatBytes, shortName } from '../panel/format.ts';
import type { IContainers } from '../tokens.ts';
import { paragraphs, problemOf, showProblem } from './problems.ts';

export interface IRemovalContext {
  readonly containers: IContainers;
  readonly trans: TranslationBundle;
  readonly asks: boolean;
}

export async function removeImage({ containers, trans, asks }: IRemovalContext, name: string): Promise<void> {
  const image = containers.images?.find(other => other.name === name || other.key === name);
  if (asks) {
    const { button } = await showDialog({
      title: trans.__('Remove this image?'),
      body: paragraphs([name, consequence(image, containers.images ?? [], trans)]),
      buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), Dialog.warnButton({ label: trans.__('Remove') })]
    });
    if (!button.accept) {
      return;
    }
  }
  try {
    const { freedBytes } = await containers.client.removeImage(name);
    const short = shortName(name);
    Notification.success(
      freedBytes > 0
        ? trans.__('Removed %1; %2 are free again', short, formatBytes(freedBytes))
        : trans.__('Removed %1', short),
      { autoClose: 5000 }
    );
  } catch (error) {
    await showProblem(trans.__('The image was not removed'), problemOf(error, trans), trans);
  }
}

/** What is lost, as far as is known before. */
function consequence(image: Image | undefined, images: readonly Image[], trans: TranslationBundle): string {
  if (image === undefined) {
    return trans.__('It will have to be pulled again.');
  }
  if (image.external) {
    return trans.__('Its file stays where it is: %1', image.path);
  }
  return images.some(other => other.key === image.key && other.name !== image.name)
    ? trans.__('Its content stays: it has another name, too.')
    : trans.__('This frees %1. It will have to be pulled again.', formatBytes(image.sizeBytes));
}
