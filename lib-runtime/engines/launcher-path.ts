// SPDX-License-Identifier: BSD-3-Clause
/** The launcher belongs to the engines; the probe of host/ needs it, too, and lies on a lower floor. */
export { launcherPath, machineName } from '../host/launcher-path.ts';
