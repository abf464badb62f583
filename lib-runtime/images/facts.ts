// SPDX-License-Identifier: BSD-3-Clause
/** What the planner has to know of an image, read in place: nothing is mounted or unpacked. */
import type { INode, Listings } from '../host/facts.ts';
import { findObjects, readSifObject } from '../formats/sif/reader.ts';
import { SifType, type ISif } from '../formats/sif/layout.ts';
import type { ITreeEntry } from '../formats/tree.ts';
import type { Store } from '../store/store.ts';
import { asContainerError } from '../support/errors.ts';
import { ELF_HEAD, machineOfElf } from './elf.ts';
import type { IImageFacts } from './image.ts';
import { openImageFiles, readText, resolvePath, type IImageFiles } from './image-files.ts';
import type { ILocalImage } from './local-image.ts';
import { parseOciConfig } from './oci-config.ts';

/** Scripts, passwd and the like; nothing real comes near. */
const MAX_TEXT = 4 << 20;
/** A program that is only opened for its header; larger ones are passed over. */
const MAX_PROGRAM = 64 << 20;
const ENVIRONMENT = '.singularity.d/env';

export interface IFactsOptions {
  readonly store: Store;
  /** Absolute paths of the container; every directory on the way to one is listed. */
  readonly pathsOfInterest: readonly string[];
  /** Told every path of the host that is looked at in an image that is a directory. */
  readonly onLook?: (path: string) => void;
}

/** @throws ContainerError `corrupt`, `truncated`, `permission` and what reading the image throws. */
export async function gatherImageFacts(image: ILocalImage, options: IFactsOptions): Promise<IImageFacts> {
  const files = await openImageFiles(image.source, options.onLook);
  try {
    const { store, pathsOfInterest } = options;
    const { key, name, path, source } = image;
    const config = image.config ?? (image.sif && (await configOf(image.sif)));
    const machine = await machineOf(image, files);
    const overlay = image.sif && overlayOf(image.sif);
    const runscript = await readText(files, '.singularity.d/runscript', MAX_TEXT);
    const passwd = await readText(files, 'etc/passwd', MAX_TEXT);
    const group = await readText(files, 'etc/group', MAX_TEXT);
    return {
      name,
      path,
      key,
      source,
      ...(machine !== undefined && { machine }),
      ...(config && { config }),
      ...(overlay && { overlay }),
      environmentScripts: await environmentScripts(files),
      ...(runscript !== undefined && { runscript }),
      ...(passwd !== undefined && { passwd }),
      ...(group !== undefined && { group }),
      tree: await listings(files, pathsOfInterest),
      trees: {
        plain: store.treePath(key, 'plain'),
        merged: store.treePath(key, 'merged'),
        'read-only': store.treePath(key, 'read-only')
      }
    };
  } catch (error) {
    throw asContainerError(error, 'read image', `cannot read ${image.path}`);
  } finally {
    await files.close();
  }
}

function overlayOf({ descriptors }: ISif): IImageFacts['overlay'] {
  for (const { partition, offset, size } of descriptors) {
    const fileSystem = partition?.fstype;
    if (partition?.parttype === 'overlay' && (fileSystem === 'ext3' || fileSystem === 'squashfs')) {
      return { fileSystem, offset, size };
    }
  }
  return undefined;
}

async function configOf(sif: ISif): Promise<IImageFacts['config']> {
  const [object] = findObjects(sif, SifType.genericJson, 'oci-config.json');
  return object && parseOciConfig((await readSifObject(sif, object, MAX_TEXT)).toString('utf8'));
}

/** /.singularity.d/env/*.sh in the order of a shell's glob; images from before 2.3 have /environment instead. */
async function environmentScripts(files: IImageFiles): Promise<{ name: string; text: string }[]> {
  const { path, entry } = await resolvePath(files, ENVIRONMENT);
  const names =
    entry?.type === 'directory'
      ? ((await files.list(path)) ?? []).map(item => item.path.slice(item.path.lastIndexOf('/') + 1))
      : [];
  const scripts: { name: string; text: string }[] = [];
  for (const name of names.filter(other => other.endsWith('.sh') && !other.startsWith('.'))) {
    const text = await readText(files, `${ENVIRONMENT}/${name}`, MAX_TEXT);
    if (text !== undefined) {
      scripts.push({ name, text });
    }
  }
  if (entry === undefined) {
    const text = await readText(files, 'environment', MAX_TEXT);
    return text === undefined ? [] : [{ name: 'environment', text }];
  }
  return scripts;
}

/** From the SIF; else from the header of a shell or another common program. */
async function machineOf(image: ILocalImage, files: IImageFiles): Promise<string | undefined> {
  const recorded = image.sif?.header.arch;
  if (recorded !== undefined && recorded !== 'unknown') {
    return recorded;
  }
  for (const program of ['bin/sh', 'bin/bash', 'bin/busybox', 'usr/bin/env', 'usr/bin/python3']) {
    const machine = await machineOfProgram(files, program);
    if (machine !== undefined) {
      return machine;
    }
  }
  for (const directory of ['usr/bin', 'usr/local/bin', 'app', '']) {
    const { path } = await resolvePath(files, directory);
    const programs = ((await files.list(path)) ?? []).filter(item => item.type === 'file' && (item.mode & 0o111) !== 0);
    for (const item of programs.slice(0, 8)) {
      const machine = await machineOfProgram(files, item.path);
      if (machine !== undefined) {
        return machine;
      }
    }
  }
  return undefined;
}

async function machineOfProgram(files: IImageFiles, program: string): Promise<string | undefined> {
  const { path, entry } = await resolvePath(files, program);
  if (entry?.type !== 'file' || entry.size < ELF_HEAD || entry.size > MAX_PROGRAM) {
    return undefined;
  }
  const content = await files.readFile(path, MAX_PROGRAM);
  return content && machineOfElf(content.subarray(0, ELF_HEAD));
}

async function listings(files: IImageFiles, paths: readonly string[]): Promise<Listings> {
  const directories = new Set<string>(['']);
  for (const path of paths) {
    (await resolvePath(files, path)).directories.forEach(directory => directories.add(directory));
  }
  const tree: Record<string, readonly INode[]> = {};
  for (const directory of directories) {
    tree[`/${directory}`] = ((await files.list(directory)) ?? []).map(asNode);
  }
  return tree;
}

function asNode({ path, type, mode, linkTarget }: ITreeEntry): INode {
  return {
    name: path.slice(path.lastIndexOf('/') + 1),
    type: type === 'directory' || type === 'file' || type === 'symlink' ? type : 'other',
    mode,
    ...(linkTarget !== undefined && type === 'symlink' && { target: linkTarget })
  };
}
