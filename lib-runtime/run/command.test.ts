// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IImageFacts } from '../images/image.ts';
import { containerCommand } from './command.ts';
import { findInImage, mergedListings } from './image-tree.ts';
import type { IRunSpec } from './spec.ts';
import { BUSYBOX, DEBIAN, execSpec, imageFacts, listing } from './testing.ts';

describe('commands', () => {
  const config = { Entrypoint: ['/entry', 'a b'], Cmd: ['c'] };
  it.each<[string, Partial<IRunSpec>, Partial<IImageFacts>, string[]]>([
    ['exec', { command: ['ls', '-l', 'a b'] }, {}, ['ls', '-l', 'a b']],
    ['run: entrypoint and cmd', { action: 'run', command: [] }, { config }, ['/entry', 'a b', 'c']],
    ['run: arguments replace cmd', { action: 'run', command: ['x'] }, { config }, ['/entry', 'a b', 'x']],
    [
      'run: a converted runscript gives way to the configuration',
      { action: 'run', command: [] },
      { config, runscript: "#!/bin/sh\nOCI_ENTRYPOINT='x'\n" },
      ['/entry', 'a b', 'c']
    ],
    [
      'run: an own runscript comes first',
      { action: 'run', command: ['x'] },
      { config, runscript: '#!/bin/sh\necho' },
      ['/.singularity.d/runscript', 'x']
    ],
    ['run: /bin/sh when there is nothing', { action: 'run', command: [] }, {}, ['/bin/sh']],
    [
      'test',
      { action: 'test', command: ['x'] },
      { tree: { '/': listing('.singularity.d/'), '/.singularity.d': listing('test') } },
      ['/.singularity.d/test', 'x']
    ],
    ['test without a script', { action: 'test', command: ['x'] }, {}, ['/bin/sh', '-c', 'true']],
    ['shell', { action: 'shell', command: [] }, {}, ['/bin/bash', '--norc']],
    ['shell: the asked one', { action: 'shell', command: ['-l'], shell: '/usr/bin/dash' }, {}, ['/usr/bin/dash', '-l']],
    ['shell: not the missing one', { action: 'shell', command: [], shell: '/bin/zsh' }, {}, ['/bin/bash', '--norc']]
  ])('%s', (_, spec, image, argv) => {
    expect(containerCommand(execSpec(spec), imageFacts(DEBIAN, image))).toMatchObject({ argv });
  });
  it('sets SHELL for the shell', () => {
    expect(containerCommand(execSpec({ action: 'shell', command: [] }), imageFacts(BUSYBOX))).toMatchObject({
      argv: ['/bin/sh'],
      environment: { SHELL: '/bin/sh' }
    });
  });
});

describe('image trees', () => {
  it.each([
    ['/usr/bin/sh', 'found /usr/bin/dash'],
    ['/bin/../bin/./bash', 'found /usr/bin/bash'],
    ['/var/run', 'found /run'],
    ['/var/run/a/b', 'missing /run a/b'],
    ['/../../etc/passwd', 'found /etc/passwd'],
    ['/etc/passwd/x', 'blocked /etc/passwd'],
    ['/opt/x', 'unknown /opt/x'],
    ['/', 'found /']
  ])('%s', (path, expected) => {
    const found = findInImage(DEBIAN, path);
    const text = {
      found: () => found.kind === 'found' && found.path,
      missing: () => found.kind === 'missing' && `${found.parent} ${found.rest.join('/')}`,
      unknown: () => found.kind === 'unknown' && found.path,
      blocked: () => found.kind === 'blocked' && found.at
    }[found.kind]();
    expect(`${found.kind} ${text}`).toBe(expected);
  });
  it('moves /bin and /lib below /usr for the merged view', () => {
    const merged = mergedListings(BUSYBOX);
    expect(
      merged['/']?.filter(({ type }) => type === 'symlink').map(({ name, target }) => `${name}>${target}`)
    ).toEqual(['bin>usr/bin', 'lib>usr/lib']);
    expect(merged['/usr/bin']?.map(({ name }) => name)).toEqual(['busybox', 'sh', 'env']);
    expect(merged['/bin']).toBeUndefined();
    expect(findInImage(merged, '/bin/sh')).toMatchObject({ kind: 'found', path: '/usr/bin/busybox' });
  });
});

describe('--app', () => {
  const tree = {
    ...DEBIAN,
    '/': [...(DEBIAN['/'] ?? []), ...listing('scif/')],
    '/scif': listing('apps/'),
    '/scif/apps': listing('foo/', 'bar/'),
    '/scif/apps/foo': listing('scif/'),
    '/scif/apps/foo/scif': listing('runscript', 'test'),
    '/scif/apps/bar': listing('scif/'),
    '/scif/apps/bar/scif': listing()
  };
  it.each([
    ['run', 'foo', ['/scif/apps/foo/scif/runscript', 'a']],
    ['test', 'foo', ['/scif/apps/foo/scif/test', 'a']],
    ['exec', 'foo', ['a']],
    ['run', 'bar', 'No runscript for contained app: bar'],
    ['test', 'bar', 'No tests for contained app: bar'],
    ['exec', 'none', 'Could not locate the container application: none']
  ] as const)('%s of %s', (action, app, expected) => {
    const result = containerCommand(execSpec({ action, app, command: ['a'] }), imageFacts(tree));
    expect(result.kind === 'refusal' ? result.message : result.argv).toEqual(expected);
  });
});
