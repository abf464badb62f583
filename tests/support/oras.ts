// SPDX-License-Identifier: BSD-3-Clause
/** Puts files into a registry as ORAS artifacts, in plain requests: Debian has no client for that. */
import { createHash } from 'node:crypto';

export interface IArtifact {
  readonly files: readonly { readonly content: Uint8Array; readonly mediaType?: string }[];
}

export const SIF_LAYER = 'application/vnd.sylabs.sif.layer.v1.sif';
const SIF_CONFIG = 'application/vnd.sylabs.sif.config.v1+json';

/**
 * As `apptainer push image.sif oras://HOST/NAME:TAG` does (internal/pkg/client/oras).
 * @param host `127.0.0.1:PORT` of a registry over plain HTTP
 * @returns digests of the manifest and of the files
 */
export async function pushArtifact(
  host: string,
  repository: string,
  tag: string,
  { files }: IArtifact,
  login?: { readonly username: string; readonly password: string }
): Promise<{ readonly manifest: string; readonly layers: readonly string[] }> {
  const base = `http://${host}/v2/${repository}`;
  const authorization = login && Buffer.from(`${login.username}:${login.password}`).toString('base64');
  const send = async (method: string, url: URL | string, body?: Uint8Array, type?: string): Promise<Response> => {
    const response = await fetch(url, {
      method,
      headers: {
        ...(type !== undefined && { 'content-type': type }),
        ...(authorization !== undefined && { authorization: `Basic ${authorization}` })
      },
      ...(body && { body: new Uint8Array(body) })
    });
    if (!response.ok) {
      throw new Error(`${method} ${String(url)}: ${response.status} ${await response.text()}`);
    }
    return response;
  };
  const pushBlob = async (content: Uint8Array): Promise<{ digest: string; size: number }> => {
    const digest = digestOf(content);
    const { headers } = await send('POST', `${base}/blobs/uploads/`);
    const place = new URL(headers.get('location') ?? '', base);
    place.searchParams.set('digest', digest);
    await send('PUT', place, content, 'application/octet-stream');
    return { digest, size: content.length };
  };
  const config = { mediaType: SIF_CONFIG, ...(await pushBlob(Buffer.from('{}'))) };
  const layers = [];
  for (const { content, mediaType = SIF_LAYER } of files) {
    const annotations = { 'org.opencontainers.image.title': 'image.sif' };
    layers.push({ mediaType, ...(await pushBlob(content)), annotations });
  }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }));
  await send('PUT', `${base}/manifests/${tag}`, manifest, mediaType);
  return { manifest: digestOf(manifest), layers: layers.map(({ digest }) => digest) };
}

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
