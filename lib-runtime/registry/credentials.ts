// SPDX-License-Identifier: BSD-3-Clause
/**
 * Credentials for a registry, looked for where Apptainer and Docker keep them, in Apptainer's order: options, then
 * APPTAINER_DOCKER_* (SINGULARITY_DOCKER_*), then DOCKER_*, then Apptainer's and Docker's configuration files. Secrets
 * stay in memory: they are in no argument list, message or log.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asContainerError, ContainerError, errnoOf } from '../support/errors.ts';
import { findHome } from '../support/home.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type ICredentials =
  | { readonly username: string; readonly password: string }
  /** A refresh token (Docker's `identitytoken`), exchanged for bearer tokens. */
  | { readonly identityToken: string };

export interface IFoundCredentials {
  readonly credentials?: ICredentials;
  /** Where they came from, for messages: `DOCKER_USERNAME`, a path. */
  readonly source?: string;
  /** What went wrong on the way, for the message of a refusal. */
  readonly note?: string;
}

export interface ICredentialOptions {
  /** Given on the command line; wins over everything. */
  readonly explicit?: ICredentials;
  /** `--authfile`: read in place of Apptainer's and Docker's own files. */
  readonly authFile?: string;
  readonly env?: Environment;
}

/** Docker Hub's name in configuration files. */
const HUB_KEY = 'index.docker.io';
const HELPER_TIMEOUT = 30_000;

/**
 * @param registry as in a reference: `docker.io`, `localhost:5000`
 * @param repository for entries of one organisation (`quay.io/org`, containers-auth.json(5))
 * @throws ContainerError when the file named by the user cannot be read
 */
export async function findCredentials(
  registry: string,
  repository: string,
  options: ICredentialOptions = {}
): Promise<IFoundCredentials> {
  if (options.explicit !== undefined) {
    return { credentials: options.explicit, source: 'the options' };
  }
  const env = options.env ?? process.env;
  for (const prefix of ['APPTAINER_DOCKER', 'SINGULARITY_DOCKER', 'DOCKER']) {
    const [username, password] = [env[`${prefix}_USERNAME`], env[`${prefix}_PASSWORD`]];
    if (username && password !== undefined) {
      return { credentials: { username, password }, source: `${prefix}_USERNAME` };
    }
  }
  const home = findHome(env);
  const dockerConfig = env['DOCKER_CONFIG'] || (home && join(home, '.docker'));
  const files =
    options.authFile === undefined
      ? [
          ...(home
            ? [join(home, '.apptainer', 'docker-config.json'), join(home, '.singularity', 'docker-config.json')]
            : []),
          ...(dockerConfig ? [join(dockerConfig, 'config.json')] : []),
          ...(env['XDG_RUNTIME_DIR'] ? [join(env['XDG_RUNTIME_DIR'], 'containers', 'auth.json')] : [])
        ]
      : [options.authFile];
  let note: string | undefined;
  for (const path of files) {
    let config: IConfigFile | undefined;
    try {
      config = await readConfig(path, options.authFile !== undefined);
    } catch (error) {
      if (options.authFile !== undefined) {
        throw asContainerError(error, 'login', `cannot read the credentials in ${path}`);
      }
      note = `${path} cannot be read`;
    }
    const found: IFoundCredentials = config === undefined ? {} : await lookUp(config, path, registry, repository, env);
    if (found.credentials !== undefined) {
      return found;
    }
    note ??= found.note;
  }
  return note === undefined ? {} : { note };
}

interface IConfigFile {
  readonly auths: Readonly<Record<string, IAuthEntry>>;
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

interface IAuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

async function readConfig(path: string, required: boolean): Promise<IConfigFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && !required) {
      return undefined;
    }
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message would quote the file.
    throw new ContainerError({ code: 'corrupt', step: 'login', message: `${path} is not JSON` });
  }
  const record = asRecord(value);
  const store = record['credsStore'];
  return {
    auths: Object.fromEntries(Object.entries(asRecord(record['auths'])).map(([key, entry]) => [key, asEntry(entry)])),
    credHelpers: Object.fromEntries(
      Object.entries(asRecord(record['credHelpers'])).filter(
        (pair): pair is [string, string] => typeof pair[1] === 'string'
      )
    ),
    ...(typeof store === 'string' && store !== '' && { credsStore: store })
  };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function asEntry(value: unknown): IAuthEntry {
  const strings = Object.entries(asRecord(value)).filter(([, text]) => typeof text === 'string');
  return Object.fromEntries(strings) as IAuthEntry;
}

