// SPDX-License-Identifier: BSD-3-Clause
/** What `apptainer inspect` shows of an image (reference/runtimes.md 1.8), read without starting it. */
import { z } from 'zod';
import { findObjects, readSifObject } from '../formats/sif/reader.ts';
import { SifType, type ISif } from '../formats/sif/layout.ts';
import { asContainerError } from '../support/errors.ts';
import type { IInspectAttributes } from './convention.ts';
import { openImageFiles, readText, resolvePath, type IImageFiles } from './image-files.ts';
import type { ILocalImage } from './local-image.ts';

/** The schema of `apptainer inspect --json`, without the envelope's `data`. */
export interface IInspection {
  readonly attributes: IInspectAttributes;
  readonly type: 'container';
}

const MAX_TEXT = 4 << 20;
const texts = z.record(z.string(), z.string());
const text = z.string().nullish();

const app = z.object({
  environment: texts.nullish(),
  labels: texts.nullish(),
  runscript: text,
  startscript: text,
  test: text,
  helpfile: text
});

const metadata = z.object({
  data: z.object({
    attributes: app.extend({ apps: z.record(z.string(), app).nullish(), deffile: text })
  })
});

/**
 * @throws ContainerError when the image cannot be read; parts that are malformed count as absent, as in Apptainer.
 */
export async function inspectImage(image: Pick<ILocalImage, 'path' | 'source' | 'sif'>): Promise<IInspection> {
  try {
    const recorded = image.sif && (await fromSif(image.sif));
    return { attributes: recorded ?? (await fromFiles(image)), type: 'container' };
  } catch (error) {
    throw asContainerError(error, 'inspect', `cannot read ${image.path}`);
  }
}

/** The object that Apptainer and we store for this; the definition has an object of its own. */
async function fromSif(sif: ISif): Promise<IInspectAttributes | undefined> {
  const [object] = findObjects(sif, SifType.genericJson, 'inspect-metadata.json');
  if (!object) {
    return undefined;
  }
  const parsed = metadata.safeParse(parseJson((await readSifObject(sif, object, MAX_TEXT)).toString('utf8')));
  if (!parsed.success) {
    return undefined;
  }
  const { attributes } = parsed.data.data;
  const deffile = attributes.deffile ?? (await definition(sif));
  return present({ ...attributes, deffile });
}

async function definition(sif: ISif): Promise<string | undefined> {
  const [object] = findObjects(sif, SifType.deffile);
  return object && (await readSifObject(sif, object, MAX_TEXT)).toString('utf8');
}

/** Images of before 3.6 and directories: the files themselves. */
async function fromFiles(image: Pick<ILocalImage, 'source' | 'sif'>): Promise<IInspectAttributes> {
  const files = await openImageFiles(image.source);
  try {
    const deffile = image.sif && (await definition(image.sif));
    const { path, entry } = await resolvePath(files, 'scif/apps');
    const names = entry?.type === 'directory' ? ((await files.list(path)) ?? []) : [];
    const apps: Record<string, IInspectAttributes> = {};
    for (const item of names.filter(({ type }) => type === 'directory')) {
      const name = item.path.slice(item.path.lastIndexOf('/') + 1);
      apps[name] = await section(files, `scif/apps/${name}/scif`, /^9.*-environment\.sh$/);
    }
    return present({
      ...(names.length > 0 && { apps }),
      ...(await section(files, '.singularity.d', /^(10-docker.*|9.*-environment)\.sh$/)),
      deffile: deffile ?? (await trimmedText(files, '.singularity.d/Singularity'))
    });
  } finally {
    await files.close();
  }
}

async function section(files: IImageFiles, directory: string, scripts: RegExp): Promise<IInspectAttributes> {
  const { path, entry } = await resolvePath(files, `${directory}/env`);
  const environment: Record<string, string> = {};
  for (const item of entry?.type === 'directory' ? ((await files.list(path)) ?? []) : []) {
    const name = item.path.slice(item.path.lastIndexOf('/') + 1);
    const content = scripts.test(name) ? await trimmedText(files, `${directory}/env/${name}`) : undefined;
    if (content !== undefined) {
      environment[`/${directory}/env/${name}`] = content;
    }
  }
  const labels = texts.safeParse(parseJson((await trimmedText(files, `${directory}/labels.json`)) ?? ''));
  return present({
    environment,
    labels: labels.success ? labels.data : undefined,
    runscript: await trimmedText(files, `${directory}/runscript`),
    startscript: await trimmedText(files, `${directory}/startscript`),
    test: await trimmedText(files, `${directory}/test`),
    helpfile: await trimmedText(files, `${directory}/runscript.help`)
  });
}

async function trimmedText(files: IImageFiles, path: string): Promise<string | undefined> {
  return (await readText(files, path, MAX_TEXT))?.replace(/\n+$/, '');
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

type Loose = { readonly [Key in keyof IInspectAttributes]: IInspectAttributes[Key] | null | undefined };

/** Leaves out what is empty, as Go's omitempty does. */
function present(attributes: Loose): IInspectAttributes {
  const kept = Object.entries(attributes).filter(([, value]) =>
    typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value)
  );
  return Object.fromEntries(kept);
}
