// SPDX-License-Identifier: BSD-3-Clause
// The vocabulary of engines/steps.ts: each operation with its operands and the function that performs it.
#ifndef NBCONTAINER_STEPS_H
#define NBCONTAINER_STEPS_H

#include "plan.h"

const struct operation *find_operation(const char *name);

// Performs every step in order; returns 0, or -1 with errno, container->index and container->detail set.
int perform_steps(struct container *container);

#endif
