// SPDX-License-Identifier: BSD-3-Clause
/** Bad input through the real command line: one clear sentence with a fix, status 255, nothing left behind. */
import { chmod, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SifWriter } from '../../lib-runtime/formats/sif/writer.ts';
import { type IOutcome, type IWorkplace, MAIN, makeWorkplace, mountPoints, runProgram } from '../support/cli.ts';
import { writeOciLayout } from '../support/oci-layout.ts';
import { pushArtifact } from '../support/oras.ts';
import { type ITestRegistry, startRegistry } from '../support/registry.ts';
import { type IServedFile, type ITestWebServer, startWebServer } from '../support/web-server.ts';

let work: IWorkplace;
let registry: ITestRegistry;
let locked: ITestRegistry;
let web: ITestWebServer;

beforeAll(async () => {
  work = await makeWorkplace();
  registry = await startRegistry();
  web = await startWebServer();
  locked = await startRegistry({ htpasswd: { username: 'ada', password: 'secret-word' } });
  const layout = join(work.directory, 'layout');
  await writeOciLayout(layout, {
    layers: [{ entries: [{ name: 'data.bin', content: randomText(300_000) }] }],
    config: { Cmd: ['/data.bin'] }
  });
  await registry.push(layout, 'bad/image:1');
});

afterAll(async () => {
  await registry?.stop();
  await locked?.stop();
  await web?.stop();
  await work?.dispose();
});

/** Status 255, exactly one FATAL paragraph that holds the words, with a fix behind the colon. */
function expectFatal(outcome: IOutcome, ...words: readonly (string | RegExp)[]): void {
  const fatal = outcome.stderr.split('\n').filter(line => line.startsWith('FATAL:'));
  expect(fatal, outcome.stderr).toHaveLength(1);
  for (const word of words) {
    expect(fatal[0]).toMatch(word);
  }
  expect(fatal[0], 'a cause and a fix').toMatch(/[^.]{8,}\. [A-Z][^.]{6,}.*\.$/);
  expect(outcome.stderr).not.toMatch(/\n\s+at /);
  expect(outcome.status).toBe(255);
}

async function nothingLeft(run: () => Promise<IOutcome>): Promise<IOutcome> {
  const before = [await work.leftovers(), await mountPoints()];
  const outcome = await run();
  expect([await work.leftovers(), await mountPoints()]).toEqual(before);
  return outcome;
}

const pull = (...args: string[]): Promise<IOutcome> =>
  nothingLeft(() => work.nbcontainer(['pull', '--no-https', ...args]));

