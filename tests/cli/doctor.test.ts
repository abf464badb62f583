// SPDX-License-Identifier: BSD-3-Clause
/** doctor as a person or a script calls it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IWorkplace, makeWorkplace } from '../support/cli.ts';

describe('doctor', () => {
  let place: IWorkplace;
  beforeAll(async () => {
    place = await makeWorkplace();
  });
  afterAll(() => place.dispose());

  it('says what works here, and how a container starts', async () => {
    const { status, stdout } = await place.nbcontainer(['doctor']);
    expect(stdout).toMatch(/^nbcontainer \S+ on \w/);
    expect(stdout).toMatch(/^ {2}(yes|NO) {2,3}bind mount/m);
    expect(stdout).toMatch(/^store: \//m);
    expect(status).toBe(/cannot be started/.test(stdout) ? 1 : 0);
  });

  it('gives all facts as JSON, and a report without paths of the user', async () => {
    const { stdout } = await place.nbcontainer(['doctor', '--json']);
    const facts = JSON.parse(stdout) as { survey: { places: { name: string }[] }; findings: unknown[] };
    expect(facts.survey.places.map(({ name }) => name)).toEqual(['home', 'store', 'temporary files']);
    expect(facts.findings.length).toBeGreaterThan(20);
    const report = await place.nbcontainer(['doctor', '--report'], { env: { HOME: '/home/secret-name' } });
    expect(report.stdout).toContain('For the report, as JSON:');
    expect(report.stdout).not.toContain(place.home);
    expect(report.stdout).not.toContain('secret-name');
  });

  const MESSAGE = 'FATAL: Failed to set mount propagation: Permission denied';
  it('explains a message from the command line and from stdin', async () => {
    const given = await place.nbcontainer(['doctor', '--explain', MESSAGE]);
    expect(given).toMatchObject({ status: 0, stderr: '' });
    expect(given.stdout).toMatch(
      /^FATAL: Failed .*\n {2}Cause: {3}.*AppArmor.*\n {2}Do this: .*\n {2}Admin: .*\n {2}Seen in: /
    );
    const piped = await place.nbcontainer(['doctor', '--explain', '-'], { input: `INFO: x\n${MESSAGE}\n` });
    expect(piped.stdout).toBe(given.stdout);
    const { stdout } = await place.nbcontainer(['doctor', '--explain', MESSAGE, '--json']);
    expect(JSON.parse(stdout)).toMatchObject([{ id: 'mount-propagation-denied', line: MESSAGE }]);
  });

  it('says when it knows nothing of a message', async () => {
    const { status, stdout } = await place.nbcontainer(['doctor', '--explain', 'out of cheese']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/not in the table/);
  });
});
