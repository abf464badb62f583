// SPDX-License-Identifier: BSD-3-Clause
/** The project's command line on a stand-in: SIFs of the four test images, a store, scripts that run there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '../../platforms/build.ts';
import type { IStandInOptions, StandInName } from '../../platforms/recipes.ts';
import { runOnStandIn, startOnStandIn } from '../../platforms/standin.ts';
import type { IStandInResult } from '../../platforms/standin.ts';
import { imageReference, TEST_IMAGES } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';

const MAIN = join(REPOSITORY, 'lib-runtime', 'cli', 'main.ts');

export interface IPlatformWorkplace {
  /** A folder of the machine that the stand-ins may write. */
  readonly scratch: string;
  sif(image: TestImage): string;
  /** Runs a shell script there, in which `nbcontainer` is the command line of this checkout. */
  script(name: StandInName, text: string, options?: IStandInOptions & { input?: string }): Promise<IStandInResult>;
  /** As `script`, but started only. */
  start(name: StandInName, text: string): ReturnType<typeof startOnStandIn>;
  dispose(): void;
}

/** Quotes a word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Makes the SIFs with our own `pull`, on vm-root. Takes some seconds. */
export async function makePlatformWorkplace(): Promise<IPlatformWorkplace> {
  const scratch = mkdtempSync(join(tmpdir(), 'nbc-e2e-'));
  const prelude = [
    `NBCONTAINER=(${quote(process.execPath)} ${quote(MAIN)})`,
    'nbcontainer() { "${NBCONTAINER[@]}" "$@"; }',
    // What of `/` a person would notice: names, kinds, owners, modes, targets of links.
    "root() { (cd / && stat -c '%A %U %N' -- * .[!.]*); }",
    // Names of all programs that run; the stand-in has a pid namespace of its own.
    'programs() { cat /proc/[0-9]*/comm 2>/dev/null; }',
    // Waits until a command succeeds, 20 s at most.
    'until_true() { for i in $(seq 200); do if eval "$1" 2>/dev/null; then return 0; fi; sleep 0.05; done; echo "never: $1"; return 1; }'
  ].join('\n');
  const complete = (options: IStandInOptions): IStandInOptions => ({
    ...options,
    binds: [scratch, ...(options.binds ?? [])],
    environment: { NBCONTAINER_HOME: join(scratch, 'store'), SCRATCH: scratch, ...options.environment }
  });
  const sif = (image: TestImage): string => join(scratch, `${image}.sif`);
  const words = (text: string): string[] => ['bash', '-c', `${prelude}\n${text}`];
  const place: IPlatformWorkplace = {
    scratch,
    sif,
    script: (name, text, options = {}) =>
      runOnStandIn(name, words(text), { ...complete(options), input: options.input ?? '', timeoutMs: 50_000 }),
    start: (name, text) => startOnStandIn(name, words(text), complete({})),
    dispose: () => rmSync(scratch, { recursive: true, force: true })
  };
  const pulls: string[] = [];
  for (const image of TEST_IMAGES) {
    pulls.push(`nbcontainer -q pull ${quote(sif(image))} ${quote(await imageReference(image))} || exit`);
  }
  const { status, stderr } = await place.script('vm-root', pulls.join('\n'));
  if (status !== 0) {
    place.dispose();
    throw new Error(`nbcontainer pull failed with status ${status}: ${stderr}`);
  }
  return place;
}