describe('pull', () => {
  it('names an unknown host', async () => {
    expectFatal(await pull('docker://no-such-host.invalid/a/b:1'), 'no-such-host.invalid');
  });

  it('says when nothing listens', async () => {
    expectFatal(await pull('docker://127.0.0.1:2/a/b:1'), 'ECONNREFUSED');
  });

  it('says that a port is not for registries', async () => {
    expectFatal(await pull('docker://127.0.0.1:1/a/b:1'), 'port');
  });

  it('says how to log in on 401', async () => {
    const outcome = await pull(`docker://${locked.host}/private/image:1`);
    expectFatal(outcome, /log in|credentials|DOCKER_USERNAME/i);
  });

  it('keeps a wrong password out of the message', async () => {
    const outcome = await nothingLeft(() =>
      work.nbcontainer(['pull', '--no-https', `docker://${locked.host}/private/image:1`], {
        env: { DOCKER_USERNAME: 'ada', DOCKER_PASSWORD: 'not-the-word' }
      })
    );
    expectFatal(outcome);
    expect(outcome.stdout + outcome.stderr).not.toContain('not-the-word');
  });

  it('names an image that the registry does not have', async () => {
    expectFatal(await pull(`docker://${registry.host}/bad/absent:1`), 'bad/absent');
  });

  it('names a tag that the registry does not have', async () => {
    expectFatal(await pull(`docker://${registry.host}/bad/image:absent`), 'absent');
  });

  it('refuses a blob that ends early', async () => {
    await withBrokenLayer(async file => truncate(file, 1000), 'bad/short:1');
  });

  it('refuses a blob with the wrong digest', async () => {
    await withBrokenLayer(async file => {
      const bytes = await readFile(file);
      bytes[100] = (bytes[100] ?? 0) ^ 0xff;
      await writeFile(file, bytes);
    }, 'bad/wrong:1');
  });

  it('does not overwrite a file unasked', async () => {
    const file = join(work.cwd, 'there.sif');
    await writeFile(file, 'mine');
    expectFatal(await pull('there.sif', `docker://${registry.host}/bad/image:1`), /exist/, /force/);
    expect(await readFile(file, 'utf8')).toBe('mine');
  });

  it('stops at a full disk and leaves it empty', async () => {
    const disk = join(work.directory, 'disk');
    await mkdir(disk);
    const program = [
      'mount -t tmpfs -o size=200k tmpfs "$1" && cd "$1" && shift',
      'NBCONTAINER_HOME=$PWD/store "$@" 2>&1; status=$?',
      'find . -type f -size +4k; exit $status'
    ].join('\n');
    const image = `docker://${registry.host}/bad/image:1`;
    const outcome = await runProgram('unshare', [
      ...['-m', 'sh', '-c', program, 'sh', disk],
      ...[process.execPath, MAIN, 'pull', '--no-https', 'full.sif', image]
    ]);
    expectFatal({ ...outcome, stderr: outcome.stdout }, /ENOSPC|free|full/);
    expect(outcome.stdout).not.toMatch(/^\.\//m);
  });

  it('suggests the next known word', async () => {
    const outcome = await work.nbcontainer(['pul', 'docker://x']);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain('Did you mean pull?');
  });
});

/** Begins as a SIF and has no more of one. */
const SIF_START = Buffer.concat([
  Buffer.from('#!/usr/bin/env run-singularity\n\0SIF_MAGIC\x0001\0', 'latin1'),
  Buffer.alloc(700_000)
]);

describe('pull of a file', () => {
  it.each<[string, Partial<IServedFile> | undefined, readonly (string | RegExp)[]]>([
    ['that is not there', undefined, ['has no file', '404']],
    ['that may not be read', { login: 'ada:word' }, ['does not let you read', '401', 'NAME:PASSWORD']],
    [
      'of a server that fails',
      { answer: { status: 500, headers: { 'retry-after': '120' } } },
      ['did not deliver', '500']
    ],
    [
      'that is a web page',
      { content: Buffer.from('<html>Log in</html>'), type: 'text/html' },
      ['is no image', 'web page']
    ],
    ['that is empty', { content: Buffer.alloc(0) }, ['is no image', 'empty']],
    ['that redirects in circles', { answer: { status: 302, headers: { location: '/image.sif' } } }, ['in circles']],
    ['that ends early', { content: SIF_START.subarray(0, 2000) }, ['image.sif']],
    ['that is damaged', { content: SIF_START }, ['image.sif']],
    ['that is damaged, without ranges', { content: SIF_START, ranges: false }, ['image.sif']]
  ])('%s', async (_name, file, words) => {
    web.files.delete('/image.sif');
    if (file) {
      web.files.set('/image.sif', { content: SIF_START, ...file });
    }
    const outcome = await pull(`${web.origin}/image.sif?signature=secret`);
    expectFatal(outcome, ...words);
    expect(outcome.stderr).not.toMatch(/secret|blobs/);
    expectFatal(await nothingLeft(() => work.nbcontainer(['exec', `${web.origin}/image.sif`, 'true'])), ...words);
  });

  it.each([
    ['whose size is known', {}, /free/],
    ['whose size is not', { ranges: false, chunked: true }, /ENOSPC/]
  ])('stops at a full disk and leaves it empty: one %s', async (_name, file, words) => {
    web.files.set('/large.sif', { content: SIF_START, ...file });
    const disk = join(work.directory, `disk-${Object.keys(file).length}`);
    await mkdir(disk);
    const program = [
      'mount -t tmpfs -o size=400k tmpfs "$1" && cd "$1" && shift',
      'NBCONTAINER_HOME=$PWD/store "$@" 2>&1; status=$?',
      'find . -type f -size +4k; exit $status'
    ].join('\n');
    const command = [process.execPath, MAIN, 'pull', `${web.origin}/large.sif`];
    const outcome = await runProgram('unshare', ['-m', 'sh', '-c', program, 'sh', disk, ...command]);
    expectFatal({ ...outcome, stderr: outcome.stdout }, words);
    expect(outcome.stdout).not.toMatch(/^\.\//m);
  });

  it('that a registry has damaged', async () => {
    const { layers } = await pushArtifact(registry.host, 'bad/artifact', '1', { files: [{ content: SIF_START }] });
    const digest = layers[0]?.replace('sha256:', '') ?? '';
    const file = join(registry.storage, 'docker/registry/v2/blobs/sha256', digest.slice(0, 2), digest, 'data');
    const bytes = await readFile(file);
    bytes.writeUInt8(1, 600_000);
    await writeFile(file, bytes);
    expectFatal(await pull(`oras://${registry.host}/bad/artifact:1`), 'digest');
  });

  it.each([
    ['library://lab/tools/box', 'docker://'],
    ['https://', 'https://HOST'],
    ['oras:lab/box', 'oras://']
  ])('says what to write for %s', async (image, fix) => {
    expectFatal(await pull(image), fix);
  });
});

/** Pushes an image, damages its layer in the registry's storage, pulls it. */
async function withBrokenLayer(damage: (file: string) => Promise<void>, name: string): Promise<void> {
  const layout = join(work.directory, name.replace(/\W/g, '-'));
  const written = await writeOciLayout(layout, {
    layers: [{ entries: [{ name: 'blob.bin', content: randomText(500_000) }] }],
    config: { Cmd: ['/blob.bin'] }
  });
  await registry.push(layout, name);
  const digest = written.layers[0]?.digest.replace('sha256:', '') ?? '';
  await damage(join(registry.storage, 'docker/registry/v2/blobs/sha256', digest.slice(0, 2), digest, 'data'));
  expectFatal(await pull(`docker://${registry.host}/${name}`), /layer|blob|sha256/);
}

describe('exec', () => {
  it('says that an environment file is not there', async () => {
    const words = ['exec', '--env-file', './absent.env', './absent.sif', 'true'];
    expectFatal(await nothingLeft(() => work.nbcontainer(words)), 'cannot read the environment file ./absent.env');
  });

  it('says that a file is not there', async () => {
    expectFatal(await nothingLeft(() => work.nbcontainer(['exec', './absent.sif', 'true'])), 'absent.sif');
  });

  it('knows a text file called .sif', async () => {
    await writeFile(join(work.cwd, 'text.sif'), 'this is no image\n'.repeat(500));
    expectFatal(await nothingLeft(() => work.nbcontainer(['exec', 'text.sif', 'true'])), 'text.sif');
  });

  it('knows an empty file called .sif', async () => {
    await writeFile(join(work.cwd, 'empty.sif'), '');
    expectFatal(await nothingLeft(() => work.nbcontainer(['exec', 'empty.sif', 'true'])), 'empty.sif');
  });

  it('refuses another architecture', async () => {
    const sif = join(work.cwd, 'arm.sif');
    await writeOciLayout(join(work.directory, 'arm'), {
      layers: [{ entries: [{ name: 'hello', mode: 0o755, content: armProgram() }] }],
      config: { Cmd: ['/hello'] },
      platform: { os: 'linux', architecture: 'arm64' }
    });
    const pulled = await work.nbcontainer(['pull', '--arch', 'arm64', sif, `oci:${join(work.directory, 'arm')}`]);
    expect(pulled.stderr).not.toContain('FATAL');
    expectFatal(await nothingLeft(() => work.nbcontainer(['exec', sif, '/hello'])), /arm64/, /amd64|x86_64/);
  });

  it('survives a SIF whose partition is cut', async () => {
    const sif = join(work.cwd, 'cut.sif');
    const writer = await SifWriter.create(sif);
    const { file, offset } = await writer.beginPartition();
    await file.write(Buffer.from('hsqs'), 0, 4, offset);
    await writer.endPartition({ size: 4096, fstype: 'squashfs', parttype: 'primary', arch: 'x86_64' });
    await writer.finish();
    expectFatal(await nothingLeft(() => work.nbcontainer(['exec', sif, 'true'])), 'cut.sif');
  });

  it.each([
    ['spaces', 'a name with spaces.sif'],
    ['quotes', `it's "quoted".sif`],
    ['a newline', 'two\nlines.sif'],
    ['unicode', 'größe-图像-🧪.sif'],
    ['shell words', '$(touch pwned);`id`.sif']
  ])('takes a name with %s', async (_, name) => {
    const absent = await nothingLeft(() => work.nbcontainer(['exec', `./${name}`, 'true']));
    expectFatal(absent);
    const pulled = await work.nbcontainer(['pull', '--no-https', name, `docker://${registry.host}/bad/image:1`]);
    expect(pulled.stderr).not.toContain('FATAL');
    const shown = await work.nbcontainer(['inspect', '--runscript', name]);
    expect(shown.status, shown.stderr).toBe(0);
    expect(await readdir(work.cwd)).toContain(name);
    expect(await readdir(work.cwd)).not.toContain('pwned');
  });

  it('refuses a bind whose source is not there', async () => {
    const outcome = await nothingLeft(() =>
      work.nbcontainer(['exec', '--bind', '/no/such/dir:/data', 'it\'s "quoted".sif', 'true'])
    );
    expectFatal(outcome, '/no/such/dir');
  });

  it('says that a command is not in the image', async () => {
    const outcome = await nothingLeft(() => work.nbcontainer(['exec', 'it\'s "quoted".sif', 'no-such-command']));
    expectFatal(outcome, 'no-such-command');
  });
});

describe('a store that cannot be used', () => {
  it('names a store that is a file', async () => {
    const file = join(work.directory, 'file');
    await writeFile(file, '');
    const outcome = await work.nbcontainer(['images'], { env: { NBCONTAINER_HOME: join(file, 'store') } });
    expectFatal(outcome, 'store');
  });

  it('does not read the modes of others as its own', async () => {
    const open = join(work.directory, 'open');
    await mkdir(open);
    await chmod(open, 0o700);
    const outcome = await work.nbcontainer(['images'], { env: { NBCONTAINER_HOME: open } });
    expect(outcome.status, outcome.stderr).toBe(0);
  });
});

function randomText(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 12345;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    bytes[index] = state >> 16;
  }
  return bytes;
}

/** An ELF header of an arm64 program: enough for everyone who looks at the architecture. */
function armProgram(): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF', 0, 'latin1');
  header[4] = 2; // 64 bit
  header[5] = 1; // little-endian
  header[6] = 1;
  header.writeUInt16LE(2, 16); // ET_EXEC
  header.writeUInt16LE(183, 18); // EM_AARCH64
  header.writeUInt32LE(1, 20);
  return header;
}
