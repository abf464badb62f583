// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  definitionText,
  imageLabels,
  inspectMetadataText,
  missingEntries,
  overlaidEntries,
  type IOrigin
} from './convention.ts';
import { dockerEnvironmentScript, dockerRunscript } from './convention-scripts.ts';
import type { IOciConfig } from './image.ts';

const SHELLS = [['dash'], ['bash', '--norc'], ['busybox', 'sh']];

function origin(config: IOciConfig = {}): IOrigin {
  return {
    config,
    architecture: 'amd64',
    bootstrap: 'docker',
    from: 'alpine:3.20',
    builtAt: new Date('2021-08-02T14:09:06Z')
  };
}

let work = '';
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'nbc-convention-'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

function shell(command: readonly string[], args: readonly string[], env: Record<string, string> = {}): string {
  const [program = '', ...options] = command;
  return execFileSync(program, [...options, ...args], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', ...env },
    stdio: 'pipe'
  });
}

describe.each(SHELLS)('under %s', (...command) => {
  const VALUES = [
    'plain',
    'two words',
    '',
    '$HOME `id` \\ " \' } ; & * ~ #',
    'line\nbreak',
    'ünïcode 日本',
    'a=b=c',
    '\\n'
  ];

  it.each(VALUES)('an image variable keeps its value: %j', value => {
    const script = join(work, 'env.sh');
    writeFileSync(script, dockerEnvironmentScript([`PATH=${value}`, `X=${value}`, 'BARE', 'bad-name=1', '=x', '1A=2']));
    const probe = `. ${script}; printf '%s|%s|%s|' "$PATH" "$X" "$BARE"`;
    expect(shell(command, ['-c', probe])).toBe(`${value}|${value}||`);
    // The host's or the user's value wins, but not for PATH.
    expect(shell(command, ['-c', probe], { X: 'own' })).toBe(`${value}|own||`);
  });

  const RUNS: [name: string, entrypoint: string[], cmd: string[], args: string[], expected: string[]][] = [
    ['CMD alone', [], ['echo', 'a b'], [], ['a b']],
    ['arguments replace CMD', [], ['echo', 'x'], ['echo', 'y', 'z z'], ['y z z']],
    ['ENTRYPOINT alone', ['echo', 'e'], [], [], ['e']],
    ['ENTRYPOINT and arguments', ['echo', 'e'], [], ['1', '2 3'], ['e 1 2 3']],
    ['ENTRYPOINT and CMD', ['echo', 'e'], ['c', "it's"], [], ["e c it's"]],
    ['arguments instead of CMD', ['echo', 'e'], ['c'], ['d'], ['e d']],
    [
      'nothing is expanded in the image words',
      ['printf', '%s,'],
      ['$HOME', '`id`', '"q"', '\\'],
      [],
      ['$HOME,`id`,"q",\\,']
    ]
  ];

  it.each(RUNS)('the runscript runs: %s', (_name, entrypoint, cmd, args, expected) => {
    const script = join(work, 'runscript');
    writeFileSync(script, dockerRunscript(entrypoint, cmd));
    expect(shell(command, [script, ...args]).trimEnd()).toBe(expected.join('\n'));
    expect(shell(command, [script, ...args], { SINGULARITY_NO_EVAL: '1' }).trimEnd()).toBe(expected.join('\n'));
  });

  it('evaluates arguments once more, unless told not to', () => {
    const script = join(work, 'runscript');
    writeFileSync(script, dockerRunscript(['echo'], []));
    expect(shell(command, [script, '$X'], { X: 'value' })).toBe('value\n');
    expect(shell(command, [script, '$X'], { X: 'value', SINGULARITY_NO_EVAL: '1' })).toBe('$X\n');
  });

  it('says so when an image names no command', () => {
    const script = join(work, 'runscript');
    writeFileSync(script, dockerRunscript([], []));
    expect(() => shell(command, [script])).toThrow(/names no command/);
    expect(shell(command, [script, 'echo', 'x'])).toBe('x\n');
  });

  it('the actions source the environment and run what they are given', () => {
    for (const { entry, bytes } of overlaidEntries(origin({ Env: ['GREETING=hello'], Entrypoint: ['echo', 'ran'] }))) {
      const path = join(work, entry.path);
      mkdirSync(dirname(path), { recursive: true });
      // The scripts name absolute paths of the container; here it lies below a directory of ours.
      writeFileSync(
        path,
        Buffer.from(bytes ?? [])
          .toString('utf8')
          .replaceAll('/.singularity.d', `${work}/.singularity.d`)
      );
      chmodSync(path, entry.mode);
    }
    const actions = join(work, '.singularity.d/actions');
    const env = { SING_USER_DEFINED_APPEND_PATH: '/appended' };
    const print = 'printf "%s|%s|%s" "$GREETING" "$PATH" "$LD_LIBRARY_PATH"';
    expect(shell(command, [join(actions, 'exec'), 'sh', '-c', print], env)).toBe(
      `hello|/usr/bin:/bin:/appended|${work}/.singularity.d/libs`
    );
    expect(shell(command, [join(actions, 'run'), 'x'])).toBe('ran x\n');
    expect(shell(command, [join(actions, 'test')])).toBe('');
    expect(() => shell(command, [join(actions, 'run')], { APPTAINER_APPNAME: 'none' })).toThrow();
  });
});

