// SPDX-License-Identifier: BSD-3-Clause
import { launcherPlugin } from './launcher.ts';
import { shellPlugin } from './plugin.ts';

export const shellPlugins = [shellPlugin, launcherPlugin];
