// SPDX-License-Identifier: BSD-3-Clause
/** Who may write the image: nobody the store's trees, with PRoot neither; --writable-tmpfs a copy, where it takes one. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshLauncher, IS_ROOT, makeBusyboxTree } from '../engines/test-support.ts';
import { gatherHostFacts } from '../host/gather.ts';
import { gatherImageFacts } from '../images/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { openImage } from '../images/open.ts';
import { RESERVED_UID } from '../images/seal-tree.ts';
import { copyImage, ensureTree } from '../images/unpack.ts';
import { openStore, type Store } from '../store/store.ts';
import { launch } from './launch.ts';
import { hostPaths } from './paths.ts';
import { planRun } from './plan.ts';
import type { Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { execSpec } from './testing.ts';

const PROOT = existsSync('/usr/bin/proot');
let scratch: string;
let store: Store;
let image: IImageFacts;

/** Names, kinds, modes, owners, times, links and content of everything in a tree, as one text. */
function fingerprint(tree: string): string {
  const names = execFileSync('find', ['.', '-printf', '%p %y %m %U:%G %s %T@ %n %l\\n'], { cwd: tree });
  const content = execFileSync('sh', ['-c', 'find . -type f -exec sha256sum {} + | sort'], { cwd: tree });
  return `${names.toString().split('\n').sort().join('\n')}\n${content.toString()}`;
}

async function planFor(more: Partial<IRunSpec>, denied: readonly string[] = []): Promise<Plan> {
  const spec = execSpec(more);
  const host = await gatherHostFacts({ env: process.env, cwd: scratch, paths: hostPaths(spec, process.env, scratch) });
  const probes = { ...host.probes, ...Object.fromEntries(denied.map(name => [name, { ok: false, errno: 'EPERM' }])) };
  const plan = planRun(spec, { ...host, probes }, image, { PATH: '/bin' });
  if (plan.kind === 'refusal') {
    throw new Error(plan.reason);
  }
  return plan;
}

async function run(plan: Plan): Promise<{ status: number; stdout: string; copies: string[] }> {
  let stdout = '';
  const copies: string[] = [];
  const { status } = await launch(plan, {
    ensureTree: async view => {
      await ensureTree(image, view, { store });
    },
    copyImage: async view => {
      const copy = await copyImage(image, view, { store });
      copies.push(copy.directory);
      return copy;
    },
    stdio: ['ignore', 'pipe', 'ignore'],
    onSpawn: child => child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()))
  });
  return { status, stdout, copies };
}

/** What a program may try; each line that succeeds is printed. */
const ATTEMPTS = [
  'echo x > /etc/os-release',
  'echo x >> /etc/os-release',
  'echo x > /etc/open-to-all',
  'echo x > /data/of-ada',
  'truncate -s 0 /etc/os-release',
  'chmod 777 /etc/os-release',
  'chmod 777 /',
  'chown 0:0 /etc/os-release',
  'chown 0:0 /etc',
  'mv /etc/os-release /etc/other',
  'mv /etc /etc2',
  'rm -f /etc/os-release',
  'rmdir /data/empty',
  'ln /etc/os-release /etc/link',
  'ln -s x /etc/symlink',
  'mkdir /etc/new',
  'mkdir /new',
  'touch /etc/os-release',
  'touch -d 2001-01-01 /etc/os-release',
  'mknod /etc/fifo p',
  '(cd /etc; echo x > os-release)',
  '(cd /etc; chmod 777 os-release)',
  '(cd /data; mv ../etc/os-release .)',
  '(cd /data/empty; mkdir ../new; touch ../../etc/x)'
];
const script = ATTEMPTS.map(words => `${words} 2>/dev/null && echo '${words}'`).join('\n');

