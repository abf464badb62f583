// SPDX-License-Identifier: BSD-3-Clause
/** --authfile, --docker-login, --docker-username and --docker-password. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { IFetchRequest } from '../images/pull.ts';
import { warn } from './output.ts';

export interface ICredentialValues {
  readonly dockerUsername?: string;
  readonly dockerPassword?: string;
  readonly dockerLogin?: boolean;
  readonly authfile?: string;
}

type ICredentials = Pick<IFetchRequest, 'authfile' | 'credentials'>;

/** What a registry is asked with; the terminal is asked where --docker-login says so. */
export async function askCredentials(values: ICredentialValues): Promise<ICredentials> {
  const credentials = await nameAndPassword(values);
  return {
    ...(values.authfile !== undefined && { authfile: values.authfile }),
    ...(credentials !== undefined && { credentials })
  };
}

async function nameAndPassword(values: ICredentialValues): Promise<ICredentials['credentials']> {
  if (values.dockerPassword !== undefined) {
    warn('--docker-password can be read by everyone on this machine while the command runs: prefer DOCKER_PASSWORD');
  }
  if (values.dockerLogin) {
    const username = values.dockerUsername ?? (await ask('User name: ', true));
    return { username, password: await ask('Password: ', false) };
  }
  if (values.dockerUsername !== undefined && values.dockerPassword !== undefined) {
    return { username: values.dockerUsername, password: values.dockerPassword };
  }
  return undefined;
}

/** Asks on the terminal; `echo` false keeps what is typed off the screen. */
async function ask(question: string, echo: boolean): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: echo ? process.stderr : silent, terminal: !echo });
  try {
    if (!echo) {
      process.stderr.write(question);
    }
    return await lines.question(echo ? question : '');
  } finally {
    lines.close();
    if (!echo) {
      process.stderr.write('\n');
    }
  }
}
