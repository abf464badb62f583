// SPDX-License-Identifier: BSD-3-Clause
/** Plans of the ptrace engine. Pure. */
import { type IPassedOver, type IPlanInput, passedOver } from './plan-namespaces.ts';
import type { IPtracePlan, IRefusal } from './plan-types.ts';

export function ptracePlan(input: IPlanInput): IPtracePlan | IRefusal | IPassedOver {
  const { host } = input;
  return passedOver('ptrace', host.tools['proot'] === undefined ? 'PRoot is not installed' : 'not planned yet');
}
