// SPDX-License-Identifier: BSD-3-Clause
/** Writes docs/api.md from the daemon's schemas. Needs a Node that strips types: .venv/bin/node scripts/api-docs.mjs */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { apiPage } from '../lib-runtime/daemon/api-page.ts';
import { ROOT } from './house.mjs';

writeFileSync(path.join(ROOT, 'docs', 'api.md'), apiPage());
