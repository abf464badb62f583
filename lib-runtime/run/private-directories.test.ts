// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import { formatPlan } from './dry-run.ts';
import { hostPaths } from './paths.ts';
import { planRun } from './plan.ts';
import { jupyterRuntimeDirectories } from './private-directories.ts';
import type { IRunSpec } from './spec.ts';
import { COLAB, DEBIAN, execSpec, hostFacts, imageFacts, ROOT } from './testing.ts';

const JUPYTER = '/home/ada/.local/share/jupyter/runtime';
const directory = (path: string): [string, { real: string; type: 'directory' }] => [
  path,
  { real: path, type: 'directory' }
];

describe('directories of Jupyter', () => {
  it.each<[Record<string, string>, string[]]>([
    [{}, []],
    [{ HOME: '/h' }, ['/h/.local/share/jupyter/runtime']],
    [{ HOME: '/h', JUPYTER_RUNTIME_DIR: '/run/j/' }, ['/run/j', '/h/.local/share/jupyter/runtime']],
    [{ JUPYTER_DATA_DIR: '/d', XDG_DATA_HOME: '/x' }, ['/d/runtime', '/x/jupyter/runtime']],
    [{ HOME: '/h', XDG_DATA_HOME: '/h/.local/share' }, ['/h/.local/share/jupyter/runtime']],
    [{ JUPYTER_RUNTIME_DIR: 'relative', JUPYTER_DATA_DIR: '' }, []],
    [{ JUPYTER_RUNTIME_DIR: '/' }, []]
  ])('of %j', (environment, paths) => {
    expect(jupyterRuntimeDirectories(environment)).toEqual(paths);
  });

  it('are looked at', () => {
    expect(hostPaths(execSpec(), { HOME: '/home/ada' }, '/w')).toContain(JUPYTER);
  });
});

/** Lines of the plan about the two directories and about what shows them. */
function lines(spec: Partial<IRunSpec>, host: Partial<IHostFacts> = {}, denied = {}, environment = {}): string[] {
  const facts = hostFacts(denied, { runtimeDirectory: '/tmp/nbcontainer-1000', ...host });
  const paths = { ...facts.paths, ...Object.fromEntries([JUPYTER, '/data', '/run/j'].map(directory)) };
  const plan = planRun(execSpec(spec), { ...facts, paths }, imageFacts(DEBIAN), {
    HOME: '/home/ada',
    ...environment
  });
  if (plan.kind === 'refusal') {
    return [plan.reason];
  }
  return formatPlan(plan)
    .split('\n')
    .map(line => /^ *\d+ {2}((?:bind|tmpfs|place|remount) \S+(?: (?!mode)\S+)?)/.exec(line)?.[1]?.trim() ?? '')
    .filter(
      line => /^(bind|tmpfs|place) \/(home\/ada|tmp|data|run \/run|run\/j)/.test(line) && !line.includes('/stage/')
    );
}

describe('a plan', () => {
  it('shows empty directories in their place, right after what would show them', () => {
    expect(lines({})).toEqual([
      'bind /home/ada /home/ada',
      `tmpfs ${JUPYTER}`,
      'bind /tmp /tmp',
      'tmpfs /tmp/nbcontainer-1000'
    ]);
  });

  it.each<[string, Partial<IRunSpec>, Partial<IHostFacts>, Record<string, string>, string[]]>([
    ['nothing shows them', { noHome: true, noMount: ['tmp', 'cwd'] }, {}, {}, []],
    ['home and /tmp are empty ones', { contain: true }, {}, {}, ['tmpfs /home/ada', 'tmpfs /tmp']],
    [
      'home is seen elsewhere',
      { home: { source: '/home/ada', target: '/data/home' }, noMount: ['tmp', 'cwd'] },
      {},
      {},
      ['bind /home/ada /data/home', 'tmpfs /data/home/.local/share/jupyter/runtime']
    ],
    [
      'a bind shows one once more',
      { binds: [{ source: '/home/ada', target: '/data', readOnly: true }], noHome: true, noMount: ['tmp', 'cwd'] },
      {},
      {},
      ['bind /home/ada /data', 'tmpfs /data/.local/share/jupyter/runtime']
    ],
    [
      'it was asked for by itself',
      { binds: [{ source: JUPYTER, target: '/data', readOnly: true }], noHome: true, noMount: ['tmp', 'cwd'] },
      {},
      {},
      [`bind ${JUPYTER} /data`]
    ],
    [
      'the caller stands in it',
      { noMount: ['tmp'] },
      { workingDirectory: `${JUPYTER}/x` },
      {},
      ['bind /home/ada /home/ada']
    ],
    [
      'JUPYTER_RUNTIME_DIR lies where the container does not look',
      { noHome: true, noMount: ['tmp', 'cwd'] },
      {},
      { JUPYTER_RUNTIME_DIR: '/run/j' },
      []
    ],
    [
      'JUPYTER_RUNTIME_DIR is seen by a bind',
      { binds: [{ source: '/run', target: '/run', readOnly: false }], noHome: true, noMount: ['tmp', 'cwd'] },
      {},
      { JUPYTER_RUNTIME_DIR: '/run/j' },
      ['bind /run /run', 'tmpfs /run/j']
    ]
  ])('hides what it has to: %s', (_, spec, host, environment, expected) => {
    expect(lines(spec, host, {}, environment)).toEqual(expected);
  });

  it('hides ours in an in-place root, too', () => {
    const host = { ...ROOT, runtimeDirectory: '/tmp/nbcontainer-0' };
    expect(lines({ noHome: true, noMount: ['cwd'] }, host, COLAB)).toEqual([
      'bind /tmp /tmp',
      'tmpfs /tmp/nbcontainer-0',
      'place /run /run',
      'place /tmp /tmp'
    ]);
  });
});
