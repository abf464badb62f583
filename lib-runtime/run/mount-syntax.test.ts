// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { ContainerError } from '../support/errors.ts';
import { parseMounts } from './mount-syntax.ts';

describe('parseMounts', () => {
  it.each([
    ['type=bind,source=/a,destination=/b', [['/a', '/b', false]]],
    ['source=/a,destination=/b', [['/a', '/b', false]]],
    ['type=bind,src=/a,dst=/b,ro', [['/a', '/b', true]]],
    ['src=a,target=/b,readonly,type=bind', [['a', '/b', true]]],
    ['type=bind,source=/a,destination=/b,ro=false', [['/a', '/b', false]]],
    ['type=bind,"source=/a,1",destination=/b', [['/a,1', '/b', false]]],
    ['type=bind,source=/a=b,destination=/b:c', [['/a=b', '/b:c', false]]],
    ['type=bind,"source=/a ""q""",destination=/b', [['/a "q"', '/b', false]]],
    [
      'type=bind,source=/a,destination=/b\ntype=bind,source=/c,destination=/d\n',
      [
        ['/a', '/b', false],
        ['/c', '/d', false]
      ]
    ]
  ])('%j', (text, expected) => {
    expect(parseMounts(text)).toEqual(expected.map(([source, target, readOnly]) => ({ source, target, readOnly })));
  });

  it.each([
    ['type=tmpfs,destination=/b', 'no type that can be mounted'],
    ['type=bind,destination=/b', 'a source is missing'],
    ['type=bind,source="/a,1",destination=/b', 'double quote'],
    ['type=bind,source=/a', 'a destination is missing'],
    ['type=bind,source=/a,destination=b', 'not absolute'],
    ['type=bind,source=/a,destination=/b,bind-propagation=shared', 'is no key'],
    ['type=bind,source=/a,destination=/b,rw', '"rw" is no key'],
    ['type=bind,source=/a,destination=/b,ro=maybe', 'neither true nor false'],
    ['type=bind,source=/a.sif,destination=/b,image-src=/x', 'not supported yet']
  ])('refuses %j', (text, reason) => {
    expect(() => parseMounts(text)).toThrow(ContainerError);
    let said: unknown;
    try {
      parseMounts(text);
    } catch (error) {
      said = error instanceof ContainerError ? error.reason : error;
    }
    expect(said).toContain(reason);
  });
});