beforeAll(async () => {
  freshLauncher();
  scratch = mkdtempSync(join(tmpdir(), 'nbc-writing-'));
  chmodSync(scratch, 0o755);
  // Other tests look at what is left in /tmp meanwhile.
  process.env['TMPDIR'] = scratch;
  const tree = makeBusyboxTree(join(scratch, 'tree'));
  for (const applet of ['truncate', 'chmod', 'mv', 'rm', 'rmdir', 'ln', 'mknod', 'sha256sum', 'su']) {
    execFileSync('ln', ['-sf', 'busybox', join(tree, 'bin', applet)]);
  }
  mkdirSync(join(tree, 'data', 'empty'));
  for (const [name, mode, owner] of [
    ['etc/shadow', 0o600, 0],
    ['etc/open-to-all', 0o666, 0],
    ['data/of-ada', 0o600, 1000]
  ] as const) {
    writeFileSync(join(tree, name), `${name}\n`);
    chmodSync(join(tree, name), mode);
    if (IS_ROOT) {
      chownSync(join(tree, name), owner, owner);
    }
  }
  linkSync(join(tree, 'etc/shadow'), join(tree, 'etc/shadow-'));
  execFileSync('mksquashfs', [tree, join(scratch, 'image'), '-noappend', '-quiet', '-no-progress'], {
    stdio: 'ignore'
  });
  store = await openStore({ home: join(scratch, 'store') });
  const local = await openImage(join(scratch, 'image'), { store });
  image = await gatherImageFacts(local, { store, pathsOfInterest: ['/etc/passwd', '/tmp', '/root', scratch, '/proc'] });
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe.runIf(PROOT && IS_ROOT)('root below PRoot', () => {
  it('reads all of the image and changes nothing of it, whatever it tries', async () => {
    await ensureTree(image, 'read-only', { store });
    const tree = store.treePath(image.key, 'read-only');
    const before = fingerprint(tree);
    expect(before).toContain(`./etc/shadow f 640 ${RESERVED_UID}:0`);
    expect(before).toContain(`./etc/open-to-all f 644 ${RESERVED_UID}:0`);
    const reading = 'cat /etc/shadow /etc/shadow- /data/of-ada; id -u';
    const plan = await planFor({ command: ['sh', '-c', `${script}\n${reading}`], engine: 'ptrace' });
    expect(plan.rootfs).toEqual({ kind: 'tree', view: 'read-only', directory: tree });
    expect(await run(plan)).toMatchObject({
      status: 0,
      stdout: 'etc/shadow\netc/shadow\ndata/of-ada\n0\n'
    });
    expect(fingerprint(tree)).toBe(before);
  });

  it('cannot reach the tree by its path on the host, nor become its owner', async () => {
    const tree = store.treePath(image.key, 'read-only');
    const before = fingerprint(tree);
    const outside = ATTEMPTS.map(words => words.replace(/(?<= )\/(?=etc|data|new)/g, `${tree}/`));
    const command = ['sh', '-c', `${outside.map(words => `${words} 2>/dev/null && echo no`).join('\n')}; true`];
    const binds = [{ source: scratch, target: scratch, readOnly: false }];
    expect(await run(await planFor({ command, engine: 'ptrace', binds }))).toMatchObject({ status: 0, stdout: '' });
    expect(fingerprint(tree)).toBe(before);
  });

  it('writes its own home and binds as before', async () => {
    mkdirSync(join(scratch, 'mine'), { recursive: true });
    const binds = [{ source: join(scratch, 'mine'), target: '/data/mine', readOnly: false }];
    const command = ['sh', '-c', 'echo yes > /data/mine/file && chmod 600 /data/mine/file && cat /data/mine/file'];
    expect(await run(await planFor({ command, engine: 'ptrace', binds }))).toMatchObject({
      status: 0,
      stdout: 'yes\n'
    });
  });
});

describe
  .runIf(IS_ROOT)
  .each<[string, Partial<IRunSpec>, readonly string[]]>([
    ...(PROOT ? [['below PRoot', { engine: 'ptrace' }, []] as [string, Partial<IRunSpec>, string[]]] : []),
    ['in namespaces where overlay is denied', { engine: 'namespaces' }, ['overlay', 'user-overlay']],
    ['in an in-place root where overlay is denied', { root: 'in-place' }, ['overlay', 'user-overlay']]
  ])('--writable-tmpfs %s', (_, more, denied) => {
  it('gives a copy with its owners, to be changed, and removes it', async () => {
    const command = [
      'sh',
      '-c',
      'stat -c "%a %u" /data/of-ada /etc/shadow; echo new > /etc/os-release && cat /etc/os-release; mkdir /etc/a && rm -f /etc/shadow && chown 7 /data/empty && exit 9'
    ];
    const { status, stdout, copies } = await run(await planFor({ command, writableTmpfs: true, ...more }, denied));
    expect([status, stdout]).toEqual([9, '600 1000\n600 0\nnew\n']);
    expect(copies).toHaveLength(1);
    expect(readdirSync(store.treesTemporary)).toEqual([]);
    // The next one begins with the image again.
    const again = await planFor({ command: ['cat', '/etc/os-release'], writableTmpfs: true, ...more }, denied);
    expect(await run(again)).toMatchObject({ status: 0, stdout: 'NAME=Busy\n' });
  });

  it('removes the copy of a command that could not be started', async () => {
    const plan = await planFor({ command: ['no-such-program'], writableTmpfs: true, ...more }, denied);
    await expect(run(plan)).rejects.toMatchObject({ code: 'exec' });
    expect(readdirSync(store.treesTemporary)).toEqual([]);
  });
});

it('copies from the unpacked tree when there is one, hard links kept', async () => {
  const { directory } = await ensureTree(image, 'plain', { store });
  const copy = await copyImage(image, 'plain', { store });
  try {
    // The merged view may share the files of the tree: the number of links is the copy's own.
    const withoutLinks = (text: string): string => text.replace(/^(\..* \S+) \d+ (\S*)$/gm, '$1 $2');
    expect(withoutLinks(fingerprint(copy.directory))).toBe(withoutLinks(fingerprint(directory)));
    expect(fingerprint(copy.directory)).toMatch(/\.\/etc\/shadow f \d+ \d+:\d+ 11 \S+ 2 /);
    expect(copy.bytes).toBeGreaterThan(500_000);
  } finally {
    await copy.dispose();
  }
  expect(readdirSync(store.treesTemporary)).toEqual([]);
});

it('sweeps the copy of a process that was killed', async () => {
  const dead = join(store.treesTemporary, `writable-${await deadOwner()}-0123456789ab`);
  mkdirSync(join(dead, 'tree', 'etc'), { recursive: true });
  await openStore({ home: store.home });
  expect(existsSync(dead)).toBe(false);
});

/** The owner part of the name that a process which is gone by now would have given its directory. */
async function deadOwner(): Promise<string> {
  const { path, dispose } = await store.temporaryDirectory('writable', { near: 'trees' });
  await dispose();
  const [, pid = '', ...rest] = (path.split('/').at(-1) ?? '').split('-');
  const child = execFileSync('sh', ['-c', 'echo $$']).toString().trim();
  expect(pid).toBe(String(process.pid));
  return [child, ...rest.slice(0, -1)].join('-');
}
