// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import { groupFor, passwdFor } from './accounts.ts';
import { parseBinds } from './bind-syntax.ts';
import { containerMounts, type Mount } from './mounts.ts';
import { hostPaths, imagePaths } from './paths.ts';
import { DEBIAN, execSpec, hostFacts, imageFacts, ROOT } from './testing.ts';
import type { IRunSpec } from './spec.ts';

function short(mount: Mount): string {
  switch (mount.kind) {
    case 'bind':
      return `${mount.source}:${mount.target}${mount.flags.includes('ro') ? ':ro' : ''}`;
    case 'tmpfs':
      return `tmpfs:${mount.target}`;
    case 'content':
      return `text:${mount.target}`;
    case 'symlink':
      return `link:${mount.target}`;
    case 'seal':
      return `seal:${mount.target}`;
  }
}

function mounts(spec: Partial<IRunSpec>, host: Partial<IHostFacts> = {}, image = imageFacts(DEBIAN)): string[] {
  const result = containerMounts(execSpec(spec), hostFacts({}, host), image);
  return result.kind === 'refusal' ? [`refusal: ${result.message}: ${result.reason}`] : result.mounts.map(short);
}

const DEFAULTS = [
  '/dev:/dev',
  '/etc/hosts:/etc/hosts:ro',
  '/etc/resolv.conf:/etc/resolv.conf:ro',
  '/proc:/proc',
  '/sys:/sys',
  '/home/ada:/home/ada',
  '/tmp:/tmp',
  '/var/tmp:/var/tmp'
];
const without = (...names: string[]): string[] => DEFAULTS.filter(mount => !names.some(name => mount.startsWith(name)));

