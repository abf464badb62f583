// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { containerEnvironment, type IEnvironmentRequest } from './environment.ts';
import { DEFAULT_PATH, environmentProgram } from './environment-program.ts';
import { readEnvFile } from './env-file.ts';
import { DEBIAN, execSpec, HELLO, imageFacts } from './testing.ts';

const BASE_SCRIPT = {
  name: '99-base.sh',
  text: `#!/bin/sh
if [ -z "\${LD_LIBRARY_PATH:-}" ]; then
    LD_LIBRARY_PATH="/.singularity.d/libs"
else
    LD_LIBRARY_PATH="$LD_LIBRARY_PATH:/.singularity.d/libs"
fi
if [ -z "\${PS1:-}" ]; then
    PS1="Apptainer> "
fi
export LD_LIBRARY_PATH PS1
`
};
const APPS_SCRIPT = {
  name: '95-apps.sh',
  text: `if test -n "\${SINGULARITY_APPNAME:-}"; then
    export SINGULARITY_APPNAME
    if test -d "/scif/apps/\${SINGULARITY_APPNAME:-}/"; then
        PATH="/scif/apps/\${SINGULARITY_APPNAME:-}/bin:$PATH"
        if [ -f "/scif/x" ]; then
            . "/scif/x" "$@"
        elif [ -f "/scif/y" ]; then
            . "/scif/y"
        fi
        export PATH
    else
        echo "Could not locate the container application: \${SINGULARITY_APPNAME}"
        exit 1
    fi
fi
`
};
const COMMENTS = '#!/bin/sh\n# Custom environment shell code should follow\n';
const DOCKER_SCRIPT = {
  name: '10-docker2singularity.sh',
  text: `#!/bin/sh
export PATH="/opt/conda/bin:/usr/bin"
export LANG="\${LANG:-"C.UTF-8"}"
export EMPTY="\${EMPTY:-""}"
export PRICE="\${PRICE:-"5\\$ \\"net\\""}"
`
};
const SCRIPTS = [
  { name: '01-base.sh', text: COMMENTS },
  DOCKER_SCRIPT,
  { name: '90-environment.sh', text: `${COMMENTS}export FROM_IMAGE=yes\n` },
  APPS_SCRIPT,
  BASE_SCRIPT,
  { name: '99-runtimevars.sh', text: 'export PATH; virtual in Apptainer, never read' }
];

function environment(more: Partial<IEnvironmentRequest> = {}): ReturnType<typeof containerEnvironment> {
  return containerEnvironment({
    host: {},
    spec: execSpec(),
    image: imageFacts(DEBIAN, { environmentScripts: SCRIPTS }),
    account: { uid: 1000, gid: 1000 },
    home: '/home/ada',
    workingDirectory: '/work',
    driverLibraries: false,
    ...more
  });
}

