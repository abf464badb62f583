// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { layoutSifName, parseSource, splitArchive, splitLayout } from './source.ts';

describe('parseSource', () => {
  it.each([
    ['docker://alpine', { kind: 'registry', reference: { registry: 'docker.io', repository: 'library/alpine' } }],
    ['DOCKER://alpine:3', { kind: 'registry', text: 'docker://alpine:3', reference: { tag: '3' } }],
    ['docker://localhost:5000/a/b:c', { kind: 'registry', reference: { registry: 'localhost:5000', tag: 'c' } }],
    [
      'oras://ghcr.io/a/b:1',
      { kind: 'registry', scheme: 'oras', text: 'oras://ghcr.io/a/b:1', reference: { tag: '1' } }
    ],
    ['https://x.test/a.sif', { kind: 'web', text: 'https://x.test/a.sif' }],
    [
      'HTTP://me:word@X.test/a.sif#b',
      { kind: 'web', text: 'http://x.test/a.sif', address: expect.stringContaining('word') }
    ],
    ['oci:dir', { kind: 'oci', rest: 'dir' }],
    ['oci:/a b/ü"\n:tag', { kind: 'oci', rest: '/a b/ü"\n:tag' }],
    ['oci-archive:a.tar:t', { kind: 'oci-archive', rest: 'a.tar:t' }],
    ['docker-archive:a.tar:t', { kind: 'docker-archive', rest: 'a.tar:t' }],
    ['./a.sif', { kind: 'path', path: './a.sif' }],
    ['/srv/my images/日本\n\'".sif', { kind: 'path', path: '/srv/my images/日本\n\'".sif' }],
    ['dir/docker:x', { kind: 'path', path: 'dir/docker:x' }],
    ['file:///a.sif', { kind: 'path', path: '/a.sif' }],
    ['.', { kind: 'path', path: '.' }],
    ['alpine', { kind: 'name', text: 'alpine' }],
    ['alpine:3.20', { kind: 'name', text: 'alpine:3.20' }],
    ['two words.sif', { kind: 'name', text: 'two words.sif' }]
  ])('%j', (text, expected) => {
    expect(parseSource(text)).toMatchObject(expected);
  });

  it.each([
    ['', 'usage'],
    ['a\0b', 'usage'],
    ['docker:alpine', 'usage'],
    ['docker://', 'usage'],
    ['docker://UPPER', 'usage'],
    ['oci:', 'usage'],
    ['oras:a/b', 'usage'],
    ['https:x.test/a.sif', 'usage'],
    ['https://', 'usage'],
    ['http://x.test/a b', 'usage'],
    ['library://a/b', 'unsupported'],
    ['constructor://a', 'unsupported'],
    ['shub://a/b', 'unsupported'],
    ['docker-daemon:a:1', 'unsupported'],
    ['docker-archive:', 'usage'],
    ['what://x', 'unsupported']
  ])('refuses %j: %s', (text, code) => {
    expect(() => parseSource(text)).toThrow(expect.objectContaining({ code, fix: expect.stringMatching(/./) }));
  });
});

describe('layouts', () => {
  const exists = (path: string): boolean => path === '/with:colon' || path === '/plain';
  it.each([
    ['/plain', { path: '/plain' }],
    ['/plain:t', { path: '/plain', tag: 't' }],
    ['/with:colon', { path: '/with:colon' }],
    ['/with:colon:t', { path: '/with:colon', tag: 't' }],
    ['/plain:', { path: '/plain' }]
  ])('splits %s', (rest, expected) => {
    expect(splitLayout(rest, exists)).toEqual(expected);
  });

  it.each([
    ['/plain', { path: '/plain' }],
    ['/plain:name:tag', { path: '/plain', tag: 'name:tag' }],
    ['/with:colon:localhost:5000/name:tag', { path: '/with:colon', tag: 'localhost:5000/name:tag' }],
    ['/none:name:tag', { path: '/none', tag: 'name:tag' }],
    ['/plain:', { path: '/plain' }]
  ])('splits a saved image, %s', (rest, expected) => {
    expect(splitArchive(rest, exists)).toEqual(expected);
  });

  it('are named after directory and tag', () => {
    expect(layoutSifName('/a/b.tar', 't/u')).toBe('b_t_u.sif');
    expect(layoutSifName('/a/dir/', undefined)).toBe('dir_latest.sif');
  });
});
