// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ContainerError } from '../support/errors.ts';
import { defaultSifName, formatReference, parseReference, registryHost, shortReference } from './reference.ts';

const HEX = 'a'.repeat(64);

describe('parseReference', () => {
  it.each([
    ['alpine', 'docker.io/library/alpine:latest', 'alpine_latest.sif'],
    ['alpine:3.19', 'docker.io/library/alpine:3.19', 'alpine_3.19.sif'],
    ['docker://alpine', 'docker.io/library/alpine:latest', 'alpine_latest.sif'],
    ['oras://ghcr.io/a/b:1', 'ghcr.io/a/b:1', 'b_1.sif'],
    ['user/name', 'docker.io/user/name:latest', 'name_latest.sif'],
    ['index.docker.io/alpine', 'docker.io/library/alpine:latest', 'alpine_latest.sif'],
    ['docker.io/user/name:v1', 'docker.io/user/name:v1', 'name_v1.sif'],
    ['ghcr.io/owner/group/name:V1_2', 'ghcr.io/owner/group/name:V1_2', 'name_V1_2.sif'],
    ['localhost/name', 'localhost/name:latest', 'name_latest.sif'],
    ['localhost:5000/a__b/c--d.e', 'localhost:5000/a__b/c--d.e:latest', 'c--d.e_latest.sif'],
    ['127.0.0.1:5000/x:y', '127.0.0.1:5000/x:y', 'x_y.sif'],
    ['[::1]:5000/x', '[::1]:5000/x:latest', 'x_latest.sif'],
    ['Server/x', 'Server/x:latest', 'x_latest.sif'],
    [`alpine@sha256:${HEX}`, `docker.io/library/alpine@sha256:${HEX}`, `alpine@sha256_${HEX}.sif`],
    [`alpine:3@sha256:${HEX}`, `docker.io/library/alpine:3@sha256:${HEX}`, 'alpine_3.sif']
  ])('reads %s', (text, full, file) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(full);
    expect(defaultSifName(reference)).toBe(file);
  });

  it.each([
    ['', 'empty'],
    ['docker://', 'empty'],
    ['al pine', 'white space'],
    ['alpine\n', 'white space'],
    ['https://ghcr.io/a', "begins with 'https://'"],
    ['Alpine', 'upper-case'],
    ['ghcr.io/Owner/name', 'upper-case'],
    ['alpine:', 'tag'],
    ['alpine:a+b', "'a+b' is not a tag"],
    ['alpine:a/b', "'alpine:a' is not the name of a registry"],
    [`alpine:${'a'.repeat(129)}`, 'at most 128'],
    ['a//b', 'empty part'],
    ['ghcr.io/', 'missing'],
    [':tag', 'missing'],
    ['a_-b', 'may hold only'],
    ['../etc', "'..' is not the name of a registry"],
    ['a/../b', "'..' may hold only"],
    ['ghcr..io/a', 'not the name of a registry'],
    ['localhost:99999/a', 'out of range'],
    ['alpine@', 'digest'],
    ['alpine@sha256', 'not a digest'],
    ['alpine@sha256:abc', '64 lower-case'],
    [`alpine@sha256:${'A'.repeat(64)}`, '64 lower-case'],
    [`alpine@md5:${'a'.repeat(32)}`, 'algorithm'],
    [HEX, 'image id'],
    [`ghcr.io/${'a'.repeat(250)}`, 'longer than 255']
  ])('refuses %j', (text, reason) => {
    let error: unknown;
    try {
      parseReference(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ContainerError);
    expect(error).toMatchObject({ code: 'usage' });
    expect((error as ContainerError).toSentence()).toContain(reason);
  });

  it('takes back what it formats', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,5}([._-][a-z0-9]{1,3})?$/);
    fc.assert(
      fc.property(
        fc.constantFrom('docker.io', 'ghcr.io', 'localhost:5000', '10.0.0.1'),
        fc.array(component, { minLength: 2, maxLength: 4 }),
        fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}$/), { nil: undefined }),
        fc.boolean(),
        (registry, path, tag, withDigest) => {
          const reference = {
            registry,
            repository: path.join('/'),
            ...(tag !== undefined && { tag }),
            ...(withDigest && { digest: `sha256:${HEX}` })
          };
          const again = parseReference(formatReference(reference));
          expect(again).toEqual(tag === undefined && !withDigest ? { ...reference, tag: 'latest' } : reference);
        }
      )
    );
  });

  it('throws nothing but ContainerError, and never on a path out of the repository', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), text => {
        try {
          expect(parseReference(text).repository).not.toMatch(/(^|\/)\.\.(\/|$)/);
        } catch (error) {
          expect(error).toBeInstanceOf(ContainerError);
        }
      })
    );
  });
});

it('knows the server of Docker Hub', () => {
  expect(registryHost('docker.io')).toBe('registry-1.docker.io');
  expect(registryHost('ghcr.io')).toBe('ghcr.io');
});

it('shortens as Docker does', () => {
  expect(shortReference(parseReference('docker.io/library/alpine:3'))).toBe('alpine:3');
  expect(shortReference(parseReference('user/name'))).toBe('user/name:latest');
  expect(shortReference(parseReference('ghcr.io/a/b'))).toBe('ghcr.io/a/b:latest');
});
