// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { parseDigest } from './digest.ts';
import { parseImageConfig, parseIndex, parseManifest, parseManifestOrIndex, type IIndex } from './documents.ts';
import { isTarLayerType, MediaType } from './media-types.ts';
import { goArchitecture, machineOfGo, selectPlatform } from './platform.ts';

const hex = (digit: string): string => `sha256:${digit.repeat(64)}`;
const descriptor = (mediaType: string, digit = 'a'): object => ({ mediaType, digest: hex(digit), size: 7 });
const MANIFEST = {
  schemaVersion: 2,
  mediaType: MediaType.ociManifest,
  config: descriptor(MediaType.ociConfig),
  layers: [descriptor(MediaType.ociLayerGzip, 'b')],
  annotations: null
};

describe('digests', () => {
  it.each([
    [hex('a'), 'sha256'],
    [`sha512:${'0'.repeat(128)}`, 'sha512']
  ])('takes %s', (text, algorithm) => {
    expect(parseDigest(text)).toMatchObject({ algorithm, text });
  });

  it.each([
    ['sha256:abc', 'corrupt'],
    [`sha256:${'A'.repeat(64)}`, 'corrupt'],
    [`sha256:${'a'.repeat(64)}/../..`, 'corrupt'],
    ['latest', 'corrupt'],
    ['md5:d41d8cd98f00b204e9800998ecf8427e', 'unsupported']
  ])('refuses %s', (text, code) => {
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code }));
  });
});

describe('documents', () => {
  it('reads OCI and Docker manifests', () => {
    expect(parseManifest(JSON.stringify(MANIFEST)).layers[0]?.digest).toBe(hex('b'));
    const docker = { ...MANIFEST, mediaType: MediaType.dockerManifest };
    expect(parseManifestOrIndex(Buffer.from(JSON.stringify(docker))).kind).toBe('manifest');
  });

  it('tells an index from a manifest without a media type', () => {
    const index = { schemaVersion: 2, manifests: [descriptor(MediaType.ociManifest)] };
    expect(parseManifestOrIndex(JSON.stringify(index)).kind).toBe('index');
    const plain = { ...MANIFEST, mediaType: undefined };
    expect(parseManifestOrIndex(JSON.stringify(plain), MediaType.ociManifest).kind).toBe('manifest');
  });

  it('reads an image configuration with the nulls that Go writes', () => {
    const config = parseImageConfig(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { Env: ['PATH=/bin'], Entrypoint: null, Cmd: ['sh'], Labels: null, Volumes: { '/data': {} } },
        rootfs: { type: 'layers', diff_ids: [hex('c')] },
        history: [{ created_by: 'x', empty_layer: true }]
      })
    );
    expect(config.config).toMatchObject({ Env: ['PATH=/bin'], Cmd: ['sh'], Volumes: ['/data'] });
    expect(config.config?.Entrypoint).toBeUndefined();
    expect(config.rootfs.diffIds).toEqual([hex('c')]);
    expect(config.history[0]).toMatchObject({ createdBy: 'x', emptyLayer: true });
  });

  it.each([
    ['no JSON', '{', 'corrupt', 'not JSON'],
    [
      'a bad digest',
      JSON.stringify({ ...MANIFEST, layers: [{ mediaType: 'x', digest: '../x', size: 1 }] }),
      'corrupt',
      'layers.0.digest'
    ],
    [
      'a negative size',
      JSON.stringify({ ...MANIFEST, config: { mediaType: 'x', digest: hex('a'), size: -1 } }),
      'corrupt',
      'config.size'
    ],
    ['a list', '[]', 'corrupt', 'not valid'],
    ['Docker schema 1', JSON.stringify({ schemaVersion: 1, fsLayers: [] }), 'unsupported', 'schema 1']
  ])('refuses %s', (_, json, code, message) => {
    expect(() => parseManifest(json)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) as string })
    );
  });

  it.each([
    [MediaType.ociLayerZstd, true],
    [MediaType.dockerLayerGzip, true],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', true],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', true],
    [MediaType.sifLayer, false],
    [MediaType.ociConfig, false]
  ])('knows whether %s is a tar layer: %s', (type, expected) => {
    expect(isTarLayerType(type)).toBe(expected);
  });
});

describe('selectPlatform', () => {
  const indexOf = (...platforms: readonly (readonly [string, (string | undefined)?, string?])[]): IIndex =>
    parseIndex(
      JSON.stringify({
        schemaVersion: 2,
        manifests: platforms.map(([architecture, variant, os = 'linux'], place) => ({
          ...descriptor(MediaType.ociManifest, String(place)),
          platform: { os, architecture, variant }
        }))
      })
    );

  it.each([
    ['x86_64', indexOf(['arm64', 'v8'], ['amd64']), 1],
    ['x86_64', indexOf(['amd64', 'v3'], ['amd64']), 1],
    ['x86_64', indexOf(['amd64', undefined, 'windows'], ['amd64']), 1],
    ['aarch64', indexOf(['amd64'], ['arm64'], ['arm64', 'v8']), 2],
    ['armv7l', indexOf(['arm', 'v5'], ['arm', 'v6'], ['arm', 'v7']), 2],
    ['armv6l', indexOf(['arm', 'v7'], ['arm', 'v5']), 1],
    ['ppc64le', indexOf(['ppc64le']), 0]
  ])('%s', (machine, index, place) => {
    expect(selectPlatform(index, { os: 'linux', machine }).digest).toBe(hex(String(place)));
  });

  it('names what there is when nothing fits', () => {
    const index = indexOf(['arm64', 'v8'], ['unknown', undefined, 'unknown']);
    expect(() => selectPlatform(index, { os: 'linux', machine: 'x86_64' })).toThrow(
      expect.objectContaining({ code: 'architecture', reason: 'it is there for linux/arm64/v8' })
    );
  });

  it('takes a single entry that names no platform', () => {
    const index = parseIndex(JSON.stringify({ schemaVersion: 2, manifests: [descriptor(MediaType.ociManifest)] }));
    expect(selectPlatform(index, { os: 'linux', machine: 'x86_64' }).digest).toBe(hex('a'));
  });

  it('translates names both ways', () => {
    expect([goArchitecture('aarch64'), machineOfGo('arm64'), machineOfGo('arm', 'v7')]).toEqual([
      'arm64',
      'aarch64',
      'armv7l'
    ]);
  });
});