/** The names under which a registry may stand in a file, the most particular first. */
export function configKeys(registry: string, repository: string): string[] {
  const hosts = registry === 'docker.io' ? [HUB_KEY, 'docker.io', 'registry-1.docker.io'] : [registry];
  const parts = repository.split('/');
  return hosts.flatMap(host => [
    ...parts.map((_part, index) => [host, ...parts.slice(0, parts.length - index)].join('/')),
    host
  ]);
}

/** `https://index.docker.io/v1/` and `index.docker.io` are the same registry; `quay.io/org` is a part of one. */
function normalizeKey(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/\/(v[12]\/?)?$/, '')
    .replace(/\/$/, '');
}

async function lookUp(
  config: IConfigFile,
  path: string,
  registry: string,
  repository: string,
  env: Environment
): Promise<IFoundCredentials> {
  const keys = configKeys(registry, repository);
  const server = registry === 'docker.io' ? `https://${HUB_KEY}/v1/` : registry;
  const helper = pick(config.credHelpers, keys) ?? config.credsStore;
  let note: string | undefined;
  if (helper !== undefined) {
    const found = await askHelper(helper, server, path, env);
    if (found.credentials !== undefined) {
      return found;
    }
    note = found.note;
  }
  const entry = pick(config.auths, keys);
  const credentials = entry && credentialsOf(entry);
  if (credentials !== undefined) {
    return { credentials, source: path };
  }
  return note === undefined ? {} : { note };
}

function pick<T>(map: Readonly<Record<string, T>>, keys: readonly string[]): T | undefined {
  const normalized = new Map(Object.entries(map).map(([key, value]) => [normalizeKey(key), value]));
  return keys.map(key => normalized.get(key)).find(value => value !== undefined);
}

function credentialsOf(entry: IAuthEntry): ICredentials | undefined {
  if (entry.identitytoken) {
    return { identityToken: entry.identitytoken };
  }
  if (entry.auth) {
    const text = Buffer.from(entry.auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = text.indexOf(':');
    return colon > 0 ? { username: text.slice(0, colon), password: text.slice(colon + 1) } : undefined;
  }
  return entry.username && entry.password !== undefined
    ? { username: entry.username, password: entry.password }
    : undefined;
}

/** `docker-credential-NAME get` with the server's name on standard input (docker-credential-helpers' protocol). */
async function askHelper(name: string, server: string, path: string, env: Environment): Promise<IFoundCredentials> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    return { note: `${path} names a credential helper that cannot be a program` };
  }
  const program = `docker-credential-${name}`;
  const { code, stdout } = await runHelper(program, server, env).catch((error: unknown) => ({
    code: errnoOf(error) === 'ENOENT' ? ('absent' as const) : ('failed' as const),
    stdout: ''
  }));
  if (code === 'absent') {
    return { note: `the credential helper ${program}, named in ${path}, is not installed` };
  }
  if (code !== 0) {
    // Its exit status is 1 both for "no credentials" and for a failure; its text goes to standard output.
    return /credentials not found/i.test(stdout) ? {} : { note: `the credential helper ${program} failed` };
  }
  try {
    const { Username, Secret } = JSON.parse(stdout) as { Username?: unknown; Secret?: unknown };
    if (typeof Username === 'string' && typeof Secret === 'string' && Secret !== '') {
      const credentials = Username === '<token>' ? { identityToken: Secret } : { username: Username, password: Secret };
      return { credentials, source: program };
    }
  } catch {
    // Not JSON: said below, without the text.
  }
  return { note: `the credential helper ${program} gave no answer that can be read` };
}

function runHelper(program: string, input: string, env: Environment): Promise<{ code: number | null; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...env },
      timeout: HELPER_TIMEOUT,
      killSignal: 'SIGKILL'
    });
    let stdout = '';
    child.once('error', reject);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(0, 1 << 20);
    });
    child.once('close', code => resolve({ code, stdout }));
    // A helper may end without reading.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
