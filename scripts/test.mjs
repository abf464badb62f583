// SPDX-License-Identifier: BSD-3-Clause
/**
 * Every check and test of a clone: set-up, build, then what CHECKS lists. Goes on after a failure and ends with a table
 * and the plain line "N passed, N failed", where a check with no count of its own counts as one.
 *
 * `--all` adds the slow ones (tests/differential and the like); `--only NAME` runs one line of the table.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { CACHE, ROOT, fail, isMain, nodeBin, say, status, venvBin } from './house.mjs';
import { setUp } from './setup.mjs';

/** Lines of a failure's message that its end of the log repeats. */
const FAILURE_LINES = 8;

const RESULTS = path.join(CACHE, 'results');
const result = name => path.join(RESULTS, name);

/** Counts of vitest's and jest's JSON reporter. */
function countVitest(text) {
  const report = JSON.parse(text);
  // A file that does not even load has no tests in it, and still is a failure.
  const broken = report.testResults.filter(
    file => file.status === 'failed' && file.assertionResults.length === 0
  ).length;
  const failures = report.testResults.flatMap(file => {
    const at = path.relative(ROOT, file.name);
    const failed = file.assertionResults.filter(test => test.status === 'failed');
    return failed.length > 0
      ? failed.map(test => [`${at} › ${test.fullName}`, test.failureMessages.join('\n')])
      : file.status === 'failed'
        ? [[at, file.message]]
        : [];
  });
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken,
    skipped: report.numPendingTests,
    failures
  };
}