describe('the runscript', () => {
  it('has the line by which Apptainer knows it', () => {
    expect(dockerRunscript(['a'], []).split('\n')).toContain('eval "set ${SINGULARITY_OCI_RUN}"');
  });
});

describe('what describes the image', () => {
  it('labels, sorted, with those of the conversion', () => {
    const labels = imageLabels(origin({ Labels: { maintainer: 'me', 'org.label-schema.schema-version': '0.1' } }));
    expect(labels).toEqual({
      maintainer: 'me',
      'org.label-schema.build-arch': 'amd64',
      'org.label-schema.build-date': 'Monday_2_August_2021_14:9:6_UTC',
      'org.label-schema.schema-version': '1.0',
      'org.label-schema.usage.singularity.deffile.bootstrap': 'docker',
      'org.label-schema.usage.singularity.deffile.from': 'alpine:3.20'
    });
    expect(Object.keys(labels)).toEqual(Object.keys(labels).sort());
  });

  it('a definition that a hostile name cannot extend', () => {
    expect(definitionText(origin())).toBe('bootstrap: docker\nfrom: alpine:3.20\n\n');
    expect(definitionText({ ...origin(), from: 'a\n%post\nrm' })).toBe('bootstrap: docker\nfrom: a %post rm\n\n');
  });

  it('inspect data in the form of apptainer inspect --json', () => {
    const data = JSON.parse(inspectMetadataText(origin({ Env: ['A=1'], Cmd: ['sh'] })));
    expect(data).toMatchObject({
      type: 'container',
      data: {
        attributes: {
          deffile: 'bootstrap: docker\nfrom: alpine:3.20',
          startscript: '#!/bin/sh',
          runscript: dockerRunscript([], ['sh']).trimEnd(),
          environment: { '/.singularity.d/env/10-docker2singularity.sh': '#!/bin/sh\nexport A="${A:-"1"}"' }
        }
      }
    });
  });
});

describe('missingEntries', () => {
  const paths = (typeOf: Record<string, 'directory' | 'symlink' | 'file'>): string[] =>
    missingEntries(path => typeOf[path], 0).map(entry => entry.path);

  it('makes all of an empty image', () => {
    expect(paths({})).toEqual([
      ...['.singularity.d', '.singularity.d/libs', '.singularity.d/actions', '.singularity.d/env'],
      ...['dev', 'proc', 'root', 'var', 'var/tmp', 'tmp', 'etc', 'sys', 'home'],
      ...['singularity', '.run', '.exec', '.test', '.shell', 'environment']
    ]);
  });

  it('leaves alone what is there and makes nothing below a symlink', () => {
    const made = paths({
      var: 'symlink',
      tmp: 'symlink',
      environment: 'file',
      etc: 'directory',
      '.singularity.d': 'directory'
    });
    expect(made).not.toContain('var/tmp');
    expect(made).not.toContain('tmp');
    expect(made).not.toContain('environment');
    expect(made).toContain('.singularity.d/libs');
  });
});
