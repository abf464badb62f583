// SPDX-License-Identifier: BSD-3-Clause
/** Manifests, indexes and image configurations: JSON from a registry -> checked data (OCI image-spec v1.1). */
import { z } from 'zod';
import { ContainerError, printable } from '../../support/errors.ts';
import { isDigest } from './digest.ts';
import { isIndexType, isManifestType, MediaType } from './media-types.ts';

const FIX = 'Pull the image again; if it stays so, the image itself is damaged';
/** Registries refuse manifests above 4 MiB (distribution-spec); configurations may be larger. */
const MAX_DOCUMENT = 16 << 20;
const MAX_LAYERS = 1024;

const digest = z.string().refine(isDigest, { error: 'not a sha256 or sha512 digest' });
/** Go writes empty lists and maps as null. */
const strings = z
  .array(z.string())
  .nullish()
  .transform(value => value ?? undefined);
const stringMap = z
  .record(z.string(), z.string())
  .nullish()
  .transform(value => value ?? undefined);
const text = z
  .string()
  .nullish()
  .transform(value => value ?? undefined);
const keys = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform(value => (value ? Object.keys(value) : undefined));

const descriptor = z.object({
  mediaType: z.string(),
  digest,
  size: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
  annotations: stringMap,
  artifactType: text,
  urls: strings
});

const platform = z.object({
  os: z.string(),
  architecture: z.string(),
  variant: text,
  'os.version': text
});

const manifest = z.object({
  schemaVersion: z.literal(2),
  mediaType: text,
  artifactType: text,
  config: descriptor,
  layers: z.array(descriptor).max(MAX_LAYERS),
  annotations: stringMap
});

const index = z.object({
  schemaVersion: z.literal(2),
  mediaType: text,
  manifests: z
    .array(descriptor.extend({ platform: platform.nullish().transform(value => value ?? undefined) }))
    .max(MAX_LAYERS),
  annotations: stringMap
});

const containerConfig = z.object({
  Env: strings,
  Entrypoint: strings,
  Cmd: strings,
  WorkingDir: text,
  User: text,
  Labels: stringMap,
  Volumes: keys,
  ExposedPorts: keys,
  StopSignal: text,
  Shell: strings
});

const imageConfig = z.object({
  architecture: z.string(),
  variant: text,
  os: z.string(),
  created: text,
  author: text,
  config: containerConfig.nullish().transform(value => value ?? undefined),
  rootfs: z
    .object({ type: z.literal('layers'), diff_ids: z.array(digest).nullish() })
    .transform(value => ({ diffIds: value.diff_ids ?? [] })),
  history: z
    .array(z.object({ created_by: text, empty_layer: z.boolean().nullish(), created: text, comment: text }))
    .nullish()
    .transform(value =>
      (value ?? []).map(step => ({
        createdBy: step.created_by,
        emptyLayer: step.empty_layer ?? false,
        created: step.created,
        comment: step.comment
      }))
    )
});

export type IDescriptor = z.output<typeof descriptor>;
export type IPlatform = z.output<typeof platform>;
export type IManifest = z.output<typeof manifest>;
export type IIndex = z.output<typeof index>;
export type IIndexEntry = IIndex['manifests'][number];
/** The `config` object of an image configuration; absent and null are both undefined. */
export type IContainerConfig = z.output<typeof containerConfig>;
export type IImageConfig = z.output<typeof imageConfig>;

/**
 * What a manifest endpoint answered: one image, or a choice of images by platform.
 * @param contentType media type of the HTTP answer or of the descriptor; used where the document does not say.
 */
export function parseManifestOrIndex(
  json: Uint8Array | string,
  contentType?: string
): { readonly kind: 'manifest'; readonly manifest: IManifest } | { readonly kind: 'index'; readonly index: IIndex } {
  const document = parseJson(json, 'manifest');
  const type = mediaTypeOf(document, contentType);
  if (isIndexType(type) || (!isManifestType(type) && hasKey(document, 'manifests'))) {
    return { kind: 'index', index: check(index, document, 'image index') };
  }
  return { kind: 'manifest', manifest: checkManifest(document) };
}

/** @throws ContainerError `corrupt`, or `unsupported` for Docker's schema 1. */
export function parseManifest(json: Uint8Array | string): IManifest {
  return checkManifest(parseJson(json, 'manifest'));
}

/** @throws ContainerError `corrupt`. */
export function parseIndex(json: Uint8Array | string): IIndex {
  return check(index, parseJson(json, 'image index'), 'image index');
}

/** @throws ContainerError `corrupt`. */
export function parseImageConfig(json: Uint8Array | string): IImageConfig {
  return check(imageConfig, parseJson(json, 'image configuration'), 'image configuration');
}

function checkManifest(document: unknown): IManifest {
  const type = mediaTypeOf(document);
  const isOld =
    type === MediaType.dockerManifestV1 || type === MediaType.dockerManifestV1Signed || hasKey(document, 'fsLayers');
  if (isOld) {
    throw new ContainerError({
      code: 'unsupported',
      step: 'read manifest',
      message: 'the image has a Docker manifest of schema 1, which registries gave up in 2019',
      fix: 'Ask its owner to push it again with a current Docker'
    });
  }
  return check(manifest, document, 'manifest');
}

function parseJson(json: Uint8Array | string, what: string): unknown {
  if (json.length > MAX_DOCUMENT) {
    throw corrupt(`the ${what} is larger than ${MAX_DOCUMENT} bytes`);
  }
  try {
    return JSON.parse(typeof json === 'string' ? json : Buffer.from(json).toString('utf8'));
  } catch (error) {
    throw corrupt(`the ${what} is not JSON`, error);
  }
}

function check<T>(schema: z.ZodType<T>, document: unknown, what: string): T {
  const result = schema.safeParse(document);
  if (!result.success) {
    const issue = result.error.issues[0];
    const place = issue === undefined || issue.path.length === 0 ? '' : ` (${printable(issue.path.join('.'))})`;
    throw corrupt(`the ${what} is not valid${place}: ${printable(issue?.message ?? 'unknown')}`, result.error);
  }
  return result.data;
}

function hasKey(document: unknown, key: string): boolean {
  return typeof document === 'object' && document !== null && key in document;
}

function mediaTypeOf(document: unknown, fallback = ''): string {
  if (typeof document === 'object' && document !== null && 'mediaType' in document) {
    return typeof document.mediaType === 'string' ? document.mediaType : fallback;
  }
  return fallback;
}

function corrupt(message: string, cause?: unknown): ContainerError {
  return new ContainerError({
    code: 'corrupt',
    step: 'read manifest',
    message,
    fix: FIX,
    ...(cause !== undefined && { cause })
  });
}
