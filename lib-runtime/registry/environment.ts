// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a machine asks of its network clients: proxies from the environment and certificates of private authorities.
 * Both are settings of the whole process in Node; Node versions without them go on without.
 */
import { readdir, readFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import tls from 'node:tls';
import type { Environment } from './credentials.ts';

const PROXY_VARIABLES = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'];
let proxiesInUse: string | undefined;

/** Sends requests through HTTP(S)_PROXY, NO_PROXY excepted, as curl and apptainer do; Node itself does not. */
export function useProxies(env: Environment): void {
  const names = [...PROXY_VARIABLES, 'no_proxy', 'NO_PROXY'];
  const given = Object.fromEntries(names.flatMap(name => (env[name] ? [[name, env[name]]] : [])));
  const text = JSON.stringify(given);
  const wanted = PROXY_VARIABLES.some(name => env[name]);
  if (wanted && proxiesInUse !== text && 'setGlobalProxyFromEnv' in http) {
    proxiesInUse = text;
    http.setGlobalProxyFromEnv(given);
  }
}

/** Directories of certificates by registry, as docker(1) and containers-certs.d(5) read them. */
const CERTIFICATE_DIRECTORIES = ['/etc/docker/certs.d', '/etc/containers/certs.d'];
const asked = new Set<string>();

/**
 * Trusts the authorities of the system's store, of SSL_CERT_FILE and of the registry's directory under certs.d. Called
 * when a certificate was not trusted, for it takes some 70 ms.
 * @returns whether there was anything new to trust for this host, so that another try makes sense
 */
export async function trustMore(host: string, env: Environment): Promise<boolean> {
  if (asked.has(host) || !('setDefaultCACertificates' in tls)) {
    return false;
  }
  asked.add(host);
  const files = [env['SSL_CERT_FILE'], env['CURL_CA_BUNDLE'], ...(await registryCertificates(host))];
  const given = await Promise.all(files.map(file => (file ? readFile(file, 'utf8').catch(() => '') : '')));
  const known = new Set(tls.getCACertificates('default'));
  const more = [...tls.getCACertificates('system'), ...given.flatMap(splitCertificates)].filter(
    text => !known.has(text)
  );
  if (more.length === 0) {
    return false;
  }
  tls.setDefaultCACertificates([...known, ...more]);
  return true;
}

async function registryCertificates(host: string): Promise<string[]> {
  const lists = CERTIFICATE_DIRECTORIES.map(async parent => {
    const directory = join(parent, host.replaceAll('/', ''));
    const names = await readdir(directory).catch((): string[] => []);
    return names.filter(name => name.endsWith('.crt')).map(name => join(directory, name));
  });
  return (await Promise.all(lists)).flat();
}

/** The certificates in a PEM bundle. */
export function splitCertificates(bundle: string): string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}
