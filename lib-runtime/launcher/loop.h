// SPDX-License-Identifier: BSD-3-Clause
// The squashfs partition of a file, through a loop device of the kernel.
#ifndef NBCONTAINER_LOOP_H
#define NBCONTAINER_LOOP_H

#include "plan.h"

int step_squashfs(struct container *container, const struct operand *operands);

// An overlay image (at an offset of a file): mounted on a directory that is made, with the directories upper and work when it can be written to.
// EWOULDBLOCK when another container uses it.
int step_ext3(struct container *container, const struct operand *operands);

// Attaches [offset, offset + size) of the file to a free loop device, freed with its last user. A size of 0 is
// the rest of the file.
// Returns the open device and its path, or -1 with errno.
int attach_loop(int file, uint64_t offset, uint64_t size, bool read_only, char device[32]);

#endif
