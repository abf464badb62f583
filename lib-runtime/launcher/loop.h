// SPDX-License-Identifier: BSD-3-Clause
// The squashfs partition of a file, through a loop device of the kernel.
#ifndef NBCONTAINER_LOOP_H
#define NBCONTAINER_LOOP_H

#include "plan.h"

int step_squashfs(struct container *container, const struct operand *operands);

// Attaches [offset, offset + size) of the file to a free loop device, read-only, freed with its last user.
// Returns the open device and its path, or -1 with errno.
int attach_loop(int file, uint64_t offset, uint64_t size, char device[32]);

#endif
