// SPDX-License-Identifier: BSD-3-Clause
// The step that has the kernel answer ENOSYS to some system calls, as one would that has not got them.
#ifndef NBCONTAINER_SYSCALLS_H
#define NBCONTAINER_SYSCALLS_H

#include "plan.h"

int step_without_system_calls(struct container *container, const struct operand *operands);

#endif
