// SPDX-License-Identifier: BSD-3-Clause
/**
 * `node platforms/table.ts`: puts what tests/platforms/start.test.ts last saw (.cache/results/platforms.json) into the
 * table of docs/platforms.md, between its two marks.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY } from './build.ts';

/** One image started on one platform. */
export interface IResultRow {
  readonly platform: string;
  readonly image: string;
  readonly engine: string;
  readonly root: string;
  readonly status: number;
}

const BEGIN = '<!-- who was started how: begin (node platforms/table.ts) -->';
const END = '<!-- who was started how: end -->';

/** A Markdown table, padded as Prettier does: a row for each image, a column for each platform. */
export function formatTable(rows: readonly IResultRow[]): string {
  const platforms = [...new Set(rows.map(row => row.platform))];
  const images = [...new Set(rows.map(row => row.image))];
  const cell = (image: string, platform: string): string => {
    const row = rows.find(other => other.image === image && other.platform === platform);
    return row === undefined ? 'not tried' : row.status === 0 ? `${row.engine}, ${row.root}` : `fails (${row.status})`;
  };
  const lines = [
    ['image', ...platforms],
    ...images.map(image => [image, ...platforms.map(platform => cell(image, platform))])
  ];
  const widths = ['image', ...platforms].map((_, column) => Math.max(...lines.map(line => line[column]?.length ?? 0)));
  const text = lines.map(line => `| ${line.map((word, column) => word.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  const rule = `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`;
  return [text[0], rule, ...text.slice(1)].join('\n');
}

/** The page with the table between its marks replaced. @throws Error when the marks are missing. */
export function replaceTable(page: string, table: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) {
    throw new Error('docs/platforms.md has lost the marks of its table');
  }
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}

if (process.argv[1] === import.meta.filename) {
  const rows = JSON.parse(
    await readFile(join(REPOSITORY, '.cache', 'results', 'platforms.json'), 'utf8')
  ) as IResultRow[];
  const path = join(REPOSITORY, 'docs', 'platforms.md');
  await writeFile(path, replaceTable(await readFile(path, 'utf8'), formatTable(rows)));
}
