// SPDX-License-Identifier: BSD-3-Clause
// Giving up capabilities: of what is executed from now on, and of this process.
#ifndef NBCONTAINER_CAPABILITIES_H
#define NBCONTAINER_CAPABILITIES_H

#include <stdint.h>

#include "plan.h"

#define MOST_CAPABILITIES 64u

// The payload and all below it go without these (decimal numbers).
int step_drop_capabilities(struct container *container, const struct operand *operands);

// Takes them from every set. From the bounding set only as far as that is permitted (CAP_SETPCAP): where it is not,
// no_new_privs has to keep an exec by uid 0 from regaining them. Returns 0, or -1 with errno.
int give_up_capabilities(uint64_t mask);

#endif
