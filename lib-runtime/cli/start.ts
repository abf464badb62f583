// SPDX-License-Identifier: BSD-3-Clause
/**
 * Entry point of the bundle for words that start a container (scripts/bundle-runtime.mjs): the same as main.ts, without
 * the other words.
 */
import { perform } from './perform.ts';
import { startProgram } from './start-program.ts';

void perform(startProgram);