describe('containerEnvironment', () => {
  it('is what Apptainer leaves for an image with every base script', () => {
    const { variables, prefix, notes } = environment({ host: { PATH: '/host/bin', USER: 'ada', TERM: 'xterm' } });
    expect(prefix).toEqual([]);
    expect(notes).toEqual([]);
    expect(variables).toEqual({
      APPTAINER_APPNAME: '',
      APPTAINER_BIND: '',
      APPTAINER_COMMAND: 'exec',
      APPTAINER_CONTAINER: '/images/image.sif',
      APPTAINER_ENVIRONMENT: '/.singularity.d/env/91-environment.sh',
      APPTAINER_NAME: 'image.sif',
      EMPTY: '',
      FROM_IMAGE: 'yes',
      HOME: '/home/ada',
      LANG: 'C.UTF-8',
      LD_LIBRARY_PATH: '/.singularity.d/libs',
      PATH: '/opt/conda/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin',
      PRICE: '5$ "net"',
      PROMPT_COMMAND: 'PS1="Apptainer> "; unset PROMPT_COMMAND',
      PS1: 'Apptainer> ',
      PWD: '/work',
      SINGULARITY_BIND: '',
      SINGULARITY_CONTAINER: '/images/image.sif',
      SINGULARITY_ENVIRONMENT: '/.singularity.d/env/91-environment.sh',
      SINGULARITY_NAME: 'image.sif',
      TERM: 'xterm',
      USER: 'ada',
      USER_PATH: '/host/bin'
    });
  });

  it.each<[string, Record<string, string>, Partial<ReturnType<typeof execSpec>>, Record<string, string | undefined>]>([
    ['the image beats the host', { LANG: 'de_DE' }, {}, { LANG: 'C.UTF-8' }],
    ['--cleanenv tells no path of the host', { PATH: '/x' }, { cleanEnvironment: true }, { USER_PATH: undefined }],
    ['the host stays where the image is silent', { LC_ALL: 'de_DE' }, {}, { LC_ALL: 'de_DE' }],
    ['a name that both have and the image leaves empty goes', { EMPTY: 'host' }, {}, { EMPTY: undefined }],
    ['APPTAINERENV_ beats the image', { APPTAINERENV_FROM_IMAGE: 'no' }, {}, { FROM_IMAGE: 'no' }],
    ['APPTAINERENV_ beats SINGULARITYENV_', { SINGULARITYENV_A: 's', APPTAINERENV_A: 'a' }, {}, { A: 'a' }],
    ['SINGULARITYENV_ alone counts', { SINGULARITYENV_A: 's' }, {}, { A: 's', SINGULARITYENV_A: undefined }],
    ['--env beats both', { APPTAINERENV_A: 'a' }, { environment: { A: 'e' } }, { A: 'e' }],
    ['APPTAINERENV_ beats the host', { A: 'host', APPTAINERENV_A: 'a' }, {}, { A: 'a' }],
    [
      'options of the runtime stay out',
      { APPTAINER_BIND: '/x', SINGULARITY_NV: '1' },
      {},
      { APPTAINER_BIND: '', SINGULARITY_NV: undefined }
    ],
    [
      'odd keys are dropped',
      { 'BASH_FUNC_x%%': '() {', 'a.b': '1', '1x': '2' },
      {},
      { 'BASH_FUNC_x%%': undefined, 'a.b': undefined, '1x': undefined }
    ],
    ['newlines survive', { A: 'x\ny' }, {}, { A: 'x\ny' }],
    ['newlines survive injection', {}, { environment: { A: 'x\n"y"' } }, { A: 'x\n"y"' }],
    [
      '--cleanenv keeps TERM and proxies',
      { TERM: 'vt100', http_proxy: 'p', NO_PROXY: 'n', USER: 'ada' },
      { cleanEnvironment: true },
      { TERM: 'vt100', http_proxy: 'p', NO_PROXY: 'n', USER: undefined, LANG: 'C.UTF-8' }
    ],
    ['--cleanenv takes APPTAINERENV_', { APPTAINERENV_A: '1' }, { cleanEnvironment: true }, { A: '1' }],
    [
      'host libraries stay out',
      { LD_LIBRARY_PATH: '/usr/lib64-nvidia' },
      {},
      { LD_LIBRARY_PATH: '/.singularity.d/libs' }
    ],
    [
      'LD_LIBRARY_PATH can be given',
      {},
      { environment: { LD_LIBRARY_PATH: '/mine' } },
      { LD_LIBRARY_PATH: '/mine:/.singularity.d/libs' }
    ],
    [
      'PREPEND_LD_LIBRARY_PATH',
      {},
      { environment: { PREPEND_LD_LIBRARY_PATH: '/first' } },
      { LD_LIBRARY_PATH: '/first:/.singularity.d/libs' }
    ],
    [
      'PREPEND_PATH',
      { APPTAINERENV_PREPEND_PATH: '/first' },
      {},
      { PATH: '/first:/opt/conda/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin' }
    ],
    [
      'APPEND_PATH',
      {},
      { environment: { APPEND_PATH: '/last' } },
      {
        PATH: '/opt/conda/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin:/last',
        SING_USER_DEFINED_APPEND_PATH: undefined
      }
    ],
    ['PATH replaces', {}, { environment: { PATH: '/only' } }, { PATH: '/only' }],
    [
      "PATH may refer to the image's",
      {},
      { environment: { PATH: '/x:$PATH' } },
      { PATH: '/x:/opt/conda/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin' }
    ],
    ['values refer to the image', {}, { environment: { A: '$FROM_IMAGE and ${NONE:-none}' } }, { A: 'yes and none' }],
    [
      '--no-eval takes them literally',
      {},
      { environment: { A: '$FROM_IMAGE' }, noEval: true },
      { A: '$FROM_IMAGE', APPTAINER_NO_EVAL: '1' }
    ],
    ['commands are never run', {}, { environment: { A: '$(reboot)' } }, { A: '$(reboot)' }],
    ['HOME cannot be overridden', { APPTAINERENV_HOME: '/x' }, {}, { HOME: '/home/ada' }],
    [
      'bind destinations, for nesting',
      {},
      {
        binds: [
          { source: '/a', target: '/b', readOnly: false },
          { source: '/c', target: '/c', readOnly: true }
        ]
      },
      { APPTAINER_BIND: '/b,/c', SINGULARITY_BIND: '/b,/c' }
    ],
    [
      'the prompt can be given',
      {},
      { environment: { PS1: 'me> ' } },
      { PS1: 'me> ', PROMPT_COMMAND: 'PS1="me> "; unset PROMPT_COMMAND' }
    ],
    [
      'a notebook leaves nothing',
      {
        LD_PRELOAD: '/usr/lib/libtcmalloc.so.4',
        MPLBACKEND: 'module://x',
        PYTHONPATH: '/env/python',
        PYTHONUSERBASE: '/root/.local',
        JPY_PARENT_PID: '1',
        JPY_API_TOKEN: 's',
        JUPYTER_TOKEN: 's',
        JUPYTERHUB_API_TOKEN: 's',
        COLAB_GPU: '1',
        TBE_RUNTIME_ADDR: 'x',
        KAGGLE_USER_SECRETS_TOKEN: 's'
      },
      {},
      {
        LD_PRELOAD: undefined,
        MPLBACKEND: undefined,
        PYTHONPATH: undefined,
        PYTHONUSERBASE: undefined,
        JPY_PARENT_PID: undefined,
        JPY_API_TOKEN: undefined,
        JUPYTER_TOKEN: undefined,
        JUPYTERHUB_API_TOKEN: undefined,
        COLAB_GPU: undefined,
        TBE_RUNTIME_ADDR: undefined,
        KAGGLE_USER_SECRETS_TOKEN: undefined
      }
    ],
    [
      'what is asked for passes all the same',
      {},
      { environment: { LD_PRELOAD: '/x.so', MPLBACKEND: 'Agg' } },
      { LD_PRELOAD: '/x.so', MPLBACKEND: 'Agg' }
    ]
  ])('%s', (_, host, spec, expected) => {
    const { variables } = environment({ host, spec: execSpec(spec) });
    const seen = Object.fromEntries(Object.keys(expected).map(name => [name, variables[name]]));
    expect(seen).toEqual(expected);
  });

  it.each([
    [{ APPTAINERENV_HOME: '/x' }, {}, 'Overriding HOME environment variable with APPTAINERENV_HOME is not permitted'],
    [{}, { 'a-b': '1' }, '--env a-b is passed over: "a-b" is no name that a shell could hold'],
    [{}, { A: '`x`' }, 'the value of A is taken literally: commands in the value of a variable are never run']
  ])('says so: %o %o', (host, given, text) => {
    expect(environment({ host, spec: execSpec({ environment: given }) }).notes).toEqual([{ level: 'warning', text }]);
  });

  it('reads an OCI configuration as if it had been converted', () => {
    const image = imageFacts(HELLO, { config: { Env: ['PATH=/app', 'A=5$ "x" `y` \\', 'odd-name=1', 'NOVALUE'] } });
    const { variables } = environment({ image, host: { A: 'host', LANG: 'de_DE' } });
    expect(variables['PATH']).toBe(`/app:${DEFAULT_PATH}`);
    expect(variables['A']).toBe('5$ "x" `y` \\');
    expect(variables['NOVALUE']).toBe('');
    expect(variables['LANG']).toBe('de_DE');
    expect(variables['LD_LIBRARY_PATH']).toBeUndefined();
  });

  it('shows the driver to an image without base scripts', () => {
    const { variables } = environment({ image: imageFacts(HELLO), driverLibraries: true });
    expect(variables['LD_LIBRARY_PATH']).toBe('/.singularity.d/libs');
    expect(variables['PATH']).toBe(DEFAULT_PATH);
  });

  it('reads the one script of an old image', () => {
    const old = { name: 'environment', text: 'PATH=/old\nexport PATH A=1\n' };
    const { variables } = environment({ image: imageFacts(DEBIAN, { environmentScripts: [old] }) });
    expect(variables['PATH']).toBe(`/old:${DEFAULT_PATH}`);
    expect(variables['A']).toBe('1');
    const odd = { name: 'environment', text: 'export A=$(date)\n' };
    expect(environment({ image: imageFacts(DEBIAN, { environmentScripts: [odd] }) }).prefix).toContain('/environment');
  });

  it('passes a script over that needs a shell which the image has not got', () => {
    const odd = { name: '90-environment.sh', text: 'export BEFORE=1\nexport A=$(date)\n' };
    const { variables, prefix, notes } = environment({
      image: imageFacts(HELLO, { environmentScripts: [DOCKER_SCRIPT, odd, BASE_SCRIPT] })
    });
    expect(prefix).toEqual([]);
    expect(variables['BEFORE']).toBeUndefined();
    expect(variables['LANG']).toBe('C.UTF-8');
    expect(notes).toEqual([
      {
        level: 'warning',
        text: "the image's 90-environment.sh is passed over: the image has no /bin/sh to run it (line 2: a command substitution)"
      }
    ]);
  });
});

