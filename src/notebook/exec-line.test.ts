// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type CellProblem, execLine, type ICell, planCell } from './exec-line.ts';

const cell = (source: string, more: Partial<ICell> = {}): ICell => ({
  source,
  language: 'python',
  image: 'a.sif',
  options: {},
  ...more
});

/** The line and cell that a Python kernel's magic would get: read by Python itself. */
function asPythonReads(code: string): { line: string; cell: string } {
  const program = [
    'import ast, json, sys',
    'tree = ast.parse(sys.stdin.buffer.read().decode("utf-8"))',
    'call = tree.body[-1].value',
    'assert len(tree.body) == 2 and call.func.attr == "run_cell_magic"',
    'magic, line, cell = map(ast.literal_eval, call.args)',
    'assert magic == "container"',
    'print(json.dumps({"line": line, "cell": cell}))'
  ].join('\n');
  return JSON.parse(execFileSync('python3', ['-c', program], { input: code, encoding: 'utf8' })) as {
    line: string;
    cell: string;
  };
}

const code = (given: ICell): string => {
  const plan = planCell(given);
  expect(plan.kind).toBe('run');
  return plan.kind === 'run' ? plan.code : '';
};

describe('a Python notebook', () => {
  it.each<[string, ICell, string, string]>([
    ['a Python cell', cell('print(1)'), 'exec --python a.sif', 'print(1)'],
    ['the GPU', cell('x', { options: { nv: true } }), 'exec --python --nv a.sif', 'x'],
    [
      'a name with spaces, quotes, braces and dollars',
      cell('x', { image: `my {x} $y 'z'.sif` }),
      `exec --python 'my {x} $y '"'"'z'"'"'.sif'`,
      'x'
    ],
    ['a bind', cell('x', { options: { binds: ['/a b:/c:ro'] } }), `exec --python '--bind=/a b:/c:ro' a.sif`, 'x'],
    ['bash', cell('%%bash\necho $0\n'), 'exec a.sif', '#!/usr/bin/env bash\necho $0\n'],
    ['bash after an empty line', cell('\n%%bash\nline 3'), 'exec a.sif', '#!/usr/bin/env bash\n\nline 3'],
    ['sh', cell('%%sh\nls'), 'exec a.sif', '#!/bin/sh\nls'],
    ['R', cell('%%R\nprint(1)'), 'exec a.sif', '#!/usr/bin/env Rscript\nprint(1)'],
    ['python3', cell('%%python3\nprint(1)'), 'exec --python a.sif', '\nprint(1)'],
    [
      'any characters',
      cell(`"""é 日本 🎉 \\n \x85\u2028\x7f\t'"""\r\n%d = '\\'\n`),
      'exec --python a.sif',
      `"""é 日本 🎉 \\n \x85\u2028\x7f\t'"""\r\n%d = '\\'\n`
    ],
    ['a per cent sign that is no magic', cell('x = 7 \\\n%%3'), 'exec --python a.sif', 'x = 7 \\\n%%3']
  ])('%s', (_name, given, line, text) => {
    const written = code(given);
    // IPython reads a cell line by line.
    expect(written.split(/[\n\r\u0085\u2028\u2029]/)).toHaveLength(1);
    expect(asPythonReads(written)).toEqual({ line, cell: text });
  });
});

describe('other notebooks', () => {
  it('bash: the cell is one word for the image’s bash', () => {
    const written = code(cell(`echo "it's"; exit 3`, { language: 'bash', image: 'docker://debian:12' }));
    expect(written).toBe(`nbcontainer exec docker://debian:12 bash -c 'echo "it'\\''s"; exit 3' </dev/null`);
    const said = execFileSync('bash', ['-c', `nbcontainer() { printf '%s|' "$@"; }\n${written}`], { encoding: 'utf8' });
    expect(said).toBe(`exec|docker://debian:12|bash|-c|echo "it's"; exit 3|`);
  });

  it('R: a file for the image’s Rscript, words quoted for the shell that system2 uses', () => {
    const written = code(
      cell('cat("a~+~b \\u00e9")\n# é', { language: 'R', image: 'r base.sif', options: { nv: true } })
    );
    expect(written).toContain('writeLines("cat(\\"a~+~b \\\\u00e9\\")\\n# é", cell, useBytes = TRUE)');
    expect(written).toContain(`words <- c("exec", "--nv", bind, "'r base.sif'", "Rscript", shQuote(cell))`);
  });
});

it.each<[ICell, CellProblem, string]>([
  [cell('x', { language: 'julia' }), 'language', 'julia'],
  [cell('%%container exec b.sif\nls'), 'own-container', '%%container'],
  [cell('%%html\n<b>'), 'magic', '%%html'],
  [cell('%%time\nx'), 'magic', '%%time'],
  [cell('%%bash --bg\nx'), 'magic-options', '%%bash --bg'],
  [cell('x', { image: '--help' }), 'image', '--help'],
  [cell('x', { image: '' }), 'image', ''],
  [cell('x'.repeat(130_000), { language: 'bash' }), 'too-long', 'bash']
])('is refused: %j', (given, problem, what) => {
  expect(planCell(given)).toEqual({ kind: 'refused', problem, what });
});

it('the line that a question shows', () => {
  expect(execLine('my image.sif', { nv: true, binds: ['/:/host'], env: { A: 'b c' } })).toBe(
    `nbcontainer exec --bind=/:/host '--env=A=b c' --nv 'my image.sif'`
  );
});
