// SPDX-License-Identifier: BSD-3-Clause
/** A real registry (Debian's docker-registry) on 127.0.0.1 with its storage in a temporary directory, for tests. */
import { execFile, spawn } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface ILogin {
  readonly username: string;
  readonly password: string;
}

export interface IRegistryOptions {
  /** Ask for HTTP Basic authentication with this one account. */
  readonly htpasswd?: ILogin;
  /** Ask for bearer tokens of this issuer (see token-server.ts). */
  readonly token?: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly rootcertbundle: string;
  };
  /** Serve HTTPS with this certificate and key (PEM files). */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export interface ITestRegistry {
  /** `127.0.0.1:PORT`, as it stands in a reference. */
  readonly host: string;
  readonly port: number;
  /** Folder of the storage; the blob of a digest lies at `docker/registry/v2/blobs/sha256/ab/abcd.../data`. */
  readonly storage: string;
  stop(): Promise<void>;
  /**
   * Copies `oci:DIR` to `host/name` with skopeo, all platforms, digests kept. `name` is `repository:tag`; the tag in
   * the layout is `options.tag`, default `latest`.
   * @returns `host/name`
   */
  push(layout: string, name: string, options?: { readonly tag?: string; readonly login?: ILogin }): Promise<string>;
}

/** One line of an htpasswd file with bcrypt, which docker-registry asks for; perl-base is essential in Debian. */
async function htpasswdLine(login: ILogin): Promise<string> {
  const program = 'print crypt($ARGV[0], q($2y$05$nbcontainertestsaltABu))';
  const { stdout } = await run('perl', ['-e', program, login.password]);
  return `${login.username}:${stdout}\n`;
}

interface IStoredDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * The layout as skopeo can read it. Its `oci:` transport knows OCI media types only, so an image with Docker's is laid
 * out as `dir:` (containers/image docs, containers-transports(5)) in `scratch`.
 */
async function skopeoSource(layout: string, tag: string, scratch: string): Promise<string> {
  const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));
  const blob = (digest: string) => join(layout, 'blobs', ...digest.split(':'));
  const { manifests } = (await readJson(join(layout, 'index.json'))) as { manifests: IStoredDescriptor[] };
  const top = manifests.find(other => other.annotations?.['org.opencontainers.image.ref.name'] === tag);
  if (!top?.mediaType.startsWith('application/vnd.docker.')) {
    return `oci:${layout}:${tag}`;
  }
  const addManifest = async (digest: string, name: string) => {
    await copyFile(blob(digest), join(scratch, name));
    const manifest = (await readJson(blob(digest))) as {
      manifests?: IStoredDescriptor[];
      config?: IStoredDescriptor;
      layers?: IStoredDescriptor[];
    };
    for (const child of manifest.manifests ?? []) {
      await addManifest(child.digest, `${child.digest.slice(7)}.manifest.json`);
    }
    for (const part of [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])]) {
      await copyFile(blob(part.digest), join(scratch, part.digest.slice(7)));
    }
  };
  await writeFile(join(scratch, 'version'), 'Directory Transport Version: 1.1\n');
  await addManifest(top.digest, 'manifest.json');
  return `dir:${scratch}`;
}

/** Starts a registry on a free port; rejects with its log when it does not come up within 20 s. */
export async function startRegistry(options: IRegistryOptions = {}): Promise<ITestRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'nbc-registry-'));
  const storage = join(directory, 'storage');
  const config: Record<string, unknown> = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: {
      addr: '127.0.0.1:0',
      ...(options.tls && { tls: { certificate: options.tls.certificate, key: options.tls.key } })
    }
  };
  if (options.htpasswd) {
    const path = join(directory, 'htpasswd');
    await writeFile(path, await htpasswdLine(options.htpasswd));
    config['auth'] = { htpasswd: { realm: 'nbcontainer tests', path } };
  }
  if (options.token) {
    config['auth'] = { token: options.token };
  }
  const configPath = join(directory, 'config.yml');
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify(config));

  const child = spawn('docker-registry', ['serve', configPath], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', OTEL_TRACES_EXPORTER: 'none' }
  });
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const log: string[] = [];
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(directory, { recursive: true, force: true });
  };
  let port: number;
  try {
    port = await new Promise<number>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`docker-registry is slow to start:\n${log.join('\n')}`)), 20_000);
      child.once('error', reject);
      void exited.then(() => reject(new Error(`docker-registry ended:\n${log.join('\n')}`)));
      createInterface({ input: child.stderr }).on('line', line => {
        if (log.length < 50) {
          log.push(line);
        }
        const match = /listening on 127\.0\.0\.1:(\d+)/.exec(line);
        if (match) {
          clearTimeout(timer);
          resolve(Number(match[1]));
        }
      });
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const host = `127.0.0.1:${port}`;

  return {
    host,
    port,
    storage,
    stop,
    async push(layout, name, { tag = 'latest', login = options.htpasswd } = {}) {
      const source = await skopeoSource(layout, tag, await mkdtemp(join(directory, 'push-')));
      await run('skopeo', [
        '--insecure-policy',
        'copy',
        '--quiet',
        '--all',
        '--preserve-digests',
        '--dest-tls-verify=false',
        ...(login ? [`--dest-creds=${login.username}:${login.password}`] : []),
        source,
        `docker://${host}/${name}`
      ]);
      return `${host}/${name}`;
    }
  };
}
