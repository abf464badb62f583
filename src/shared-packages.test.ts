// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface IPackage {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly jupyterlab: { readonly sharedPackages: Readonly<Record<string, object>> };
}

/** Otherwise the builder asks for the JupyterLab that it was built beside, and every older one warns in the console. */
it('the packages of JupyterLab are asked for by the versions that package.json names', () => {
  const { dependencies, jupyterlab } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  ) as IPackage;
  const wanted = Object.entries(dependencies).filter(([name]) => name.startsWith('@jupyterlab/'));
  expect(wanted.length).toBeGreaterThan(10);
  expect(jupyterlab.sharedPackages).toEqual(
    Object.fromEntries(wanted.map(([name, requiredVersion]) => [name, { requiredVersion }]))
  );
});
