// SPDX-License-Identifier: BSD-3-Clause
// Steps about namespaces and about what the payload is: maps, host name, umask, privileges, working directory.
#ifndef NBCONTAINER_IDENTITY_H
#define NBCONTAINER_IDENTITY_H

#include "control.h"
#include "plan.h"

int step_unshare(struct container *container, const struct operand *operands);
int step_hostname(struct container *container, const struct operand *operands);
int step_umask(struct container *container, const struct operand *operands);
int step_account(struct container *container, const struct operand *operands);
int step_no_new_privileges(struct container *container, const struct operand *operands);
int step_chdir(struct container *container, const struct operand *operands);

// Dies with the parent (SIGKILL); exits at once when `socket` says that it is gone already.
void die_with_parent(int socket);

#endif
