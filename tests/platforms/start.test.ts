// SPDX-License-Identifier: BSD-3-Clause
/**
 * Every platform starts every image, as the account that it gives, with no flags, and behaves inside as a container should.
 * Writes what was started how to .cache/results/platforms.json, from which platforms/table.ts makes the table of
 * docs/platforms.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../platforms/build.ts';
import { RECIPES, STAND_INS } from '../../platforms/recipes.ts';
import type { StandInName } from '../../platforms/recipes.ts';
import { collect, standInsWork } from '../../platforms/standin.ts';
import { formatTable, replaceTable } from '../../platforms/table.ts';
import type { IResultRow } from '../../platforms/table.ts';
import { OS_NAMES, TEST_IMAGES } from '../support/images.ts';
import { makePlatformWorkplace } from './workplace.ts';
import type { IPlatformWorkplace } from './workplace.ts';

/** A line of a script that prints what of `/` is not as it was. */
const SAME_ROOT = '[ "$(root)" = "$before" ] || { echo "/ has changed"; diff <(echo "$before") <(root); }';

/** With a mount namespace; the others run below PRoot. */
const NATIVE: readonly StandInName[] = ['vm-root', 'colab-2023', 'colab', 'hpc'];

describe.runIf(standInsWork())('real images on the stand-ins', () => {
  let place: IPlatformWorkplace;
  const rows: IResultRow[] = [];
  beforeAll(async () => {
    place = await makePlatformWorkplace();
  });
  afterAll(() => {
    place?.dispose();
    const folder = join(REPOSITORY, '.cache', 'results');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'platforms.json'), `${JSON.stringify(rows, null, 2)}\n`);
  });

  describe.each(STAND_INS)('%s', name => {
    it('starts every image and leaves nothing behind', async () => {
      const plan = `nbcontainer exec --dry-run --json ${place.sif('debian')} true`;
      const script = [
        `${plan} > /dev/null; before=$(left)`,
        ...TEST_IMAGES.flatMap(image => {
          const command = image === 'hello-world' ? '/hello one "two words"' : 'cat /etc/os-release';
          return [`nbcontainer exec ${place.sif(image)} ${command}; echo "status $?"`];
        }),
        'same',
        ...TEST_IMAGES.map(image => `echo; ${plan.replace(place.sif('debian'), place.sif(image))} | tr -d "\\n"`)
      ].join('\n');
      const result = await place.script(name, script);
      const [said, ...plans] = result.stdout.split('\n{');
      expect(said, result.stderr).toBe(
        [
          'Hello from a static program!',
          'argument one',
          'argument two words',
          ...[
            'status 0',
            OS_NAMES.app,
            'status 0',
            OS_NAMES.debian,
            'ID=debian',
            'status 0',
            OS_NAMES.busybox,
            'status 0'
          ],
          ''
        ].join('\n')
      );
      plans.forEach((text, index) => {
        const { engine, root } = JSON.parse(`{${text}`) as { engine: string; root: string };
        expect(engine).toBe(NATIVE.includes(name) ? 'namespaces' : 'ptrace');
        rows.push({ platform: name, image: TEST_IMAGES[index] ?? '?', engine, root, status: 0 });
      });
      expect(plans).toHaveLength(TEST_IMAGES.length);
    });

    it("runs the image's own program", async () => {
      const script = [
        `nbcontainer run ${place.sif('hello-world')}`,
        `nbcontainer run ${place.sif('app')} with words`,
        `nbcontainer run ${place.sif('app')}`
      ].join('\n');
      const result = await place.script(name, script);
      const data = 'hello from /app/data';
      expect(result.stdout, result.stderr).toBe(
        `Hello from a static program!\napp started with with words\n${data}\napp started with default\n${data}\n`
      );
    });

    it('passes input, output, errors and the status', async () => {
      const sif = place.sif('debian');
      const script = [
        `nbcontainer exec ${sif} sh -c 'cat; echo problem >&2; exit 42'; echo "status $?"`,
        `nbcontainer exec ${sif} sh -c 'kill -9 $$'; echo "status $?"`,
        `nbcontainer exec ${sif} no-such-program; exit $?`
      ].join('\n');
      const result = await place.script(name, script, { input: 'line 1\nline 2\n' });
      expect(result.stdout, result.stderr).toBe('line 1\nline 2\nstatus 42\nstatus 137\n');
      expect(result.status).toBe(255);
      expect(result.stderr).toContain('problem\n');
      expect(result.stderr).toContain('no-such-program');
    });

    it('binds, and shows the working directory, home and /tmp', async () => {
      const script = [
        'mkdir -p $SCRATCH/data /tmp/here $HOME/there && echo content > "$SCRATCH/data/a file" && cd $SCRATCH/data',
        `nbcontainer exec --bind $SCRATCH/data:/inside ${place.sif('debian')} bash -c '`,
        'pwd; cat "/inside/a file"; echo new > /inside/new; echo written > ./from-cwd',
        "test -d /tmp/here && echo tmp; test -d $HOME/there && echo home; echo $HOME'",
        'cat new from-cwd; rm -r /tmp/here $HOME/there $SCRATCH/data'
      ].join('\n');
      const result = await place.script(name, script);
      const home = RECIPES[name].environment?.['HOME'] ?? process.env['HOME'];
      const lines = [`${place.scratch}/data`, 'content', 'tmp', 'home', home, 'new', 'written', ''];
      expect(result.stdout.split('\n'), result.stderr).toEqual(lines);
    });

    it('keeps what is read-only, or says that it cannot', async () => {
      const script = [
        'mkdir -p $SCRATCH/kept',
        `nbcontainer exec --bind $SCRATCH/kept:/kept:ro ${place.sif('debian')} touch /kept/file; echo $?`,
        `nbcontainer exec ${place.sif('debian')} touch /usr/file; echo $?`,
        'ls $SCRATCH/kept; rm -r $SCRATCH/kept'
      ].join('\n');
      const { stdout, stderr } = await place.script(name, script);
      if (NATIVE.includes(name)) {
        expect(stdout, stderr).toBe('1\n1\n');
        expect(stderr).toContain("'/usr/file': Read-only file system");
      } else {
        expect(stdout, stderr).toBe('0\n1\nfile\n');
        expect(stderr).toContain("'/usr/file': Permission denied");
        expect(stderr).toContain('PRoot cannot make /kept read-only');
      }
    });

    it('has the environment of the image, of --env and of the host, in this order', async () => {
      const sif = place.sif('busybox');
      const script = [
        'export FROM_HOST="a  b" FLAVOUR=host',
        `nbcontainer exec --env "ASKED=1 \\$2 'q'" ${sif} sh -c 'echo "$FLAVOUR|$FROM_HOST|$ASKED|$PATH"'`,
        `nbcontainer exec --cleanenv ${sif} sh -c 'echo "\${FROM_HOST-none}"'`,
        `nbcontainer exec --pwd /opt/only-here ${sif} pwd`
      ].join('\n');
      const result = await place.script(name, script);
      const [variables, clean, directory] = result.stdout.split('\n');
      expect(variables?.split('|').slice(0, 2)).toEqual(['busy box "quoted" $HOME', 'a  b']);
      expect(variables).toContain("|1 $2 'q'|");
      expect(variables).toContain('/usr/local/bin:/bin:/usr/bin:/sbin');
      expect([clean, directory]).toEqual(['none', '/opt/only-here']);
    });

    it('passes SIGTERM to the program in the container, and ends with 128 + the number of a signal', async () => {
      const program = 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done';
      // A shell without job control starts what is in the background with SIGINT ignored.
      const start = `env --default-signal "\${NBCONTAINER[@]}" exec ${place.sif('busybox')}`;
      const script = [
        `nbcontainer exec --dry-run ${place.sif('busybox')} true > /dev/null; rm -f /tmp/out; before=$(left)`,
        `${start} sh -c '${program}' > /tmp/out & until_true 'grep -q ready /tmp/out'`,
        'kill -TERM $!; wait $!; echo "status $?"; cat /tmp/out; rm /tmp/out',
        ...['TERM', 'INT'].flatMap(signal => [
          `${start} sh -c 'echo ready; exec sleep 600' > /tmp/out & until_true 'grep -q ready /tmp/out'`,
          `sleep 0.2; kill -${signal} $!; wait $!; echo "status $?"; rm /tmp/out`
        ]),
        'same'
      ].join('\n');
      const result = await place.script(name, script);
      expect(result.stdout, result.stderr).toBe('status 9\nready\ngot it\nstatus 143\nstatus 130\n');
    });

    it('runs two images at the same time', async () => {
      const meet = 'touch $OWN; for i in $(seq 200); do [ -e $OTHER ] && exec cat /etc/os-release; sleep 0.05; done';
      const one = (image: 'app' | 'busybox', other: string) =>
        `OWN=${image} OTHER=${other} nbcontainer exec ${place.sif(image)} sh -c '${meet}' > /tmp/${image}`;
      const script = [
        'before=$(root)',
        'mkdir $SCRATCH/meeting; cd $SCRATCH/meeting',
        `${one('app', 'busybox')} & ${one('busybox', 'app')} & wait`,
        'cat /tmp/app /tmp/busybox; cd /; rm -r $SCRATCH/meeting',
        SAME_ROOT
      ].join('\n');
      const result = await place.script(name, script);
      expect(result.stdout, result.stderr).toBe(`${OS_NAMES.app}\n${OS_NAMES.busybox}\n`);
    });

    it('leaves nothing behind after kill -9 of everything and one more start', async () => {
      const script = [
        'before=$(left)',
        `nbcontainer exec ${place.sif('app')} sh -c 'touch $SCRATCH/runs; exec sleep 600' & until_true '[ -e $SCRATCH/runs ]'`,
        "rm $SCRATCH/runs; kill -9 -1; until_true '! programs | grep -qx sleep'",
        '[ -e /app ] && echo "/app was left"',
        `nbcontainer exec ${place.sif('busybox')} cat /etc/os-release`,
        'same',
        'programs | grep -v -x -E "standin-.*|bash|cat|grep"; grep -c -E "/nbcontainer-[0-9]+/" /proc/self/mountinfo'
      ].join('\n');
      const result = await place.script(name, script);
      // In place, the image's /app was an entry of the host's root: there was something to sweep.
      const left = name === 'colab' ? '/app was left\n' : '';
      expect(result.stdout, result.stderr).toBe(`${left}${OS_NAMES.busybox}\n0\n`);
    });
  });

  it("keeps the store's tree from root on kaggle, and gives a copy with --writable-tmpfs", async () => {
    const sif = place.sif('debian');
    const write =
      'echo x > /etc/os-release; mv /etc /etc2; chmod 777 /usr; chown 0 /usr; rm -rf /usr/share; touch /new';
    const script = [
      // Whatever the view of the tree is called: paths, kinds, modes, owners, times, content.
      'tree() { (cd $NBCONTAINER_HOME/trees/*/read-only && find . -printf "%p %y %m %U:%G %s %T@ %n %l\\n" | sort; find . -type f -exec sha256sum {} + | sort) | sha256sum; }',
      `nbcontainer -q exec ${sif} true; before=$(tree)`,
      `nbcontainer -q exec ${sif} bash -c '${write}; ls /new' 2>/dev/null; echo $?`,
      '[ "$(tree)" = "$before" ] && echo same',
      `nbcontainer -q exec --writable-tmpfs ${sif} bash -c 'echo mine > /etc/os-release; cat /etc/os-release; touch /new && ls /new'`,
      '[ "$(tree)" = "$before" ] && echo same; ls -A $NBCONTAINER_HOME/trees | wc -l',
      // Calls newer than PRoot: ls and test look at the image, not at the host.
      `nbcontainer -q exec ${sif} bash -c 'ls -ld /singularity && test -r /.singularity.d/runscript && echo readable'`,
      'ls -A $NBCONTAINER_HOME/tmp; rm -rf $NBCONTAINER_HOME'
    ].join('\n');
    const result = await place.script('kaggle', script, {
      environment: { NBCONTAINER_HOME: `${place.scratch}/own-store` }
    });
    expect(result.stdout.replace(/^l.*singularity -> /m, 'singularity -> '), result.stderr).toBe(
      '2\nsame\nmine\n/new\nsame\n1\nsingularity -> .singularity.d/runscript\nreadable\n'
    );
  });

  it("starts on colab with docker's seccomp profile, where pivot_root is refused", async () => {
    const script = `nbcontainer exec ${place.sif('debian')} cat /etc/os-release`;
    const result = await place.script('colab', script, { dockerSeccomp: true });
    expect(result.stdout, result.stderr).toContain(OS_NAMES.debian);
  });

  it('stops with the stand-in: no container outlives it', async () => {
    const child = await place.start(
      'colab',
      `nbcontainer exec ${place.sif('busybox')} sh -c 'echo ready; exec sleep 600.${process.pid}'`
    );
    const done = collect(child);
    await new Promise<void>(resolve => child.stdout?.once('data', () => resolve()));
    child.kill('SIGKILL');
    expect((await done).status).toBe(137);
  });

  it('is what docs/platforms.md says of who was started how', () => {
    // Rows are missing when only some of the tests were asked for.
    if (rows.length === STAND_INS.length * TEST_IMAGES.length) {
      const page = readFileSync(join(REPOSITORY, 'docs', 'platforms.md'), 'utf8');
      expect(page, 'node platforms/table.ts brings it up to date').toBe(replaceTable(page, formatTable(rows)));
    }
  });
});
