// SPDX-License-Identifier: BSD-3-Clause
/**
 * Generated cases are the same at each `npm test`, so that a failure tells of the change at hand; the long run
 * (`npm run test:all`) takes new ones each time and prints the seed of a failure, which `NBCONTAINER_FUZZ_SEED=N` takes.
 */
import fc from 'fast-check';

const STEADY = 20261122;
const given = process.env.NBCONTAINER_FUZZ_SEED;

if (given !== undefined) {
  fc.configureGlobal({ seed: Number(given) });
} else if (process.env.NBCONTAINER_TEST_ALL !== '1') {
  fc.configureGlobal({ seed: STEADY });
}
