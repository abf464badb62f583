// SPDX-License-Identifier: BSD-3-Clause
// Steps that make directories, small files and symlinks below the root under construction.
#ifndef NBCONTAINER_FILES_H
#define NBCONTAINER_FILES_H

#include "plan.h"

int step_mkdir(struct container *container, const struct operand *operands);
int step_file(struct container *container, const struct operand *operands);
int step_symlink(struct container *container, const struct operand *operands);

#endif
