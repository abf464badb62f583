// SPDX-License-Identifier: BSD-3-Clause
/**
 * The fast part of the comparison with Apptainer, in every `npm test`: our results beside those that apptainer.test.ts
 * recorded from the real one. Needs neither Apptainer nor the network.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { standInsWork } from '../../platforms/standin.ts';
import { CASES } from './cases.ts';
import { ERRORS } from './errors.ts';
import { readRecorded } from './recorded.ts';
import { type IDifferentialWorkplace, makeWorkplace } from './workplace.ts';

describe.runIf(standInsWork())('as Apptainer 1.4.5 did', () => {
  const recorded = readRecorded();
  let work: IDifferentialWorkplace;
  beforeAll(async () => {
    work = await makeWorkplace({ apptainer: false });
  }, 120_000);
  afterAll(() => work?.dispose());

  it.each(CASES.filter(({ fast }) => fast))('$name', async test => {
    const result = await work.nbcontainer(test, '--silent');
    const actual = { stdout: work.plain(result.stdout), status: result.status };
    expect(actual, result.stderr).toEqual(test.ours ?? recorded[test.name]);
  });

  it.each(ERRORS)('fails: $name', async test => {
    const result = await work.nbcontainer(test);
    expect(result.stderr).toMatch(test.says);
    expect(result.status, result.stderr).toBe(recorded[`error: ${test.name}`]?.status);
    expect(result.stdout).toBe('');
  });
});
