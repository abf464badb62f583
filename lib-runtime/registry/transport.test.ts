// SPDX-License-Identifier: BSD-3-Clause
/** What decides about tries and words, as tables; the requests themselves are in client.test.ts. */
import { describe, expect, it } from 'vitest';
import { errorCodes, networkFailure, retryAfter, statusFailure } from './network-errors.ts';
import { retryDelay, Transport } from './transport.ts';

const policy = { attempts: 4, baseDelay: 100, maxDelay: 1000 };
const purpose = { host: 'registry.test', image: 'registry.test/a/b:1', what: 'the manifest' };

describe('retryDelay', () => {
  it.each([
    [{ transient: true }, 1, 0.5, 100],
    [{ transient: true }, 2, 0.5, 200],
    [{ transient: true }, 3, 0, 300],
    [{ transient: true }, 3, 1, 500],
    [{ transient: true }, 4, 0.5, undefined],
    [{ transient: false }, 1, 0.5, undefined],
    [{ transient: true, wait: 0.7 }, 1, 0.5, 700],
    [{ transient: true, wait: 2 }, 1, 0.5, undefined]
  ])('%j, try %d', (failure, attempt, random, delay) => {
    expect(retryDelay(failure, attempt, policy, random)).toBe(delay);
  });
});

it.each([
  ['120', 120],
  ['0', 0],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 50],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['soon', undefined],
  ['', undefined]
])('reads Retry-After %j', (text, seconds) => {
  expect(retryAfter(new Headers({ 'retry-after': text }), 10_000)).toBe(seconds);
});

describe('networkFailure', () => {
  const error = (code: string) => new TypeError('fetch failed', { cause: Object.assign(new Error('inner'), { code }) });
  it.each([
    ['ENOTFOUND', false, 'cannot find the registry'],
    ['EAI_AGAIN', true, 'cannot find the registry'],
    ['ECONNREFUSED', false, 'nothing listens there'],
    ['ENETUNREACH', false, 'Kaggle'],
    ['UND_ERR_CONNECT_TIMEOUT', true, 'does not answer'],
    ['SELF_SIGNED_CERT_IN_CHAIN', false, 'SSL_CERT_FILE'],
    ['CERT_HAS_EXPIRED', false, 'cert has expired'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', false, '--no-https'],
    ['UND_ERR_SOCKET', true, 'broke (ECONNRESET)'],
    ['SOMETHING_NEW', true, 'broke']
  ])('%s', (code, transient, words) => {
    const failure = networkFailure(error(code), purpose);
    expect(failure.transient).toBe(transient);
    expect(failure.error.toSentence()).toContain(words);
    expect(failure.error.toSentence()).toContain('registry.test');
  });

  it('finds the codes of an attempt at several addresses', () => {
    const inner = [
      Object.assign(new Error('6'), { code: 'ENETUNREACH' }),
      Object.assign(new Error('4'), { code: 'X' })
    ];
    expect(errorCodes(new TypeError('fetch failed', { cause: new AggregateError(inner) }))).toEqual([
      'ENETUNREACH',
      'X'
    ]);
    expect(errorCodes('text')).toEqual([]);
  });
});

describe('statusFailure', () => {
  const said = (code: string, message = 'words') => JSON.stringify({ errors: [{ code, message }] });
  it.each([
    [401, said('UNAUTHORIZED'), 'unauthorized', false, 'does not let the public read'],
    [403, said('DENIED'), 'unauthorized', false, 'the registry says: words'],
    [404, said('MANIFEST_UNKNOWN'), 'not-found', false, 'there is no registry.test/a/b:1'],
    [404, said('NAME_UNKNOWN'), 'not-found', false, 'there is no image registry.test/a/b in'],
    [404, '<html>', 'not-found', false, 'it answered 404'],
    [429, said('TOOMANYREQUESTS'), 'refused', true, 'log in'],
    [500, '', 'network', true, 'it answered 500'],
    [418, '', 'network', false, 'it answered 418'],
    [404, said('X', '\u001b[31mred'), 'not-found', false, '\\u001b[31mred']
  ])('%d %s', (status, body, code, transient, words) => {
    const failure = statusFailure(status, body, purpose);
    expect(failure).toMatchObject({ transient, error: { code } });
    expect(failure.error.toSentence()).toContain(words);
  });

  it("speaks of Docker Hub's limit", () => {
    const failure = statusFailure(429, '', { ...purpose, host: 'registry-1.docker.io' });
    expect(failure.error.fix).toContain("Docker Hub's limit");
  });
});

describe('redirects', () => {
  const redirecting = (location: string, plainHttp = false) => {
    const seen: { url: string; authorization: string | null }[] = [];
    const transport = new Transport({
      plainHttp,
      fetch: (input, init) => {
        const url = String(input);
        seen.push({ url, authorization: new Headers(init?.headers).get('authorization') });
        const first = url === 'https://registry.test/v2/x';
        return Promise.resolve(
          first || location === '/v2/x'
            ? new Response(null, { status: 307, headers: { location } })
            : new Response('ok')
        );
      }
    });
    const init = { headers: { authorization: 'secret', range: 'bytes=0-1' } };
    return { seen, answer: transport.follow('https://registry.test/v2/x', init, purpose) };
  };

  it.each([
    ['/v2/y', 'https://registry.test/v2/y', 'secret'],
    ['https://cdn.test/y', 'https://cdn.test/y', null],
    ['https://registry.test:8443/y', 'https://registry.test:8443/y', null]
  ])('to %s', async (location, url, authorization) => {
    const { seen, answer } = redirecting(location);
    expect((await answer).url).toBe(url);
    expect(seen.at(-1)).toEqual({ url, authorization });
  });

  it.each([
    ['http://cdn.test/y?sig=secret', 'from HTTPS to plain HTTP'],
    ['file:///etc/passwd', 'no web address'],
    ['https://', 'no web address'],
    ['/v2/x', 'in circles']
  ])('refuses %s', async (location, words) => {
    const { answer } = redirecting(location);
    const error: unknown = await answer.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'network', reason: expect.stringContaining(words) as string });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  it('follows to plain HTTP when that was asked for', async () => {
    const { seen, answer } = redirecting('http://cdn.test/y', true);
    await answer;
    expect(seen.at(-1)).toEqual({ url: 'http://cdn.test/y', authorization: null });
  });
});
