// SPDX-License-Identifier: BSD-3-Clause
/**
 * The four images that every platform must start (docs/platforms.md), as OCI layouts made without network from what
 * the machine has: a C compiler, busybox-static and, for the Debian one, the machine's own programs and libraries.
 * Kept in .cache/test-images.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readFile, readlink, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { compileStatic, REPOSITORY } from '../../platforms/build.ts';
import { writeOciLayout } from './oci-layout.ts';
import type { ILayer, ILayerEntry } from './oci-layout.ts';

const run = promisify(execFile);

export const TEST_IMAGES = ['hello-world', 'app', 'debian', 'busybox'] as const;
export type TestImage = (typeof TEST_IMAGES)[number];

/** A line of each image's /etc/os-release; hello-world has none. */
export const OS_NAMES: Readonly<Record<Exclude<TestImage, 'hello-world'>, string>> = {
  app: 'NAME="App image"',
  debian: 'NAME="Debian for tests"',
  busybox: 'NAME="BusyBox for tests"'
};

interface IContent {
  readonly layers: readonly ILayer[];
  readonly config: Readonly<Record<string, unknown>>;
}

const APPLETS = [
  ...[
    'cat',
    'chmod',
    'cp',
    'cut',
    'date',
    'df',
    'dirname',
    'echo',
    'env',
    'expr',
    'false',
    'find',
    'grep',
    'head',
    'hostname'
  ],
  ...[
    'id',
    'kill',
    'ln',
    'ls',
    'mkdir',
    'mktemp',
    'mount',
    'mv',
    'printf',
    'ps',
    'pwd',
    'readlink',
    'rm',
    'rmdir',
    'sed',
    'seq'
  ],
  ...[
    'sh',
    'sleep',
    'sort',
    'stat',
    'tail',
    'tee',
    'test',
    'touch',
    'tr',
    'true',
    'tty',
    'umask',
    'uname',
    'wc',
    'whoami',
    'xargs'
  ]
];

/** A static busybox of this machine. */
export async function findBusybox(): Promise<string> {
  for (const path of ['/bin/busybox', '/usr/bin/busybox']) {
    if (existsSync(path)) {
      return realpath(path);
    }
  }
  throw new Error('busybox is missing: apt-get install busybox-static');
}

function directories(...names: readonly string[]): ILayerEntry[] {
  return names.map(name => ({ name: `${name}/`, mode: name === 'tmp' ? 0o1777 : 0o755 }));
}

/** FROM scratch with one static program: no shell, no /etc, no directory but the root. */
async function helloWorld(scratch: string): Promise<IContent> {
  const program = join(scratch, 'hello');
  await compileStatic([join(import.meta.dirname, 'hello.c')], program);
  const entries = [{ name: 'hello', content: await readFile(program), mode: 0o755 }];
  return { layers: [{ entries }], config: { Cmd: ['/hello'] } };
}

/** Everything below /app, with a symlink at the top; nothing but /etc is where a host has it, not even /bin. */
async function app(): Promise<IContent> {
  const busybox = await readFile(await findBusybox());
  const start = '#!/app/bin/sh\necho "app started with $*"\ncat /data/greeting\n';
  const base: ILayerEntry[] = [
    ...directories('app', 'app/bin', 'app/data', 'etc'),
    { name: 'app/bin/busybox', content: busybox },
    ...APPLETS.map(name => ({ name: `app/bin/${name}`, linkname: 'busybox' })),
    { name: 'data', linkname: '/app/data' },
    { name: 'etc/os-release', content: `${OS_NAMES.app}\n` }
  ];
  const top: ILayerEntry[] = [
    { name: 'app/start', content: start, mode: 0o755 },
    { name: 'app/data/greeting', content: 'hello from /app/data\n' }
  ];
  return {
    layers: [{ entries: base }, { entries: top }],
    config: { Entrypoint: ['/app/start'], Cmd: ['default'], Env: ['PATH=/app/bin', 'APP_HOME=/app'] }
  };
}