function countJunit(text) {
  const sum = name =>
    [...text.matchAll(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`, 'g'))].reduce((n, m) => n + Number(m[1]), 0);
  const failed = sum('failures') + sum('errors');
  const cases = [
    ...text.matchAll(/<testcase classname="([^"]*)" name="([^"]*)"[^>]*>\s*<(?:failure|error) message="([^"]*)"/g)
  ];
  const plain = value =>
    value
      .replaceAll('&#10;', '\n')
      .replaceAll('&quot;', '"')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&');
  const failures = cases.map(([, file, name, message]) => [plain(`${file} › ${name}`), plain(message)]);
  return { passed: sum('tests') - failed - sum('skipped'), failed, skipped: sum('skipped'), failures };
}

function countPlaywright(text) {
  const report = JSON.parse(text);
  const { expected, unexpected, flaky, skipped } = report.stats;
  const specs = suite => [...(suite.specs ?? []), ...(suite.suites ?? []).flatMap(specs)];
  const failures = report.suites
    .flatMap(specs)
    .filter(spec => !spec.ok || spec.tests.some(test => test.status === 'flaky'))
    .map(spec => [
      `${spec.file}:${spec.line} › ${spec.title}${spec.ok ? ' (flaky: passed the second time)' : ''}`,
      spec.tests.flatMap(test => test.results.flatMap(({ errors }) => errors.map(error => error.message))).join('\n')
    ]);
  return { passed: expected + flaky, failed: unexpected, skipped, failures };
}

const vitest = (name, args, env = {}) => ({
  name,
  command: nodeBin('vitest'),
  args: ['run', ...args, '--reporter=default', '--reporter=json', `--outputFile.json=${result(`${name}.json`)}`],
  env,
  report: `${name}.json`,
  count: countVitest
});

const pytest = (name, args) => ({
  name,
  command: venvBin('python'),
  args: ['-m', 'pytest', '-q', ...args, `--junitxml=${result(`${name}.xml`)}`],
  report: `${name}.xml`,
  count: countJunit
});

function checks(all) {
  return [
    { name: 'tsc (runtime)', command: nodeBin('tsc'), args: ['-p', 'lib-runtime'] },
    { name: 'tsc (front end)', command: nodeBin('tsc'), args: ['-p', '.', '--noEmit'] },
    { name: 'eslint', command: nodeBin('eslint'), args: ['.'] },
    { name: 'prettier', command: nodeBin('prettier'), args: ['--check', '--log-level=warn', '.'] },
    { name: 'ruff', command: venvBin('ruff'), args: ['check', '-q', '.'] },
    { name: 'ruff format', command: venvBin('ruff'), args: ['format', '--check', '-q', '.'] },
    vitest('vitest', [], all ? { NBCONTAINER_TEST_ALL: '1' } : {}),
    pytest('pytest', all ? [] : ['-m', 'not slow']),
    {
      name: 'browser',
      command: nodeBin('playwright'),
      args: ['test', '--config', 'ui-tests/playwright.config.mjs'],
      env: all ? { NBCONTAINER_TEST_ALL: '1' } : {},
      report: 'browser.json',
      count: countPlaywright,
      when: () => existsSync(path.join(ROOT, 'ui-tests/playwright.config.mjs'))
    }
  ];
}

/** Runs one line; resolves to its counts. A report that is missing or says all is well after a failure counts as one failure. */
async function runCheck(check) {
  console.log(`\n== ${check.name}`);
  const began = Date.now();
  const code = await status(check.command, check.args, { env: check.env }).catch(error => {
    console.error(error.message);
    return 127;
  });
  let counts = { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  if (check.report !== undefined) {
    const file = result(check.report);
    counts = existsSync(file) ? check.count(readFileSync(file, 'utf8')) : { passed: 0, failed: 1, skipped: 0 };
    if (code !== 0 && counts.failed === 0) {
      counts.failed = 1;
    }
  }
  return { name: check.name, seconds: (Date.now() - began) / 1000, ...counts };
}

/** What failed, with the beginning of what it said: the end of a log is all that some keep of it. */
function nameFailures(rows) {
  for (const { name, failures } of rows) {
    for (const [test, message] of failures ?? []) {
      const lines = stripVTControlCharacters(message)
        .split('\n')
        .filter(line => line.trim() !== '' && !line.includes('/node_modules/'));
      console.log(`\n== failed in ${name}: ${test}`);
      console.log(
        lines
          .slice(0, FAILURE_LINES)
          .map(line => `    ${line.slice(0, 200)}`)
          .join('\n')
      );
    }
  }
}

function summarize(rows) {
  console.log('\n== summary');
  for (const row of rows) {
    const skipped = row.skipped > 0 ? `, ${row.skipped} skipped` : '';
    const mark = row.failed > 0 ? 'FAILED' : 'ok';
    console.log(
      `${mark.padEnd(7)}${row.name.padEnd(18)}${row.seconds.toFixed(1).padStart(7)} s  ${row.passed} passed, ${row.failed} failed${skipped}`
    );
  }
  nameFailures(rows);
  const total = key => rows.reduce((sum, row) => sum + row[key], 0);
  console.log(`\n${total('passed')} passed, ${total('failed')} failed`);
  return total('failed') === 0 && total('passed') > 0;
}

async function main(argv) {
  const only = argv.includes('--only') ? argv[argv.indexOf('--only') + 1] : undefined;
  rmSync(RESULTS, { recursive: true, force: true });
  mkdirSync(RESULTS, { recursive: true });
  const began = Date.now();
  await setUp('test');
  say(`Set up in ${((Date.now() - began) / 1000).toFixed(1)} s.`);
  // The pinned Node runs the build and everything after it.
  const rows = [await runCheck({ name: 'build', command: venvBin('node'), args: ['scripts/build.mjs'] })];
  rows.push(await runCheck({ name: 'sample image', command: venvBin('node'), args: ['scripts/sample-image.mjs'] }));
  for (const check of checks(argv.includes('--all'))) {
    if ((only === undefined || check.name === only) && (check.when?.() ?? true)) {
      rows.push(await runCheck(check));
    }
  }
  return summarize(rows) ? 0 : 1;
}

if (isMain(import.meta.url)) {
  await main(process.argv.slice(2)).then(code => process.exit(code), fail);
}
