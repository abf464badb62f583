// SPDX-License-Identifier: BSD-3-Clause
// Steps for a root without mounts: a directory of the container's own is filled with what binds would have shown.
#ifndef NBCONTAINER_PLAINROOT_H
#define NBCONTAINER_PLAINROOT_H

#include "plan.h"

// The directory becomes the root under construction as it is.
int step_tree(struct container *container, const struct operand *operands);
// Files that replace what is there: of the plan's text, of a small file of the host (left out when that is unreadable).
int step_write(struct container *container, const struct operand *operands);
int step_take(struct container *container, const struct operand *operands);
// A character device; left out, and noted, where its file system or a control group lets nobody open it.
int step_device(struct container *container, const struct operand *operands);
int step_own(struct container *container, const struct operand *operands);

#endif
