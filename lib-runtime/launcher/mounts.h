// SPDX-License-Identifier: BSD-3-Clause
// Steps that mount, and those that enter the new root.
#ifndef NBCONTAINER_MOUNTS_H
#define NBCONTAINER_MOUNTS_H

#include "plan.h"

int step_private(struct container *container, const struct operand *operands);
int step_stage(struct container *container, const struct operand *operands);
int step_overlay(struct container *container, const struct operand *operands);
int step_bind(struct container *container, const struct operand *operands);
int step_tmpfs(struct container *container, const struct operand *operands);
int step_procfs(struct container *container, const struct operand *operands);
int step_remount(struct container *container, const struct operand *operands);
int step_pivot(struct container *container, const struct operand *operands);
int step_chroot(struct container *container, const struct operand *operands);

#endif
