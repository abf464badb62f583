// SPDX-License-Identifier: BSD-3-Clause
/** *Run in container*, with a real kernel and real containers. */
import { execFileSync } from 'node:child_process';
import { expect as base, type IJupyterLabPageFixture, test } from '@jupyterlab/galata';
import { type Locator, test as plainTest } from '@playwright/test';
import { FOLDER } from './place.mjs';

/** A busy machine takes its time to start a kernel and unpack an image. */
const expect = base.configure({ timeout: 30_000 });
const SAMPLE = `${FOLDER}/images/sample.sif`;
const PYTHON = `import os, sys
print(sys.executable, os.environ["SAMPLE"])
print(open("/etc/os-release").read())`;

const output = (page: IJupyterLabPageFixture, cell: number): Locator =>
  page.locator('.jp-Notebook:visible .jp-CodeCell').nth(cell).locator('.jp-Cell-outputArea');
const prompt = (page: IJupyterLabPageFixture, cell: number): Locator =>
  page.locator('.jp-Notebook:visible .jp-CodeCell').nth(cell).locator('.jp-InputPrompt');
const source = (page: IJupyterLabPageFixture, cell: number): Promise<string> =>
  page.evaluate(
    at => window.jupyterapp.shell.currentWidget.content.widgets[at].model.sharedModel.getSource() as string,
    cell
  );
const metadata = (page: IJupyterLabPageFixture): Promise<unknown> =>
  page.evaluate(() => window.jupyterapp.shell.currentWidget.content.model.getMetadata('nbcontainer') as unknown);
const command = (page: IJupyterLabPageFixture, id: string, args = {}): Promise<unknown> =>
  page.evaluate(([name, given]) => window.jupyterapp.commands.execute(name, given), [id, args] as const);
const runButton = (page: IJupyterLabPageFixture): Locator =>
  page.locator('.jp-NotebookPanel-toolbar:visible [data-command="nbcontainer:run-cell"]').first();

/** Whether a process of this machine has the words in its command line. */
function isThere(words: string): boolean {
  return execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    .split('\n')
    .some(line => line.startsWith(words));
}

// Galata's stand-in for the server's kernels does not know that an interrupt is answered with nothing.
test.use({ kernels: null, sessions: null });

plainTest.afterEach(async ({ request }) => {
  for (const session of (await (await request.get('/api/sessions')).json()) as { id: string }[]) {
    await request.delete(`/api/sessions/${session.id}`);
  }
});

test('a Python cell runs in the image that the picker chose', async ({ page }) => {
  await page.notebook.createNew();
  await page.notebook.setCell(0, 'code', PYTHON);
  await page.locator('.jp-nbcontainer-ImagePicker:visible').getByRole('button').click();
  await page.getByRole('menuitem', { name: 'Choose a Container Image…' }).click();
  await page.getByRole('dialog').getByRole('combobox').fill(SAMPLE);
  await page.getByRole('button', { name: 'Choose' }).click();
  await expect(page.locator('.jp-nbcontainer-ImagePicker:visible')).toContainText('sample.sif');

  await runButton(page).click();
  await expect(output(page, 0)).toContainText('/usr/bin/python3 made from Debian packages');
  await expect(output(page, 0)).toContainText(/PRETTY_NAME="Debian/);
  await expect(prompt(page, 0)).toHaveText('[1]:');
  expect(await source(page, 0)).toBe(PYTHON);
  expect(await metadata(page)).toMatchObject({ image: SAMPLE });

  // The same cell in the kernel itself: another Python, and the next number.
  await page.notebook.setCell(0, 'code', 'import os, sys; print(sys.executable, "SAMPLE" in os.environ)');
  await command(page, 'notebook:run-cell');
  await expect(output(page, 0)).toContainText(/python\S* False/);
  await expect(prompt(page, 0)).toHaveText('[2]:');
});

test('times, star and Stop as for any run', async ({ page }) => {
  await page.notebook.createNew();
  await command(page, 'nbcontainer:choose-image', { image: SAMPLE });
  await page.notebook.setCell(0, 'code', '%%bash\necho up in $0\nsleep 1000.25');
  await page.evaluate(() => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.notebookConfig = { ...content.notebookConfig, recordTiming: true };
  });
  await page.notebook.selectCells(0);
  await page.keyboard.press('Alt+Shift+Enter');
  await expect(output(page, 0)).toContainText('up in');
  await expect(prompt(page, 0)).toHaveText('[*]:');
  expect(isThere('sleep 1000.25')).toBe(true);
  await page.getByRole('button', { name: 'Interrupt the kernel' }).click();
  await expect(output(page, 0)).toContainText('KeyboardInterrupt');
  await expect(prompt(page, 0)).toHaveText('[1]:');
  await expect.poll(() => isThere('sleep 1000.25')).toBe(false);
  const times = await page.evaluate(
    () => window.jupyterapp.shell.currentWidget.content.widgets[0].model.getMetadata('execution') as object
  );
  expect(Object.keys(times).sort()).toEqual([
    'iopub.execute_input',
    'iopub.status.busy',
    'iopub.status.idle',
    'shell.execute_reply',
    'shell.execute_reply.started'
  ]);
});