/** The classic layout: /bin, /sbin and /lib are directories of their own, not links into /usr. */
async function busybox(): Promise<IContent> {
  const entries: ILayerEntry[] = [
    ...directories(
      'bin',
      'sbin',
      'lib',
      'etc',
      'usr',
      'usr/bin',
      'usr/sbin',
      'usr/lib',
      'var',
      'home',
      'opt',
      'opt/only-here'
    ),
    ...directories('proc', 'sys', 'dev', 'root', 'tmp', 'mnt'),
    { name: 'bin/busybox', content: await readFile(await findBusybox()) },
    ...APPLETS.map(name => ({ name: `bin/${name}`, type: 'link' as const, linkname: 'bin/busybox' })),
    { name: 'sbin/chroot', linkname: '../bin/busybox' },
    { name: 'usr/bin/env', linkname: '/bin/busybox' },
    { name: 'lib/marker', content: 'library of the image\n' },
    { name: 'etc/os-release', content: `${OS_NAMES.busybox}\n` },
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' },
    { name: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n' }
  ];
  return {
    layers: [{ entries }],
    config: {
      Cmd: ['sh'],
      Env: ['PATH=/usr/local/bin:/bin:/usr/bin:/sbin', 'FLAVOUR=busy box "quoted" $HOME'],
      Labels: { taste: 'plain' }
    }
  };
}

const DEBIAN_PROGRAMS = [
  ...[
    'bash',
    'cat',
    'chmod',
    'cp',
    'date',
    'dash',
    'df',
    'dpkg',
    'echo',
    'env',
    'false',
    'find',
    'grep',
    'head',
    'hostname',
    'id'
  ],
  ...[
    'ls',
    'mkdir',
    'mount',
    'mv',
    'perl',
    'printf',
    'pwd',
    'readlink',
    'rm',
    'sed',
    'seq',
    'sleep',
    'sort',
    'stat',
    'tail'
  ],
  ...['tee', 'touch', 'tr', 'true', 'tty', 'uname', 'wc', 'whoami']
];

/** The path of a program or library after the usr merge: /lib/x is /usr/lib/x. */
function merged(path: string): string {
  return path.startsWith('/usr/') ? path : `/usr${path}`;
}

async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]).catch(() => ({ stdout: '' }));
  return [...stdout.matchAll(/(?:=>\s*)?(\/\S+) \(0x/g)].map(match => match[1] ?? '');
}

/** A merged Debian: programs, loader and libraries of this machine below /usr, links at the top. */
async function debian(): Promise<IContent> {
  const wanted = new Set<string>();
  for (const name of DEBIAN_PROGRAMS) {
    const path = `/usr/bin/${name}`;
    if (!existsSync(path)) {
      continue;
    }
    wanted.add(path);
    (await librariesOf(path)).forEach(library => wanted.add(merged(library)));
  }
  const files: ILayerEntry[] = [];
  const parents = new Set<string>(['usr', 'usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64']);
  const add = async (path: string): Promise<void> => {
    const name = path.slice(1);
    if (files.some(entry => entry.name === name)) {
      return;
    }
    for (let parent = dirname(name); parent !== '.'; parent = dirname(parent)) {
      parents.add(parent);
    }
    const info = await lstat(path);
    if (info.isSymbolicLink()) {
      const target = await readlink(path);
      files.push({ name, linkname: target });
      await add(merged(target.startsWith('/') ? target : join(dirname(path), target)));
    } else {
      files.push({ name, content: await readFile(path), mode: info.mode & 0o7777 });
    }
  };
  for (const path of wanted) {
    await add(path);
  }
  const entries: ILayerEntry[] = [
    ...directories(...[...parents].sort()),
    ...directories(
      'etc',
      'var',
      'var/tmp',
      'var/lib',
      'home',
      'opt',
      'srv',
      'proc',
      'sys',
      'dev',
      'run',
      'root',
      'tmp',
      'mnt'
    ),
    ...files,
    { name: 'usr/bin/sh', linkname: 'dash' },
    ...['bin', 'sbin', 'lib', 'lib64'].map(name => ({ name, linkname: `usr/${name}` })),
    { name: 'etc/os-release', content: `${OS_NAMES.debian}\nID=debian\n` },
    {
      name: 'etc/passwd',
      content: 'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n'
    },
    { name: 'etc/group', content: 'root:x:0:\ndaemon:x:1:\n' }
  ];
  return {
    layers: [{ entries }],
    config: { Cmd: ['bash'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] }
  };
}

const MAKERS: Readonly<Record<TestImage, (scratch: string) => Promise<IContent>>> = {
  'hello-world': helloWorld,
  app,
  debian,
  busybox
};

/** Changes with the recipes and with the machine's programs that go into the images. */
async function recipeHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of ['images.ts', 'hello.c', 'oci-layout.ts']) {
    hash.update(await readFile(join(import.meta.dirname, name)));
  }
  for (const path of [await findBusybox(), '/usr/bin/bash', '/usr/bin/perl']) {
    const info = await lstat(path).catch(() => undefined);
    hash.update(`${basename(path)} ${info?.size} ${info?.mtimeMs}`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Folder that holds one OCI layout per image, each with the tag `latest`; made on the first call (2 s). */
export async function testImages(): Promise<string> {
  const parent = join(REPOSITORY, '.cache', 'test-images');
  const folder = join(parent, await recipeHash());
  if (existsSync(folder)) {
    return folder;
  }
  const temporary = `${folder}.${process.pid}`;
  try {
    await mkdir(join(temporary, '.scratch'), { recursive: true });
    for (const image of TEST_IMAGES) {
      await writeOciLayout(join(temporary, image), await MAKERS[image](join(temporary, '.scratch')));
    }
    await rm(join(temporary, '.scratch'), { recursive: true });
    await rename(temporary, folder).catch((error: unknown) => {
      if (!existsSync(folder)) {
        throw error; // otherwise another test was faster
      }
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** What the command line takes for a test image. */
export async function imageReference(image: TestImage): Promise<string> {
  return `oci:${join(await testImages(), image)}:latest`;
}
