// SPDX-License-Identifier: BSD-3-Clause
/** Finds an image, fetches it where that is meant, reads what planning needs, and keeps it for the next start. */
import { gatherImageFacts } from '../../images/facts.ts';
import type { IImageFacts } from '../../images/image.ts';
import { type IKnownImageQuestion, rememberImage } from '../../images/known-images.ts';
import { type IOpenOptions, openImage } from '../../images/open.ts';
import { openStore, type Store } from '../../store/store.ts';

/** @throws ContainerError those of openImage and gatherImageFacts. */
export async function readImage(
  question: IKnownImageQuestion,
  request: Omit<IOpenOptions, 'store'>
): Promise<{ readonly facts: IImageFacts; readonly store: () => Promise<Store> }> {
  const store = await openStore();
  const image = await openImage(question.text, { ...request, store });
  const looked = new Set<string>();
  const facts = await gatherImageFacts(image, { ...question, store, onLook: path => looked.add(path) });
  rememberImage(question, facts, looked);
  return { facts, store: () => Promise.resolve(store) };
}
