// SPDX-License-Identifier: BSD-3-Clause
/** Cells of a notebook on the stand-ins: what a person on Colab or Kaggle types, through IPython and the bundle. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../platforms/build.ts';
import { STAND_INS } from '../../platforms/recipes.ts';
import { standInsWork } from '../../platforms/standin.ts';
import { makePlatformWorkplace, quote } from './workplace.ts';
import type { IPlatformWorkplace } from './workplace.ts';

const PYTHON = join(REPOSITORY, '.venv', 'bin', 'python');

/** Runs each cell and prints what it left: its output, then `= STATUS`. */
const NOTEBOOK = `
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic('load_ext', 'nbcontainer')
for cell in open(sys.argv[1]).read().split('\\n---\\n'):
    result = shell.run_cell(cell)
    print('=', getattr(result.result, 'returncode', type(result.error_in_exec).__name__), flush=True)
`;

describe.runIf(standInsWork())('cells on the stand-ins', () => {
  let place: IPlatformWorkplace;
  let interpreter: string;
  beforeAll(async () => {
    place = await makePlatformWorkplace();
    // The environment's Python may live where a stand-in has a directory of its own (/root).
    interpreter = execFileSync(PYTHON, ['-c', 'import sys; print(sys.base_prefix)'], { encoding: 'utf8' }).trim();
    writeFileSync(join(place.scratch, 'notebook.py'), NOTEBOOK);
  });
  afterAll(() => place?.dispose());

  it.each(STAND_INS)('%s', async name => {
    const cells = [
      `%%container exec ${place.sif('debian')}\n. /etc/os-release; echo "$ID: $(cat)"`,
      `%%container exec --no-raise ${place.sif('busybox')}\necho out; exit 5`,
      `%container run ${place.sif('hello-world')}`,
      `%%container exec ${place.sif('hello-world')}\necho there is no shell`
    ];
    writeFileSync(join(place.scratch, 'cells.txt'), cells.join('\n---\n'));
    const script = `${quote(PYTHON)} ${quote(`${place.scratch}/notebook.py`)} ${quote(`${place.scratch}/cells.txt`)}`;
    const binds = interpreter.startsWith('/usr') ? [] : [interpreter];
    const result = await place.script(name, script, { binds, input: 'from stdin' });
    const text = result.stdout.replaceAll('\u001b[0m', '').replaceAll('\u001b[31m', '');
    expect(text, result.stderr).toContain('debian: ');
    expect(text).toContain('out\n');
    expect(text).toContain('Hello from a static program!');
    expect(text.match(/^= .*$/gm)).toEqual(['= 0', '= 5', '= 0', '= ContainerExit']);
    expect(text + result.stderr).toMatch(/"sh": executable file not found/);
  });
});
