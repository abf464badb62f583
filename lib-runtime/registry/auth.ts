// SPDX-License-Identifier: BSD-3-Clause
/**
 * Authorization at one registry: Basic (RFC 7617) and bearer tokens (distribution "Token Authentication
 * Specification"; OAuth2 for refresh tokens). Tokens are cached by scope until shortly before they expire.
 */
import { ContainerError, printable } from '../support/errors.ts';
import type { ICredentials, IFoundCredentials } from './credentials.ts';

export interface IChallenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Parses WWW-Authenticate (RFC 9110 11.6.1); what cannot be parsed is passed over. */
export function parseChallenges(header: string): IChallenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
  const pattern = new RegExp(`\\s*,?\\s*(?:(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))|(${token}))`, 'y');
  for (;;) {
    const match = pattern.exec(header);
    if (match === null) {
      return challenges;
    }
    const [, name, quoted, plain, scheme] = match;
    if (scheme !== undefined) {
      challenges.push({ scheme: scheme.toLowerCase(), parameters: {} });
    } else if (name !== undefined) {
      const last = challenges.at(-1);
      if (last !== undefined) {
        last.parameters[name.toLowerCase()] = quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1');
      }
    }
  }
}

/** One HTTP request without redirects or authorization of its own. */
export type Send = (
  url: string,
  init: { readonly method?: string; readonly headers: Record<string, string>; readonly body?: string }
) => Promise<Response>;

interface IToken {
  readonly header: string;
  /** `performance.now()` after which it is not used any more. */
  readonly until: number;
}

/** A token lives 60 s when its server does not say (token specification, `expires_in`). */
const DEFAULT_LIFE = 60;
/** No token is used in the last tenth of its life, at most this many seconds. */
const MARGIN = 30;
const CLIENT_ID = 'nbcontainer';

export class Authorizer {
  /** Name for messages. */
  private readonly host: string;
  private readonly plainHttp: boolean;
  private readonly find: () => Promise<IFoundCredentials>;
  private readonly send: Send;
  private found: Promise<IFoundCredentials> | undefined;
  private basic: string | undefined;
  private challenge: IChallenge | undefined;
  private readonly tokens = new Map<string, Promise<IToken>>();

  constructor(host: string, plainHttp: boolean, find: () => Promise<IFoundCredentials>, send: Send) {
    this.host = host;
    this.plainHttp = plainHttp;
    this.find = find;
    this.send = send;
  }

  /** The credentials of this registry, looked for once. */
  credentials(): Promise<IFoundCredentials> {
    this.found ??= this.find();
    return this.found;
  }

  /** The Authorization header for a scope (`repository:NAME:pull`), undefined before the registry has asked for one. */
  async header(scope: string): Promise<string | undefined> {
    if (this.basic !== undefined) {
      return this.basic;
    }
    return this.challenge === undefined ? undefined : (await this.token(this.challenge, scope)).header;
  }

  /**
   * Takes note of a 401. `used` is the header that was refused.
   * @returns whether another try with a new header makes sense
   * @throws ContainerError 'unauthorized' when the token server refuses the credentials
   */
  async answer(response: Response, scope: string, used: string | undefined): Promise<boolean> {
    const challenges = parseChallenges(response.headers.get('www-authenticate') ?? '');
    const bearer = challenges.find(challenge => challenge.scheme === 'bearer' && challenge.parameters['realm']);
    if (bearer !== undefined) {
      const known = this.tokens.get(scope);
      if (used !== undefined && known !== undefined && (await known.catch(() => undefined))?.header === used) {
        // The token was taken back or has expired by the registry's clock.
        this.tokens.delete(scope);
      }
      this.challenge = bearer;
      return (await this.header(scope)) !== used;
    }
    const { credentials } = await this.credentials();
    if (challenges.some(challenge => challenge.scheme === 'basic') && credentials && 'username' in credentials) {
      this.basic = basicHeader(credentials);
      return this.basic !== used;
    }
    return false;
  }

  private token(challenge: IChallenge, scope: string): Promise<IToken> {
    const known = this.tokens.get(scope);
    const fresh = (known ?? this.fetchToken(challenge, scope)).then(token =>
      token.until > performance.now() ? token : this.fetchToken(challenge, scope)
    );
    this.tokens.set(scope, fresh);
    // A failure must not stick.
    fresh.catch(() => this.tokens.get(scope) === fresh && this.tokens.delete(scope));
    return fresh;
  }

  private async fetchToken(challenge: IChallenge, scope: string): Promise<IToken> {
    const realm = this.checkRealm(challenge.parameters['realm'] ?? '');
    const { credentials, source, note } = await this.credentials();
    const service = challenge.parameters['service'];
    const query = new URLSearchParams({ ...(service !== undefined && { service }), scope });
    let response: Response;
    if (credentials && 'identityToken' in credentials) {
      query.set('grant_type', 'refresh_token');
      query.set('client_id', CLIENT_ID);
      query.set('refresh_token', credentials.identityToken);
      response = await this.send(realm.href, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: query.toString()
      });
    } else {
      for (const [name, value] of query) {
        realm.searchParams.set(name, value);
      }
      response = await this.send(realm.href, {
        headers: credentials === undefined ? {} : { authorization: basicHeader(credentials) }
      });
    }
    if (!response.ok) {
      await response.body?.cancel();
      const refused = response.status >= 400 && response.status < 500;
      throw new ContainerError({
        code: response.status === 429 ? 'refused' : refused ? 'unauthorized' : 'network',
        step: 'login',
        message:
          credentials === undefined
            ? `${this.host} gives no access without a login`
            : `${this.host} refuses the credentials from ${source ?? 'the options'}`,
        reason: note ?? `the token server ${realm.host} answered ${response.status}`,
        fix: 'Check user name and password (APPTAINER_DOCKER_USERNAME, APPTAINER_DOCKER_PASSWORD), or log in again'
      });
    }
    return parseToken(await response.text(), this.host);
  }

  /** Credentials go to the realm, so it must be as safe as the registry itself. */
  private checkRealm(text: string): URL {
    const bad = (reason: string) =>
      new ContainerError({
        code: 'unauthorized',
        step: 'login',
        message: `${this.host} names no usable token server`,
        reason
      });
    let realm: URL;
    try {
      realm = new URL(text);
    } catch {
      throw bad(`'${printable(text.slice(0, 200))}' is not an address`);
    }
    if (realm.protocol !== 'https:' && !(realm.protocol === 'http:' && this.plainHttp)) {
      throw bad(`it would send the password to ${realm.host} without encryption`);
    }
    return realm;
  }
}

function basicHeader(credentials: ICredentials): string {
  const { username, password } = credentials as { username: string; password: string };
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

function parseToken(body: string, host: string): IToken {
  let value: { token?: unknown; access_token?: unknown; expires_in?: unknown } = {};
  try {
    value = (JSON.parse(body) ?? {}) as typeof value;
  } catch {
    // Said below; the text may hold a token.
  }
  const token = value.token || value.access_token;
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new ContainerError({
      code: 'unauthorized',
      step: 'login',
      message: `the token server of ${host} gave no token`
    });
  }
  const life = typeof value.expires_in === 'number' && value.expires_in > 0 ? value.expires_in : DEFAULT_LIFE;
  return {
    header: `Bearer ${token}`,
    until: performance.now() + (life - Math.min(life / 10, MARGIN)) * 1000
  };
}
