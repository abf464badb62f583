// SPDX-License-Identifier: BSD-3-Clause
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['lib-runtime/**/*.test.ts', 'src/**/*.test.ts', 'tests/**/*.test.ts'],
    setupFiles: ['tests/support/fuzz-seed.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2
  }
});
