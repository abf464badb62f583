// SPDX-License-Identifier: BSD-3-Clause
/** Entry point of the whole command line. */
import { perform } from './perform.ts';
import { isStart, startProgram } from './start-program.ts';

// Most of what is ever called starts a container: then no other word is made ready.
void perform(async (version, report, name, words) => {
  if (isStart(words)) {
    return startProgram(version, report, name, words);
  }
  const { buildProgram } = await import('./program.ts');
  return buildProgram(version, report, name);
});
