// SPDX-License-Identifier: BSD-3-Clause
import { nullTranslator } from '@jupyterlab/translation';
import { expect, it } from 'vitest';
import type { Shell } from '../../lib-runtime/api/schema.ts';
import { type ITabFacts, tabTitle } from './look.ts';

const shell = { id: 'a', name: 'tools', image: '/srv/tools.sif', commandLine: 'nbcontainer shell /srv/tools.sif' };

it.each<[Partial<ITabFacts>, string, string]>([
  [{}, 'Shell', 'Shell'],
  [{ request: { image: '/srv/tools.sif' } }, 'tools.sif', 'tools.sif\n/srv/tools.sif'],
  [{ request: { image: 'docker://a/b', name: 'mine' } }, 'mine', 'mine\ndocker://a/b'],
  [
    { shell: shell as Shell, programTitle: 'vi notes' },
    'tools: vi notes',
    'tools: vi notes\n/srv/tools.sif\nnbcontainer shell /srv/tools.sif'
  ]
])('the tab of %j is called %s', (facts, label, caption) => {
  const all = { shell: undefined, request: undefined, programTitle: '', ...facts };
  expect(tabTitle(all, nullTranslator.load('nbcontainer'))).toEqual({ label, caption });
});
