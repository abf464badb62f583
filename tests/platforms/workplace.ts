// SPDX-License-Identifier: BSD-3-Clause
/** The project's command line on a stand-in: SIFs of the four test images, a store, scripts that run there. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '../../platforms/build.ts';
import { RECIPES } from '../../platforms/recipes.ts';
import type { IStandInOptions, StandInName } from '../../platforms/recipes.ts';
import { runOnStandIn, startOnStandIn } from '../../platforms/standin.ts';
import type { IStandInResult } from '../../platforms/standin.ts';
import { imageReference, TEST_IMAGES } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';

const MAIN = join(REPOSITORY, 'lib-runtime', 'cli', 'main.ts');

export interface IScriptOptions extends IStandInOptions {
  readonly input?: string;
  /** Default 50 s. */
  readonly timeoutMs?: number;
}

export interface IPlatformWorkplace {
  /** A folder of the machine that the stand-ins may write. */
  readonly scratch: string;
  sif(image: TestImage): string;
  /** Runs a shell script there, in which `nbcontainer` is the command line of this checkout. */
  script(name: StandInName, text: string, options?: IScriptOptions): Promise<IStandInResult>;
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
  // Written by root and by ordinary accounts.
  const compiled = join(scratch, 'compiled');
  mkdirSync(compiled);
  [scratch, compiled].forEach(path => {
    chmodSync(path, 0o777);
  });
  const prelude = [
    // Half of a start is Node's reading of TypeScript; a wheel brings one compiled file.
    `NBCONTAINER=(env NODE_COMPILE_CACHE=${quote(compiled)} ${quote(process.execPath)} ${quote(MAIN)})`,
    'nbcontainer() { "${NBCONTAINER[@]}" "$@"; }',
    // What of `/` a person would notice: names, kinds, owners, modes, targets of links.
    "root() { (cd / && stat -c '%A %U %N' -- * .[!.]*); }",
    // Names of all programs that run; the stand-in has a pid namespace of its own.
    'programs() { cat /proc/[0-9]*/comm 2>/dev/null; }',
    // What a container may leave behind: entries of /, mounts, programs, temporary files (not on vm-root, whose /tmp is
    // the machine's and changes all the time). The probes' results, what was said and read of images, and the ledger's folder
    // are kept on purpose.
    'left() { root; cat /proc/self/mountinfo; programs | grep -v -x -E "bash|cat|grep|stat|find|sort|diff" | sort',
    // The checkout may lie below /tmp, where the tests' own runner writes.
    '  [ $NAME = vm-root ] || find /tmp /var/tmp /dev/shm "$HOME" -path "$SCRATCH" -prune -o ' +
      `-path ${quote(REPOSITORY)} -prune -o -print 2>/dev/null |`,
    '    grep -v -x -E "/tmp|/tmp/nbcontainer-[0-9]+(/(probes-.*|said.json|images(/[0-9a-f]+[.]json)?|ledger|ledger/lock|stage))?" | sort; }',
    // What was killed takes a moment to end.
    'same() { for i in $(seq 100); do after=$(left); [ "$after" != "$before" ] || return 0; sleep 0.05; done',
    '  echo "left behind:"; diff <(echo "$before") <(echo "$after"); }',
    // Waits until a command succeeds, 20 s at most.
    'until_true() { for i in $(seq 200); do if eval "$1" 2>/dev/null; then return 0; fi; sleep 0.05; done; echo "never: $1"; return 1; }'
  ].join('\n');
  // A store for each account: root's trees are not those of a user.
  const complete = (name: StandInName, options: IStandInOptions): IStandInOptions => ({
    ...options,
    binds: [scratch, ...(options.binds ?? [])],
    environment: {
      NBCONTAINER_HOME: join(scratch, `store-${RECIPES[name].account?.uid ?? 0}`),
      SCRATCH: scratch,
      NAME: name,
      ...options.environment
    }
  });
  const sif = (image: TestImage): string => join(scratch, `${image}.sif`);
  const words = (text: string): string[] => ['bash', '-c', `${prelude}\n${text}`];
  const place: IPlatformWorkplace = {
    scratch,
    sif,
    script: (name, text, options = {}) => {
      const { input = '', timeoutMs = 50_000, ...rest } = options;
      return runOnStandIn(name, words(text), { ...complete(name, rest), input, timeoutMs });
    },
    start: (name, text) => startOnStandIn(name, words(text), complete(name, {})),
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
