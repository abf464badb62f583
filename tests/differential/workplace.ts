// SPDX-License-Identifier: BSD-3-Clause
/** What the differential cases run on: images of both makers, directories to write, command lines of both programs. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runApptainer, runInApptainerRoot } from '../../platforms/apptainer-root.ts';
import { REPOSITORY } from '../../platforms/build.ts';
import { runOnStandIn } from '../../platforms/standin.ts';
import type { IStandInResult } from '../../platforms/standin.ts';
import { TEST_IMAGES, testImages } from '../support/images.ts';

export type Maker = 'ours' | 'theirs';

/** The words that start nbcontainer. */
export const OURS = [process.execPath, '--', join(REPOSITORY, 'lib-runtime', 'cli', 'main.ts')];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Apptainer needs `-u` here: root lacks a capability that it wants without a user namespace. */
const ACTIONS = new Set(['exec', 'run', 'shell', 'test']);

export interface IRequest {
  readonly words: readonly string[];
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

export interface IDifferentialWorkplace {
  readonly scratch: string;
  sif(maker: Maker, image: string): string;
  /** Any command in the root that has Apptainer. */
  inside(command: readonly string[], request?: Omit<IRequest, 'words'>): Promise<IStandInResult>;
  apptainer(request: IRequest, ...before: string[]): Promise<IStandInResult>;
  nbcontainer(request: IRequest, ...before: string[]): Promise<IStandInResult>;
  /** A script of scripts.ts. */
  script(maker: Maker, script: string): Promise<IStandInResult>;
  /** Output without what depends on this run: the directory and the maker's name. */
  plain(text: string): string;
  dispose(): void;
}

/**
 * Makes the images and directories. With `apptainer: false` only our own, and commands run on the machine's own root:
 * for the cases with a recorded result, which need no Apptainer.
 */
export async function makeWorkplace(options: { readonly apptainer: boolean }): Promise<IDifferentialWorkplace> {
  const scratch = mkdtempSync(join(tmpdir(), 'nbc-differential-'));
  const sif = (maker: Maker, image: string): string => join(scratch, `${maker}-${image}.sif`);
  const inside: IDifferentialWorkplace['inside'] = (command, request = {}) => {
    const environment = {
      NBCONTAINER_HOME: join(scratch, 'store'),
      // Stripping the types of every file again would take longer than the run.
      NODE_COMPILE_CACHE: join(scratch, 'compiled'),
      ...request.environment
    };
    const rest = {
      binds: [scratch],
      cwd: request.cwd?.replace('@SCRATCH@', scratch) ?? '/',
      input: request.input ?? ''
    };
    if (options.apptainer) {
      return runInApptainerRoot(command, { ...rest, environment });
    }
    const variables = { PATH, HOME: '/root', LANG: 'C.UTF-8', ...environment };
    const pairs = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    return runOnStandIn('vm-root', ['env', '-i', ...pairs, ...command], rest);
  };
  const words = ({ words, image = 'debian' }: IRequest, maker: Maker): string[] =>
    words.map(word =>
      word
        .replaceAll('@SCRATCH@', scratch)
        .replaceAll('@IMAGE@', sif(maker, image))
        .replaceAll('@HELLO@', sif(maker, 'hello-world'))
        .replaceAll(/@([A-Z0-9]+)@/g, (_, name: string) => sif(maker, name.toLowerCase()))
    );
  const apptainer: IDifferentialWorkplace['apptainer'] = (request, ...before) => {
    const [action = '', ...rest] = words(request, 'theirs');
    return inside(['apptainer', ...before, action, ...(ACTIONS.has(action) ? ['-u'] : []), ...rest], request);
  };
  const nbcontainer: IDifferentialWorkplace['nbcontainer'] = (request, ...before) =>
    inside([...OURS, ...before, ...words(request, 'ours')], request);
  const script: IDifferentialWorkplace['script'] = (maker, text) => {
    const program = maker === 'theirs' ? ['apptainer'] : OURS;
    const start = program.map(word => `'${word}'`).join(' ');
    const userns = maker === 'theirs' ? '-u' : '';
    const functions = `ap() { ${start} "$@"; }; ax() { action=$1; shift; ap "$action" ${userns} "$@"; }`;
    const [body = ''] = words({ words: [text] }, maker);
    return inside(['sh', '-c', `${functions}; ${body}`]);
  };
  fill(scratch);
  const layouts = await testImages();
  for (const image of TEST_IMAGES) {
    const layout = `oci:${join(layouts, image)}`;
    if (options.apptainer) {
      checked(await runApptainer(['build', sif('theirs', image), layout], { binds: [scratch] }));
    }
    checked(await inside([...OURS, '-q', 'pull', sif('ours', image), layout]));
  }
  for (const maker of options.apptainer ? (['ours', 'theirs'] as const) : (['ours'] as const)) {
    const whole = readFileSync(sif(maker, 'hello-world'));
    writeFileSync(sif(maker, 'cut'), whole.subarray(0, 100));
    writeFileSync(sif(maker, 'arm64'), forArm(whole));
  }
  if (options.apptainer) {
    await makeAppsAndBoxes(scratch, sif, join(layouts, 'busybox'), inside);
  }
  return {
    scratch,
    sif,
    inside,
    apptainer,
    nbcontainer,
    script,
    plain: text => text.replaceAll('theirs-', 'ours-').replaceAll(scratch, '@SCRATCH@'),
    dispose: () => rmSync(scratch, { recursive: true, force: true })
  };
}

function fill(scratch: string): void {
  for (const name of ['home', 'work', 'changes', 'second/upper/usr', 'third/usr']) {
    mkdirSync(join(scratch, name), { recursive: true });
  }
  writeFileSync(join(scratch, 'second/upper/usr/mark'), 'second\n');
  writeFileSync(join(scratch, 'third/usr/mark'), 'third\n');
  writeFileSync(join(scratch, 'home', 'mark'), 'marked\n');
}

/** What only Apptainer builds: a SIF with SCIF apps, the same for both, and a sandbox for each to change. */
async function makeAppsAndBoxes(
  scratch: string,
  sif: IDifferentialWorkplace['sif'],
  layout: string,
  inside: IDifferentialWorkplace['inside']
): Promise<void> {
  const definition = readFileSync(fileURLToPath(new URL('apps.def', import.meta.url)), 'utf8');
  writeFileSync(join(scratch, 'apps.def'), definition.replace('@LAYOUT@', layout));
  // Root of a user namespace has every capability, which a build with sections asks for.
  checked(await inside(['unshare', '-r', 'apptainer', 'build', sif('theirs', 'apps'), join(scratch, 'apps.def')]));
  checked(await inside(['mksquashfs', join(scratch, 'third'), join(scratch, 'third.sqfs'), '-all-root', '-quiet']));
  checked(await inside(['apptainer', 'build', '--sandbox', sif('theirs', 'box'), `oci:${layout}`]));
  checked(await inside(['cp', sif('theirs', 'apps'), sif('ours', 'apps')]));
  checked(await inside(['cp', '-a', sif('theirs', 'box'), sif('ours', 'box')]));
}

/** The same SIF with arm64 in its header and in the descriptor of its partition (reference: SIF 1.1, 1.2, 1.4). */
function forArm(whole: Buffer): Buffer {
  const copy = Buffer.from(whole);
  copy.write('04', 45);
  const [total, at] = [Number(copy.readBigInt64LE(88)), Number(copy.readBigInt64LE(96))];
  for (let slot = 0; slot < total; slot += 1) {
    const descriptor = at + slot * 585;
    if (copy.readInt32LE(descriptor) === 0x4004) {
      copy.write('04', descriptor + 201 + 8);
    }
  }
  return copy;
}

function checked(result: IStandInResult): void {
  if (result.status !== 0) {
    throw new Error(`${result.stderr}${result.stdout}`);
  }
}
