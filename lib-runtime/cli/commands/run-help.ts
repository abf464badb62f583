// SPDX-License-Identifier: BSD-3-Clause
/** run-help: the help text that the author of an image gave it. */
import { inspectImage } from '../../images/inspect.ts';
import { openImage } from '../../images/open.ts';
import { openStore } from '../../store/store.ts';
import { print } from '../output.ts';

export async function runHelpCommand(imageName: string): Promise<number> {
  const image = await openImage(imageName, { store: await openStore(), pull: false });
  const { attributes } = await inspectImage(image);
  print(attributes.helpfile ?? 'No help sections were defined for this image');
  return 0;
}
