// SPDX-License-Identifier: BSD-3-Clause
import manifest from '../../package.json' with { type: 'json' };

/** The version of the package, from package.json: the one place that holds it. */
export const VERSION: string = manifest.version;
