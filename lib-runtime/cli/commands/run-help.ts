// SPDX-License-Identifier: BSD-3-Clause
/** run-help: the help text that the author of an image gave it. */
import type { IInspectAttributes } from '../../images/convention.ts';
import { inspectImage } from '../../images/inspect.ts';
import { openImage } from '../../images/open.ts';
import { openStore } from '../../store/store.ts';
import { print } from '../output.ts';

export async function runHelpCommand(imageName: string, values: { readonly app?: string }): Promise<number> {
  const image = await openImage(imageName, { store: await openStore(), pull: false });
  const { attributes } = await inspectImage(image);
  const { helpfile }: IInspectAttributes = !values.app ? attributes : (attributes.apps?.[values.app] ?? {});
  print(helpfile ?? 'No help sections were defined for this image');
  return 0;
}