test('a failure shows its status, and what cannot run says why', async ({ page }) => {
  await page.notebook.createNew();
  await command(page, 'nbcontainer:choose-image', { image: SAMPLE });
  await page.notebook.setCell(0, 'code', '%%bash\necho before; exit 7');
  await command(page, 'nbcontainer:run-cell');
  await expect(output(page, 0)).toContainText('before');
  await expect(output(page, 0)).toContainText('ContainerExit: exit status 7');
  await page.notebook.setCell(0, 'code', '%%html\n<b>x</b>');
  await command(page, 'nbcontainer:run-cell');
  await expect(page.locator('.Toastify__toast')).toContainText(
    'A cell that begins with %%html runs in the kernel only'
  );
  await expect(prompt(page, 0)).toHaveText('[1]:');
});

test('a notebook that wants more than its image is shown as a line first', async ({ page, tmpPath }) => {
  const notebook = {
    cells: [{ cell_type: 'code', id: 'a', source: 'print("ran")', metadata: {}, outputs: [], execution_count: null }],
    metadata: {
      kernelspec: { name: 'python3', display_name: 'Python 3' },
      nbcontainer: { image: SAMPLE, options: { binds: ['/tmp:/elsewhere'] } }
    },
    nbformat: 4,
    nbformat_minor: 5
  };
  await page.contents.uploadContent(JSON.stringify(notebook), 'text', `${tmpPath}/from elsewhere.ipynb`);
  await page.notebook.openByPath(`${tmpPath}/from elsewhere.ipynb`);
  await page.notebook.selectCells(0);
  const question = page.getByRole('dialog').filter({ hasText: 'Run in this container?' });
  await runButton(page).click();
  await expect(question).toContainText(`nbcontainer exec --bind=/tmp:/elsewhere ${SAMPLE}`);
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expect(prompt(page, 0)).toHaveText('[ ]:');
  await runButton(page).click();
  await question.getByRole('button', { name: 'Run' }).click();
  await expect(output(page, 0)).toContainText('ran');
  // Agreed to once.
  await runButton(page).click();
  await expect(prompt(page, 0)).toHaveText('[2]:');
});

plainTest('the same button in Notebook 7', async ({ page, request }) => {
  const source = 'import sys; print(sys.executable)';
  const content = {
    cells: [{ cell_type: 'code', id: 'a', source, metadata: {}, outputs: [], execution_count: null }],
    metadata: { kernelspec: { name: 'python3', display_name: 'Python 3' }, nbcontainer: { image: SAMPLE } },
    nbformat: 4,
    nbformat_minor: 5
  };
  await request.put('/api/contents/seven.ipynb', { data: { type: 'notebook', format: 'json', content } });
  await page.goto('/notebooks/seven.ipynb');
  const cell = page.locator('.jp-CodeCell').first();
  await cell.locator('.cm-content').click();
  await expect(page.locator('.jp-nbcontainer-ImagePicker')).toContainText('sample.sif');
  await page.locator('[data-command="nbcontainer:run-cell"]').first().click();
  const question = page.getByRole('dialog').filter({ hasText: 'Run in this container?' });
  const output = cell.locator('.jp-Cell-outputArea');
  await expect(question.or(output.getByText('/usr/bin/python3'))).toBeVisible();
  if (await question.isVisible()) {
    await question.getByRole('button', { name: 'Run' }).click();
  }
  await expect(output).toContainText('/usr/bin/python3');
  await expect(cell.locator('.jp-InputPrompt')).toHaveText('[1]:');
});
