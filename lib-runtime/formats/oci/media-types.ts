// SPDX-License-Identifier: BSD-3-Clause
/** Media types of images in registries (OCI image-spec media-types.md; Docker's v2 schema 2; SIF over ORAS). */

export const MediaType = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifestV1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerManifestV1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  sifConfig: 'application/vnd.sylabs.sif.config.v1+json',
  sifLayer: 'application/vnd.sylabs.sif.layer.v1.sif',
  /** Spelt like this by Singularity before 3.7. */
  sifLayerOld: 'appliciation/vnd.sylabs.sif.layer.tar'
} as const;

/** What to send as `Accept` when asking for a manifest, best first. */
export const MANIFEST_ACCEPT: readonly string[] = [
  MediaType.ociIndex,
  MediaType.ociManifest,
  MediaType.dockerManifestList,
  MediaType.dockerManifest
];

export const isIndexType = (type: string): boolean =>
  type === MediaType.ociIndex || type === MediaType.dockerManifestList;
export const isManifestType = (type: string): boolean =>
  type === MediaType.ociManifest || type === MediaType.dockerManifest;
export const isSifLayerType = (type: string): boolean => type === MediaType.sifLayer || type === MediaType.sifLayerOld;

/** True for tar layers of a container image, incl. Docker's foreign and OCI's non-distributable ones. */
export function isTarLayerType(type: string): boolean {
  return /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(foreign\.)?diff\.tar)([.+](gzip|zstd))?$/.test(
    type
  );
}
