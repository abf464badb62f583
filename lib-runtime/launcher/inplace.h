// SPDX-License-Identifier: BSD-3-Clause
// Steps of the in-place root (DESIGN 3): the host's `/` stays, the image's entries are bound over the host's.
#ifndef NBCONTAINER_INPLACE_H
#define NBCONTAINER_INPLACE_H

#include "plan.h"

int step_ledger(struct container *container, const struct operand *operands);
int step_entry(struct container *container, const struct operand *operands);
int step_place(struct container *container, const struct operand *operands);
int step_hide(struct container *container, const struct operand *operands);
int step_unstage(struct container *container, const struct operand *operands);

#endif
