// SPDX-License-Identifier: BSD-3-Clause
/** Commands of the notebook's menu only; those that others use are in ../commands.ts. */
export const MenuCommandIDs = {
  /** {}: the GPU in the containers of this notebook, on or off. */
  toggleGpu: 'nbcontainer:toggle-notebook-gpu',
  /** {}: the notebook has no image any more. */
  forgetImage: 'nbcontainer:forget-image'
} as const;
