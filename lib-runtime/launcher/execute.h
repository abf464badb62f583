// SPDX-License-Identifier: BSD-3-Clause
// Hands the process over to the payload.
#ifndef NBCONTAINER_EXECUTE_H
#define NBCONTAINER_EXECUTE_H

#include "container.h"

// Never returns: execs, or reports why not and exits with 255.
_Noreturn void execute(struct container *container);

#endif
