// SPDX-License-Identifier: BSD-3-Clause
/** Facts for the tables of tests in this room: an ordinary machine, an ordinary image, and what differs. */
import { type IHostFacts, type INode, type Listings, type ProbeName, PROBES } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { DEFAULT_SPEC, type IRunSpec } from './spec.ts';

/** `etc/`, `init`, `bin -> usr/bin`, `fifo|`: a listing by its shell-like notation. */
export function listing(...names: readonly string[]): INode[] {
  return names.map(text => {
    const [name = '', target] = text.split(' -> ');
    if (target !== undefined) {
      return { name, type: 'symlink', mode: 0o777, target };
    }
    if (name.endsWith('/')) {
      return { name: name.slice(0, -1), type: 'directory', mode: name === 'tmp/' ? 0o1777 : 0o755 };
    }
    return name.endsWith('|')
      ? { name: name.slice(0, -1), type: 'other', mode: 0o644 }
      : { name, type: 'file', mode: 0o644 };
  });
}

export const DEBIAN: Listings = {
  '/': listing(
    ...['.singularity.d/', 'bin -> usr/bin', 'dev/', 'etc/', 'home/', 'lib -> usr/lib', 'lib64 -> usr/lib64', 'opt/'],
    ...['proc/', 'root/', 'run/', 'sbin -> usr/sbin', 'singularity -> .singularity.d/runscript', 'sys/', 'tmp/'],
    ...['usr/', 'var/']
  ),
  '/.singularity.d': listing('env/', 'libs/', 'runscript'),
  '/.singularity.d/libs': [],
  '/etc': listing('group', 'hosts', 'localtime -> /usr/share/zoneinfo/Etc/UTC', 'passwd', 'resolv.conf'),
  '/home': [],
  '/usr': listing('bin/', 'lib/', 'lib64/', 'sbin/', 'share/'),
  '/usr/bin': listing('bash', 'env', 'sh -> dash', 'dash'),
  '/usr/share': listing('zoneinfo/'),
  '/usr/share/zoneinfo': listing('Etc/'),
  '/usr/share/zoneinfo/Etc': listing('UTC'),
  '/var': listing('lib/', 'run -> /run', 'tmp/'),
  '/var/tmp': [],
  '/run': []
};

export const BUSYBOX: Listings = {
  '/': listing('bin/', 'dev/', 'etc/', 'home/', 'lib/', 'root/', 'tmp/', 'usr/', 'var/'),
  '/bin': listing('busybox', 'sh -> busybox'),
  '/etc': listing('group', 'passwd'),
  '/home': [],
  '/usr': listing('bin/', 'sbin/'),
  '/usr/bin': listing('env -> ../../bin/busybox'),
  '/var': listing('tmp/')
};

/** FROM scratch. */
export const HELLO: Listings = { '/': listing('hello') };

export function imageFacts(tree: Listings, more: Partial<IImageFacts> = {}): IImageFacts {
  return {
    name: 'image.sif',
    path: '/images/image.sif',
    key: 'sha256-0',
    source: { kind: 'squashfs', file: '/images/image.sif', offset: 4096, size: 8192, compression: 'zstd' },
    machine: 'x86_64',
    environmentScripts: [],
    tree,
    trees: {
      plain: '/store/trees/plain',
      merged: '/store/trees/merged',
      'read-only': '/store/trees/read-only'
    },
    ...more
  };
}

type Denials = Partial<Record<ProbeName, string>>;

/** A machine where everything works but what is denied, by probe and errno. */
export function hostFacts(denied: Denials = {}, more: Partial<IHostFacts> = {}): IHostFacts {
  const probes = Object.fromEntries(
    PROBES.map(name => [name, denied[name] === undefined ? { ok: true } : { ok: false, errno: denied[name] }])
  ) as IHostFacts['probes'];
  return {
    account: {
      uid: 1000,
      gid: 1000,
      name: 'ada',
      gecos: 'Ada',
      home: '/home/ada',
      shell: '/bin/bash',
      groups: [{ gid: 1000, name: 'ada' }]
    },
    probes,
    platform: 'generic',
    machine: 'x86_64',
    kernel: '6.6.0',
    capabilities: [],
    root: listing(
      ...['bin -> usr/bin', 'content/', 'dev/', 'etc/', 'home/', 'lib -> usr/lib', 'lib64 -> usr/lib64', 'opt/'],
      ...['proc/', 'root/', 'run/', 'sbin -> usr/sbin', 'sys/', 'tmp/', 'usr/', 'var/', '.dockerenv']
    ),
    runtimeDirectory: '/run/nbc',
    memoryBytes: 8 * 1024 ** 3,
    tools: {},
    workingDirectory: '/home/ada/work',
    umask: 0o022,
    paths: {
      '/etc/localtime': { real: '/usr/share/zoneinfo/Etc/UTC', type: 'file' },
      '/etc/hosts': { real: '/etc/hosts', type: 'file' },
      '/etc/resolv.conf': { real: '/etc/resolv.conf', type: 'file' },
      '/tmp': { real: '/tmp', type: 'directory' },
      '/var/tmp': { real: '/var/tmp', type: 'directory' },
      '/home/ada': { real: '/home/ada', type: 'directory' },
      '/home/ada/work': { real: '/home/ada/work', type: 'directory' }
    },
    ...more
  };
}

/** Real root, as on Colab. */
export const ROOT: Partial<IHostFacts> = {
  account: {
    uid: 0,
    gid: 0,
    name: 'root',
    gecos: 'root',
    home: '/root',
    shell: '/bin/bash',
    groups: [{ gid: 0, name: 'root' }]
  },
  capabilities: ['CAP_SYS_ADMIN'],
  workingDirectory: '/content',
  paths: {
    '/etc/localtime': null,
    '/etc/hosts': { real: '/etc/hosts', type: 'file' },
    '/etc/resolv.conf': { real: '/etc/resolv.conf', type: 'file' },
    '/tmp': { real: '/tmp', type: 'directory' },
    '/var/tmp': { real: '/var/tmp', type: 'directory' },
    '/root': { real: '/root', type: 'directory' },
    '/content': { real: '/content', type: 'directory' }
  }
};

/** Colab since March 2025: mounts that involve procfs are denied, there is no loop device. */
export const COLAB: Denials = { 'bind-procfs': 'EACCES', 'fresh-procfs': 'EACCES', 'loop-device': 'ENOENT' };

export function execSpec(more: Partial<IRunSpec> = {}): IRunSpec {
  return { ...DEFAULT_SPEC, action: 'exec', command: ['true'], ...more };
}
