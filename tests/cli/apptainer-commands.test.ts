// SPDX-License-Identifier: BSD-3-Clause
/** test, run-help, cache and completion as a user calls them. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IWorkplace, MAIN, makeWorkplace, runProgram } from '../support/cli.ts';
import { testImages } from '../support/images.ts';

let workplace: IWorkplace;
let layout: string;
beforeAll(async () => {
  workplace = await makeWorkplace();
  layout = `oci:${join(await testImages(), 'busybox')}`;
  const pulled = await workplace.nbcontainer(['-q', 'pull', 'box.sif', layout]);
  expect(pulled.status, pulled.stderr).toBe(0);
}, 60_000);
afterAll(() => workplace.dispose());

describe('test and run-help', () => {
  it('say so where the image has neither', async () => {
    expect(await workplace.nbcontainer(['test', 'box.sif'])).toMatchObject({ status: 0, stdout: '' });
    const help = await workplace.nbcontainer(['run-help', 'box.sif']);
    expect(help).toMatchObject({ status: 0, stdout: 'No help sections were defined for this image\n' });
  });

  it('run the script and print the text', async () => {
    const sandbox = join(workplace.cwd, 'sandbox');
    await mkdir(join(sandbox, '.singularity.d'), { recursive: true });
    await mkdir(join(sandbox, 'bin'));
    await runProgram('cp', ['/bin/busybox', join(sandbox, 'bin/sh')]);
    await writeFile(join(sandbox, '.singularity.d/test'), '#!/bin/sh\necho "tested $1"; exit 3\n');
    await chmod(join(sandbox, '.singularity.d/test'), 0o755);
    await writeFile(join(sandbox, '.singularity.d/runscript.help'), 'Read me.\n\nTwice.\n');
    const tested = await workplace.nbcontainer(['-q', 'test', 'sandbox', 'a b']);
    expect(tested, tested.stderr).toMatchObject({ status: 3, stdout: 'tested a b\n' });
    expect((await workplace.nbcontainer(['run-help', 'sandbox'])).stdout).toBe('Read me.\n\nTwice.\n');
  });
});

describe('gpu', () => {
  it('says that there is none, with status 1', async () => {
    const result = await workplace.nbcontainer(['gpu'], { env: { PATH: '/nowhere' } });
    expect(result).toMatchObject({ status: 1, stdout: 'There is no NVIDIA GPU here.\n' });
  });

  it('shows what the driver tells', async () => {
    const bin = join(workplace.directory, 'driver');
    await mkdir(bin);
    await writeFile(
      join(bin, 'nvidia-smi'),
      `#!/bin/sh
case "$1" in
  --query-gpu=*) echo '0, Tesla T4, GPU-1, 15360, 512, 37, 550.54.15' ;;
  *) echo 'GPU-1, 4711, python3, 500' ;;
esac
`,
      { mode: 0o755 }
    );
    const env = { PATH: `${bin}:/usr/bin:/bin` };
    const shown = await workplace.nbcontainer(['gpu'], { env });
    expect(shown.status, shown.stderr).toBe(0);
    expect(shown.stdout).toMatch(/^Driver 550\.54\.15\nGPU +NAME .*\n0 +Tesla T4 +512\.0 MiB +15\.0 GiB +37 %\n/);
    expect(shown.stdout).toMatch(/\n0 +4711 +python3 +500\.0 MiB\n$/);
    const json = await workplace.nbcontainer(['gpu', '--json'], { env });
    expect(JSON.parse(json.stdout)).toMatchObject({
      driver: '550.54.15',
      gpus: [{ name: 'Tesla T4', utilization: 37 }]
    });
  });
});

describe('build', () => {
  it('makes a sandbox that can be started and changed, and never half of one', async () => {
    const made = await workplace.nbcontainer(['-q', 'build', '--sandbox', 'made/', layout]);
    expect(made.status, made.stderr).toBe(0);
    await writeFile(join(workplace.cwd, 'made', 'etc', 'changed'), 'by hand\n');
    expect((await workplace.nbcontainer(['-q', 'exec', 'made', 'cat', '/etc/changed'])).stdout).toBe('by hand\n');
    const again = await workplace.nbcontainer(['build', '-s', 'made', 'box.sif']);
    expect([again.status, again.stderr]).toEqual([255, expect.stringContaining('exists already')]);
    expect((await workplace.nbcontainer(['-q', 'build', '-s', '--force', 'made', 'box.sif'])).status).toBe(0);
    expect((await workplace.nbcontainer(['-q', 'exec', 'made', 'test', '-e', '/etc/changed'])).status).toBe(1);
    expect((await readdir(workplace.cwd)).filter(name => name.startsWith('made'))).toEqual(['made']);
  });

  it('makes a SIF file, and says that it knows no definition files', async () => {
    expect((await workplace.nbcontainer(['-q', 'build', 'built.sif', layout])).status).toBe(0);
    expect((await workplace.nbcontainer(['-q', 'exec', 'built.sif', 'true'])).status).toBe(0);
    await writeFile(join(workplace.cwd, 'recipe.def'), 'Bootstrap: docker\nFrom: debian\n');
    const refused = await workplace.nbcontainer(['build', 'never.sif', 'recipe.def']);
    expect([refused.status, refused.stderr]).toEqual([255, expect.stringContaining('not supported yet')]);
  });
});

describe('cache', () => {
  const list = async (...words: string[]): Promise<string> =>
    (await workplace.nbcontainer(['cache', 'list', ...words])).stdout;

  it('lists and cleans the store, and leaves files of the user alone', async () => {
    await workplace.nbcontainer(['-q', 'exec', layout, 'true']);
    expect(await list()).toMatch(/^There are 1 container file\(s\) using .*\nTotal space used: /);
    expect(await list('-v')).toContain('busybox');
    expect(await list('--type', 'library')).toContain('There are 0 container');
    const clean = (...words: string[]) => workplace.nbcontainer(['cache', 'clean', ...words]);
    expect((await clean('--dry-run')).stderr).toContain('Would remove');
    expect((await clean()).status).toBe(255);
    expect((await clean('--days', '1', '--force')).status).toBe(0);
    expect(await list()).toContain('There are 1 container');
    expect((await clean('--force')).status).toBe(0);
    expect(await list()).toContain('There are 0 container');
    expect((await workplace.nbcontainer(['-q', 'exec', 'box.sif', 'true'])).status).toBe(0);
  });

  it('counts and removes what interrupted pulls and images of one time have left', async () => {
    const blob = join(workplace.home, 'blobs', 'sha256', `${'a'.repeat(64)}.part`);
    await writeFile(blob, Buffer.alloc(3 << 20, 1));
    await workplace.nbcontainer(['-q', 'exec', '--unsquash', 'box.sif', 'true']);
    const trees = join(workplace.home, 'trees');
    expect(await readdir(trees)).toHaveLength(1);
    expect(await list()).toContain('and 1 oci blob file(s) using 3.0 MiB of space');
    expect(await list('--type', 'net')).toContain('and 0 oci blob file(s)');
    const clean = (...words: string[]) => workplace.nbcontainer(['cache', 'clean', ...words]);
    expect((await clean('--dry-run')).stderr).toContain('Would remove 1 unfinished download(s) and 1 unpacked tree(s)');
    expect((await clean()).status).toBe(255);
    expect((await clean('--days', '1', '--force')).status).toBe(0);
    expect(await list()).toContain('and 1 oci blob');
    expect((await clean('--type', 'blob', '--force')).status).toBe(0);
    expect([existsSync(blob), await readdir(trees)]).toMatchObject([false, { length: 1 }]);
    expect((await clean('--force')).stderr).toContain('Removed 0 unfinished download(s) and 1 unpacked tree(s)');
    expect(await readdir(trees)).toEqual([]);
  });

  it.each([[['cache', 'list', '--type', 'docker']], [['cache', 'clean', '--days', 'x']]])('refuses %j', async words => {
    expect(await workplace.nbcontainer(words)).toMatchObject({ status: 255, stdout: '' });
  });
});

describe('completion', () => {
  const offers = async (words: string, current: string): Promise<string[]> => {
    const script = `source <('${process.execPath}' '${MAIN}' completion bash)
      COMP_WORDS=(${words} "$1"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _nbcontainer; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await runProgram('bash', ['-c', script, 'bash', current])).stdout.split('\n').filter(Boolean);
  };

  it.each([
    ['nbcontainer', 'e', ['exec']],
    ['nbcontainer', '--ver', ['--version', '--verbose']],
    ['nbcontainer exec', '--writable', ['--writable', '--writable-tmpfs']],
    ['nbcontainer -q exec --nv', '--overlay', ['--overlay', '--overlay-driver']],
    ['nbcontainer cache', '', ['list', 'clean']],
    ['nbcontainer cache clean', '--d', ['--days', '--dry-run']],
    ['nbcontainer exec', 'im', []]
  ])('%s %s', async (words, current, expected) => {
    expect(await offers(words, current)).toEqual(expected);
  });

  it('offers every command at the start', async () => {
    expect(await offers('nbcontainer', '')).toEqual(expect.arrayContaining(['exec', 'pull', 'shim', 'completion']));
  });
});
