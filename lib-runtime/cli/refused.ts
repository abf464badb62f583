// SPDX-License-Identifier: BSD-3-Clause
/**
 * Words of Apptainer 1.4.5 that nbcontainer knows and does not honour: one sentence instead of "unknown option". Loaded
 * only when a command line was not understood. Pure.
 */
import { ContainerError } from '../support/errors.ts';

type Sentences = Readonly<Record<string, string>>;

const DAEMON = 'leave it out: no Docker daemon is asked; docker save NAME writes a file for docker-archive:FILE';
const LIMITS = 'leave it out: --memory, --cpus and --pids-limit are the limits that are known';
const NETWORK = 'leave it out: the network of the host is always shared';
const KEY = 'build the image without --encrypt: encrypted images cannot be opened';
const OWN = 'leave it out: only your own instances can be seen';
const CHECKPOINT =
  'leave it out: an instance ends with its machine; programs that can checkpoint themselves do it inside';
const DEFINITION = 'leave it out: it is about definition files, which cannot be built yet';

/** Flags of everything that starts a container. */
const ACTION: Sentences = {
  '--nvccli': 'use --nv',
  '--fusemount': 'mount it on the host and bring it along with --bind',
  '--network': NETWORK,
  '--network-args': NETWORK,
  '--netns-path': NETWORK,
  '--allow-setuid':
    'leave it out: setuid programs of an image give no rights here; for root --keep-privs lets them work',
  '--blkio-weight': LIMITS,
  '--blkio-weight-device': LIMITS,
  '--oom-kill-disable': LIMITS,
  '--docker-host': DAEMON,
  '--passphrase': KEY,
  '--pem-path': KEY,
  '--sharens': 'start an instance, and use instance://NAME for the others',
  '--boot': "leave it out: start the service itself as the instance's program",
  '--dmtcp-launch': CHECKPOINT,
  '--dmtcp-restart': CHECKPOINT
};

const BUILD: Sentences = {
  '--bind': DEFINITION,
  '--build-arg': DEFINITION,
  '--build-arg-file': DEFINITION,
  '--docker-host': DAEMON,
  '--encrypt': 'leave it out, and keep the file where only you can read it',
  '--fix-perms': 'leave it out: owners and modes are kept as the image records them',
  '--json': DEFINITION,
  '--library': 'leave it out: images of library:// cannot be fetched yet',
  '--mksquashfs-args': 'use --compression gzip or zstd: no mksquashfs is involved',
  '--mount': DEFINITION,
  '--no-cleanup': 'leave it out: nothing is left behind that could be looked at',
  '--nv': DEFINITION,
  '--nvccli': DEFINITION,
  '--passphrase': KEY,
  '--pem-path': KEY,
  '--rocm': DEFINITION,
  '--section': DEFINITION,
  '--update': DEFINITION,
  '--warn-unused-build-args': DEFINITION,
  '--writable-tmpfs': DEFINITION
};

const PULL: Sentences = {
  '--arch-variant': 'write --arch arm64, or the digest of the variant as docker://NAME@sha256:...',
  '--docker-host': DAEMON,
  '--library': 'leave it out: images of library:// cannot be fetched yet',
  '--no-cleanup': 'leave it out: an interrupted pull keeps what it has and goes on there',
  '--sandbox': 'use nbcontainer build --sandbox DIRECTORY docker://NAME'
};

/** By command, in Apptainer's words. */
export const REFUSED_FLAGS: Readonly<Record<string, Sentences>> = {
  '': { '--build-config': 'leave it out', '--config': 'leave it out: nbcontainer has no configuration file' },
  exec: ACTION,
  run: ACTION,
  shell: ACTION,
  test: ACTION,
  'instance start': ACTION,
  'instance run': ACTION,
  'instance list': { '--user': OWN },
  'instance stats': { '--user': OWN },
  'instance stop': { '--user': OWN },
  build: { ...BUILD, '--arch-variant': PULL['--arch-variant'] ?? '' },
  pull: PULL
};

/** Short forms of the flags above; `-u` of build is another one than that of instances. */
const SHORT: Sentences = {
  '-c': '--config',
  '-u': '--user',
  '-e': '--encrypt',
  '-B': '--bind',
  'build -u': '--update'
};

/** Commands. */
export const REFUSED_COMMANDS: Sentences = {
  capability: 'as root, give --add-caps and --drop-caps with each command',
  checkpoint: CHECKPOINT,
  config: 'leave it out: nbcontainer has no configuration file',
  delete: 'nbcontainer rm removes an image of this machine',
  key: 'signatures are neither made nor checked yet; a digest pins an image: docker://NAME@sha256:...',
  keyserver: 'signatures are neither made nor checked yet',
  oci: 'nbcontainer exec and nbcontainer instance start containers',
  plugin: 'leave it out: there are no plugins',
  push: 'images cannot be uploaded yet: skopeo copy takes an OCI layout to a registry',
  registry: 'give --docker-login, --authfile or DOCKER_USERNAME and DOCKER_PASSWORD to nbcontainer pull',
  remote: 'leave it out: images of library:// cannot be fetched yet, docker:// names its registry itself',
  search: "search in the registry's own pages",
  sif: 'nbcontainer inspect shows what a file says of itself; siftool shows and changes its parts',
  sign: 'signatures are neither made nor checked yet; a digest pins an image: docker://NAME@sha256:...',
  verify: 'signatures are neither made nor checked yet; a digest pins an image: docker://NAME@sha256:...'
};

/** The command of a line, as REFUSED_FLAGS names it: its first word, or two for those that have words below. */
export function commandOf(words: readonly string[]): string {
  const [first = '', second = ''] = words.filter(word => !word.startsWith('-'));
  return ['instance', 'overlay', 'cache'].includes(first) ? `${first} ${second}` : first;
}

/**
 * What is to be said instead of commander's message; undefined when the word is unknown to Apptainer as well.
 *
 * @param words the command line.
 * @param said commander's message.
 */
export function refusalOf(words: readonly string[], said: string): ContainerError | undefined {
  const [, unknown = ''] = /unknown option '([^'=]+)/.exec(said) ?? [];
  const command = commandOf(words);
  const flag = SHORT[`${command} ${unknown}`] ?? SHORT[unknown] ?? unknown;
  const sentence = unknown === '' ? undefined : (REFUSED_FLAGS[command]?.[flag] ?? REFUSED_FLAGS['']?.[flag]);
  if (sentence !== undefined) {
    return refusal(flag, sentence);
  }
  const [, word = ''] = /unknown command '([^']+)'/.exec(said) ?? [];
  const instead = command.startsWith(word) ? REFUSED_COMMANDS[word] : undefined;
  return instead === undefined ? undefined : refusal(word, instead);
}

function refusal(what: string, fix: string): ContainerError {
  const sentence = fix[0]?.toUpperCase() + fix.slice(1);
  return new ContainerError({
    code: 'unsupported',
    step: 'command line',
    message: `${what} is not supported`,
    fix: sentence
  });
}
