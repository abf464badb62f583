// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { parseWebAddress, shownAddress, webFileName } from './web-address.ts';

describe('parseWebAddress', () => {
  it.each([
    [
      'https://depot.test/singularity/bwa:0.7.17--h5',
      'https://depot.test/singularity/bwa:0.7.17--h5',
      'bwa:0.7.17--h5'
    ],
    ['HTTPS://Depot.Test:443/a.sif', 'https://depot.test/a.sif', 'a.sif'],
    ['http://[::1]:8080/a/b.sif?x=1#part', 'http://[::1]:8080/a/b.sif?x=1', 'b.sif'],
    ['https://x.test/a%20b.sif', 'https://x.test/a%20b.sif', 'a%20b.sif'],
    ['https://x.test/../..', 'https://x.test/', ''],
    ['https://x.test', 'https://x.test/', '']
  ])('%s', (text, url, name) => {
    expect(parseWebAddress(text)).toEqual({ url });
    expect(webFileName(url)).toBe(name);
  });

  it('keeps user and password apart', () => {
    const parsed = parseWebAddress('https://a%40b:p%3Aw@x.test/a.sif');
    expect(parsed?.url).toBe('https://x.test/a.sif');
    expect(Buffer.from(parsed?.authorization?.slice('Basic '.length) ?? '', 'base64').toString()).toBe('a@b:p:w');
  });

  it.each(['https://', 'https:///', 'http://a b/c', 'https://x.test/a\nb', 'ftp://x.test/a', 'https:x.test/a', 'x'])(
    'takes no %j',
    text => {
      expect(parseWebAddress(text)).toBeUndefined();
    }
  );

  it('shows no query', () => {
    expect(shownAddress('https://x.test:8443/a.sif?signature=secret')).toBe('https://x.test:8443/a.sif');
  });
});