describe('containerMounts', () => {
  it.each<[string, Partial<IRunSpec>, string[]]>([
    ['by default', {}, DEFAULTS],
    ['--no-home', { noHome: true }, [...without('/home/ada'), '/home/ada/work:/home/ada/work']],
    ['--no-mount proc,sys,dev', { noMount: ['proc', 'sys', 'dev'] }, without('/proc', '/sys', '/dev')],
    ['--no-mount home,cwd', { noMount: ['home', 'cwd'] }, without('/home')],
    ['--no-mount tmp', { noMount: ['tmp'] }, without('/tmp', '/var/tmp')],
    ['--no-mount bind-paths', { noMount: ['bind-paths'] }, without('/etc/hosts')],
    ['--no-mount of a path', { noMount: ['/etc/resolv.conf', '/var/tmp'] }, without('/etc/resolv.conf', '/var/tmp')],
    [
      '--home src:dst',
      { home: { source: '/data', target: '/me' } },
      [
        '/dev:/dev',
        '/etc/hosts:/etc/hosts:ro',
        '/etc/resolv.conf:/etc/resolv.conf:ro',
        '/proc:/proc',
        '/sys:/sys',
        '/data:/me',
        '/tmp:/tmp',
        '/var/tmp:/var/tmp',
        '/home/ada/work:/home/ada/work'
      ]
    ],
    [
      '--home below /tmp comes after /tmp',
      { home: { source: '/data', target: '/tmp/me' }, noMount: ['cwd'] },
      [
        '/dev:/dev',
        '/etc/hosts:/etc/hosts:ro',
        '/etc/resolv.conf:/etc/resolv.conf:ro',
        '/proc:/proc',
        '/sys:/sys',
        '/tmp:/tmp',
        '/var/tmp:/var/tmp',
        '/data:/tmp/me'
      ]
    ],
    [
      'binds sorted by target, later ones last, before cwd',
      {
        noHome: true,
        binds: [
          { source: '/z', target: '/z', readOnly: false },
          { source: '/a', target: '/m', readOnly: true },
          { source: '/b', target: '/m', readOnly: false }
        ]
      },
      [...without('/home/ada'), '/a:/m:ro', '/b:/m', '/z:/z', '/home/ada/work:/home/ada/work']
    ],
    [
      'a relative bind',
      { binds: [{ source: 'x', target: 'x', readOnly: false }] },
      [...DEFAULTS, '/home/ada/work/x:/home/ada/work/x']
    ],
    [
      'cwd through a bind of the same place',
      { noHome: true, binds: [{ source: '/home', target: '/home', readOnly: false }] },
      [...without('/home/ada'), '/home:/home']
    ],
    [
      'cwd hidden by a bind of another place',
      { binds: [{ source: '/other', target: '/home/ada/work', readOnly: false }] },
      [...DEFAULTS, '/other:/home/ada/work']
    ],
    [
      'a bind over /',
      { binds: [{ source: '/x', target: '/', readOnly: false }] },
      ['refusal: --bind /x:/ cannot be honoured: a bind over / would hide the image itself']
    ]
  ])('%s', (_, spec, expected) => {
    expect(mounts(spec)).toEqual(expected);
  });

  it('makes a small world with --contain', () => {
    const seen = mounts({ contain: true });
    expect(seen.filter(mount => !mount.includes('/dev'))).toEqual([
      '/etc/hosts:/etc/hosts:ro',
      '/etc/resolv.conf:/etc/resolv.conf:ro',
      '/proc:/proc',
      '/sys:/sys',
      'tmpfs:/home/ada',
      'tmpfs:/tmp',
      'tmpfs:/var/tmp'
    ]);
    expect(seen[0]).toBe('tmpfs:/dev');
    expect(seen).toContain('/dev/null:/dev/null');
    expect(seen).toContain('link:/dev/stdin');
  });

  it('leaves devices usable in every bind of /dev', () => {
    const result = containerMounts(
      execSpec({ binds: [{ source: '/dev/fuse', target: '/dev/fuse', readOnly: false }] }),
      hostFacts(),
      imageFacts(DEBIAN)
    );
    const dev = result.kind === 'mounts' ? result.mounts.filter(({ target }) => target.startsWith('/dev')) : [];
    expect(dev.map(mount => mount.kind === 'bind' && mount.flags)).toEqual([
      ['rec', 'nosuid'],
      ['rec', 'nosuid']
    ]);
  });

  it.each<[string, Partial<IHostFacts>, string[]]>([
    [
      'root is at home in /root, wherever he works',
      ROOT,
      ['/root:/root', '/tmp:/tmp', '/var/tmp:/var/tmp', '/content:/content']
    ],
    [
      'system directories are never bound over',
      { ...ROOT, workingDirectory: '/usr' },
      ['/root:/root', '/tmp:/tmp', '/var/tmp:/var/tmp']
    ],
    ['nor is /dev/shm', { ...ROOT, workingDirectory: '/dev/shm' }, ['/root:/root', '/tmp:/tmp', '/var/tmp:/var/tmp']],
    [
      'one /tmp is enough',
      { ...ROOT, workingDirectory: '/', paths: { ...ROOT.paths, '/var/tmp': { real: '/tmp', type: 'directory' } } },
      ['/root:/root', '/tmp:/tmp']
    ],
    [
      'a missing home becomes an empty one',
      { ...ROOT, workingDirectory: '/', paths: { ...ROOT.paths, '/root': null } },
      ['tmpfs:/root', '/tmp:/tmp', '/var/tmp:/var/tmp']
    ]
  ])('%s', (_, host, expected) => {
    expect(mounts({}, host).slice(5 - 0)).toEqual(expected);
  });

  it('refuses a bind of something that is not there', () => {
    const paths = { ...hostFacts().paths, '/missing': null };
    expect(mounts({ binds: [{ source: '/missing', target: '/x', readOnly: false }] }, { paths })).toEqual([
      'refusal: --bind /missing cannot be honoured: the host has no /missing'
    ]);
  });

  it('lets the working directory go that a bind hides', () => {
    const binds = [{ source: '/data', target: '/home/ada', readOnly: false }];
    const result = containerMounts(execSpec({ binds }), hostFacts(), imageFacts(DEBIAN));
    const cwd = result.kind === 'mounts' ? result.mounts.filter(({ purpose }) => purpose === 'cwd') : [];
    expect(cwd).toMatchObject([{ source: '/home/ada/work', optional: true }]);
    const alone = containerMounts(execSpec({ noHome: true }), hostFacts(), imageFacts(DEBIAN));
    expect(alone).toMatchObject({ mounts: expect.arrayContaining([{ ...cwd[0], optional: false }]) });
  });

  it('leaves passwd and group to a home that lies over them', () => {
    expect(
      mounts({ home: { source: '/data', target: '/etc' } }, ROOT).filter(text => text.startsWith('text:'))
    ).toEqual([]);
  });

  it('makes no terminals with --contain --no-mount devpts', () => {
    const seen = mounts({ contain: true, noMount: ['devpts'] });
    expect(seen).toContain('tmpfs:/dev/shm');
    expect(seen.filter(text => /pts|ptmx/.test(text))).toEqual([]);
  });

  it('refuses a home that is no directory', () => {
    const paths = { ...hostFacts().paths, '/file': { real: '/file', type: 'file' as const } };
    expect(mounts({ home: { source: '/file', target: '/me' } }, { paths })).toEqual([
      'refusal: --home /file cannot be honoured: /file is no directory'
    ]);
  });

  it("replaces the image's time zone only when it is another", () => {
    const zone = { '/etc/localtime': { real: '/usr/share/zoneinfo/Europe/Berlin', type: 'file' as const } };
    expect(mounts({}, { paths: { ...hostFacts().paths, ...zone } })).toContain('/etc/localtime:/etc/localtime:ro');
    expect(mounts({})).not.toContain('/etc/localtime:/etc/localtime:ro');
  });

  it('binds the driver file by file and seals the directory', () => {
    const gpu = {
      driverVersion: '550.54.15',
      libraries: [{ source: '/usr/lib64-nvidia/libcuda.so.550.54.15', names: ['libcuda.so.1', 'libcuda.so'] }],
      binaries: ['/opt/bin/nvidia-smi'],
      devices: ['/dev/nvidia0'],
      files: ['/usr/lib/wsl/nvidia/'],
      notes: []
    };
    expect(mounts({ nv: true }, { gpu }).filter(mount => /nvidia|libs/.test(mount))).toEqual([
      'tmpfs:/.singularity.d/libs',
      '/usr/lib64-nvidia/libcuda.so.550.54.15:/.singularity.d/libs/libcuda.so.1:ro',
      'link:/.singularity.d/libs/libcuda.so',
      'seal:/.singularity.d/libs',
      '/opt/bin/nvidia-smi:/usr/bin/nvidia-smi:ro',
      '/usr/lib/wsl/nvidia:/usr/lib/wsl/nvidia:ro'
    ]);
    expect(mounts({ nv: true, contain: true }, { gpu })).toContain('/dev/nvidia0:/dev/nvidia0');
    const none = containerMounts(execSpec({ nv: true }), hostFacts(), imageFacts(DEBIAN));
    expect(none.kind === 'mounts' && none.notes).toEqual([
      { level: 'warning', text: 'no NVIDIA driver libraries were found on this host: --nv has no effect' }
    ]);
  });

  it('names what --no-mount does not know', () => {
    const result = containerMounts(execSpec({ noMount: ['tmp', 'bogus', '/opt'] }), hostFacts(), imageFacts(DEBIAN));
    expect(result).toMatchObject({ notes: [{ level: 'warning', text: '--no-mount knows no mount "bogus"' }] });
  });

  it('starts in --pwd, else where the caller is, else at home', () => {
    const where = (spec: Partial<IRunSpec>): readonly string[] => {
      const result = containerMounts(execSpec(spec), hostFacts(), imageFacts(DEBIAN));
      return result.kind === 'mounts' ? result.workingDirectories : [];
    };
    expect(where({})).toEqual(['/home/ada/work', '/home/ada', '/']);
    expect(where({ workingDirectory: '/app' })).toEqual(['/app']);
    expect(where({ workingDirectory: 'app/../x' })).toEqual(['/x']);
    expect(where({ contain: true })).toEqual(['/home/ada', '/']);
  });
});