describe('environmentProgram', () => {
  const SHELLS = ['/bin/dash', '/bin/bash', '/usr/bin/busybox'];

  it.each(SHELLS)('sources in order and execs under %s', shell => {
    const directory = mkdtempSync(join(tmpdir(), 'nbc env '));
    try {
      const scripts = [
        ['10-docker2singularity.sh', 'export PATH="/usr/bin"\nexport LANG="${LANG:-"C"}"\nexport EMPTY=\n'],
        ['90-environment.sh', 'set -- clobbered; export A=$(echo "com puted")\nexport B=image\nexport C=image\n']
      ].map(([name = '', text = '']) => {
        const path = join(directory, name);
        writeFileSync(path, text);
        chmodSync(path, 0o755);
        return path;
      });
      const [, ...rest] = environmentProgram({
        scripts: [...scripts, join(directory, 'missing.sh')],
        overriding: new Map([
          ['B', 'given\n$(touch pwned) "x" \'y\''],
          ['SING_USER_DEFINED_PREPEND_PATH', '/first']
        ]),
        restored: new Map([
          ['C', 'host'],
          ['D', 'host $(touch pwned)'],
          ['EMPTY', 'host'],
          // Some shells set it of themselves.
          ['HOSTNAME', 'host']
        ]),
        final: new Map([['SHELL', '/bin/sh']])
      });
      const words = shell.endsWith('busybox') ? ['sh', ...rest] : rest;
      const result = spawnSync(shell, [...words, '/usr/bin/env', '-0', 'X=a b'], {
        env: { HOME: '/h', PATH: DEFAULT_PATH },
        cwd: directory,
        encoding: 'utf8'
      });
      expect(result.stderr).toBe('');
      const seen = Object.fromEntries(
        result.stdout
          .split('\0')
          .filter(Boolean)
          .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
          .filter(([name]) => !['_', 'SHLVL', 'OLDPWD', 'PWD'].includes(name ?? ''))
      );
      expect(seen).toEqual({
        A: 'com puted',
        B: 'given\n$(touch pwned) "x" \'y\'',
        C: 'image',
        D: 'host $(touch pwned)',
        HOME: '/h',
        HOSTNAME: 'host',
        LANG: 'C',
        PATH: '/first:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin',
        PROMPT_COMMAND: 'PS1="Apptainer> "; unset PROMPT_COMMAND',
        PS1: 'Apptainer> ',
        SHELL: '/bin/sh',
        X: 'a b'
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it.each(SHELLS)('keeps a prompt command of the caller, as the evaluation does, under %s', shell => {
    const given = { PROMPT_COMMAND: 'history -a', PS1: '> ' };
    const spec = execSpec({ environment: given });
    const expected = environment({ spec }).variables['PROMPT_COMMAND'];
    expect(expected).toContain('history -a; ');
    const none = new Map<string, string>();
    const overriding = new Map(Object.entries(given));
    const [, ...rest] = environmentProgram({ scripts: [], overriding, restored: none, final: none });
    const words = shell.endsWith('busybox') ? ['sh', ...rest] : rest;
    const command = ['/bin/sh', '-c', 'printf %s "$PROMPT_COMMAND"'];
    expect(spawnSync(shell, [...words, ...command], { encoding: 'utf8' }).stdout).toBe(expected);
  });

  it('is taken when a script holds more than assignments and the image has a shell', () => {
    const odd = { name: '90-environment.sh', text: 'export A=$(date)\n' };
    const { variables, prefix, notes } = environment({
      host: { USER: 'ada', LANG: 'de_DE' },
      spec: execSpec({ environment: { GIVEN: 'x; reboot' } }),
      image: imageFacts(DEBIAN, { environmentScripts: [DOCKER_SCRIPT, odd, BASE_SCRIPT] })
    });
    expect(prefix.slice(0, 2)).toEqual(['/bin/sh', '-c']);
    expect(prefix[2]).not.toContain('reboot');
    expect(prefix.slice(3, 10)).toEqual([
      'nbcontainer',
      '3',
      '/.singularity.d/env/10-docker2singularity.sh',
      '/.singularity.d/env/90-environment.sh',
      '/.singularity.d/env/99-base.sh',
      '1',
      'GIVEN=x; reboot'
    ]);
    expect(prefix).toContain('USER=ada');
    expect(variables['USER']).toBeUndefined();
    expect(notes).toEqual([
      {
        level: 'info',
        text: "the image's 90-environment.sh is run by the image's own shell before the command: line 1: a command substitution"
      }
    ]);
  });
});

describe('readEnvFile', () => {
  it('evaluates assignments', () => {
    expect(readEnvFile('# c\nA=1\nexport B="$A $USER"\nUSER=me\n', 'f.env', { USER: 'ada' })).toEqual({
      A: '1',
      B: '1 ada',
      USER: 'me'
    });
  });
  it('refuses commands with the line', () => {
    expect(() => readEnvFile('A=1\nB=$(date)\n', 'f.env', {})).toThrow('the environment file f.env is not understood');
  });
});
