// SPDX-License-Identifier: BSD-3-Clause
/**
 * `node bench/sizes.ts [LABEXTENSION]`: what the built labextension weighs in a page, in kB of gzip: eager is what every
 * page of JupyterLab loads, lazy what comes with the first use. Ends with 1 when eager is more than the goal.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { REPOSITORY } from '../platforms/build.ts';

/** kB of gzip (docs/architecture.md, numbers). */
const GOAL = 30;

interface IBuild {
  readonly jupyterlab: { readonly _build: { readonly load: string } };
}

const directory = process.argv[2] ?? join(REPOSITORY, 'nbcontainer', 'labextension');
const { load } = (JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as IBuild).jupyterlab._build;
const entry = readFileSync(join(directory, load), 'utf8');
// The module table of the federation's container: "./extension":()=>n.e(568).then(...), one n.e() for each chunk.
const exposed = /"\.\/extension":.*?"\.\/style":.*?\}/s.exec(entry)?.[0] ?? '';
const chunks = [...exposed.matchAll(/\.e\("?(\d+)"?\)/g)].map(match => match[1] ?? '');
if (chunks.length < 2) {
  throw new Error(`${load} names no chunks: another builder wrote it`);
}
const rows = readdirSync(join(directory, 'static'))
  .filter(name => name.endsWith('.js'))
  .map(name => {
    const bytes = readFileSync(join(directory, 'static', name));
    const eager = `static/${name}` === load || chunks.includes(name.replace(/\..*$/, ''));
    return { name, eager, raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
  })
  .sort((a, b) => Number(b.eager) - Number(a.eager) || b.gzip - a.gzip);
const kB = (bytes: number): string => (bytes / 1000).toFixed(1).padStart(8);
console.log('when  |      raw |     gzip | file');
for (const { name, eager, raw, gzip } of rows) {
  console.log(`${eager ? 'eager' : 'lazy '} | ${kB(raw)} | ${kB(gzip)} | ${name}`);
}
const total = rows.filter(row => row.eager).reduce((sum, row) => sum + row.gzip, 0) / 1000;
console.log(`\neager: ${total.toFixed(1)} kB gzip; goal <= ${GOAL}`);
process.exitCode = total <= GOAL ? 0 : 1;