describe('paths', () => {
  it('asks the host for sources and for what lies inside them', () => {
    const spec = execSpec({
      binds: [
        { source: '/a', target: '/data', readOnly: false },
        { source: 'rel', target: '/data/sub', readOnly: false }
      ],
      home: { source: '/h', target: '/me' },
      scratch: ['/data/scratch']
    });
    const paths = hostPaths(spec, { HOME: '/home/ada' }, '/me/work');
    for (const path of [
      '/a',
      '/me/work/rel',
      '/a/sub',
      '/a/scratch',
      '/data/scratch',
      '/h',
      '/h/work',
      '/home/ada',
      '/me/work',
      '/tmp',
      '/etc/hosts'
    ]) {
      expect(paths).toContain(path);
    }
  });
  it('asks the image for targets and shells', () => {
    const paths = imagePaths(execSpec({ binds: [{ source: '/a', target: '/data/x', readOnly: false }] }), hostFacts());
    for (const path of ['/data/x', '/bin/sh', '/home/ada', '/home/ada/work', '/etc/resolv.conf', '/var/tmp']) {
      expect(paths).toContain(path);
    }
  });
});

describe('parseBinds', () => {
  it.each([
    ['/a', ['/a /a rw']],
    ['/a:/b', ['/a /b rw']],
    ['/a:/b:ro', ['/a /b ro']],
    ['/a:/b:rw', ['/a /b rw']],
    ['/a,/b:/c,/d:/e:ro', ['/a /a rw', '/b /c rw', '/d /e ro']],
    ['/a:/b:ro,rw,/c', ['/a /b ro', '/c /c rw']],
    ['/a:/b:rw, ro', ['/a /b ro']],
    ['.', ['. . rw']],
    ['/a::ro', ['/a /a ro']],
    ['/a\\:b:/c\\,d', ['/a:b /c,d rw']],
    ['/with space:/x', ['/with space /x rw']],
    ['', []]
  ])('%s', (text, expected) => {
    const seen = parseBinds(text).map(
      ({ source, target, readOnly }) => `${source} ${target} ${readOnly ? 'ro' : 'rw'}`
    );
    expect(seen).toEqual(expected);
  });
  it.each([
    ['/a:b', 'is not absolute'],
    ['/a:/b:rx', '"rx" is no option; ro and rw are'],
    ['/a:/b:ro:x', 'more than three parts'],
    [':/b', 'a source is missing']
  ])('refuses %s', (text, reason) => {
    expect(() => parseBinds(text)).toThrow(
      expect.objectContaining({ code: 'usage', reason: expect.stringContaining(reason) })
    );
  });
  it('says that images cannot be bound from', () => {
    expect(() => parseBinds('/a.sif:/b:image-src=/x')).toThrow(expect.objectContaining({ code: 'unsupported' }));
  });
});

