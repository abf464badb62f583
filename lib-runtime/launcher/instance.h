// SPDX-License-Identifier: BSD-3-Clause
// Containers that stay when their command has ended, and commands that enter them.
#ifndef NBCONTAINER_INSTANCE_H
#define NBCONTAINER_INSTANCE_H

#include "plan.h"

// The last step: this process stays as the keeper, and its child (in which the call returns 0) executes the command.
// With 0 as operand there is no command. The keeper ends when it is told to (SIGTERM, SIGINT, SIGQUIT) and the command
// has ended; everything else that it is sent goes to the command.
int step_hold(struct container *container, const struct operand *operands);

// The first step: enters the namespaces and the root of a process.
int step_join(struct container *container, const struct operand *operands);

// For the child of a keeper: the command could not be executed.
void tell_keeper(struct container *container);

#endif