describe('accounts', () => {
  const account = hostFacts().account;
  it.each([
    ['appends', 'root:x:0:0:root:/root:/bin/sh\n', 'root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada:/h:/bin/bash\n'],
    ['rewrites, keeping shell and group', 'node:x:1000:50:Node:/home/node:/bin/ash', 'ada:x:1000:50:Ada:/h:/bin/ash\n'],
    ['starts an empty file', '', 'ada:x:1000:1000:Ada:/h:/bin/bash\n'],
    ['keeps lines that are none', '+\nx:y\n', '+\nx:y\nada:x:1000:1000:Ada:/h:/bin/bash\n']
  ])('passwd: %s', (_, image, expected) => {
    expect(passwdFor(image, account, '/h')).toBe(expected);
  });
  it('keeps the name of uid 0', () => {
    const root = { ...account, uid: 0, name: 'toor', gecos: 'T' };
    expect(passwdFor('root:x:0:0:r:/:/bin/sh\n', root, '/root')).toBe('root:x:0:0:r:/root:/bin/sh\n');
  });
  it('lets no field make another account', () => {
    expect(passwdFor('', { ...account, gecos: 'A:0\nevil:x:0:0' }, '/h').split('\n')).toHaveLength(2);
  });
  it('group: adds every group once', () => {
    const groups = [
      { gid: 1000, name: 'ada' },
      { gid: 44, name: 'video' },
      { gid: 1000, name: 'ada' }
    ];
    expect(groupFor('root:x:0:', { ...account, groups })).toBe('root:x:0:\nada:x:1000:ada\nvideo:x:44:ada\n');
  });
});
