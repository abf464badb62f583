// SPDX-License-Identifier: BSD-3-Clause
// The first process of a new pid namespace.
#ifndef NBCONTAINER_INIT_H
#define NBCONTAINER_INIT_H

#include "container.h"

// After unshare(CLONE_NEWPID): makes pid 1 of the namespace, a sibling of ours that the supervisor watches from now
// on, and its child, in which this call returns 0. The caller itself ends here. -1 with errno when that fails.
int become_namespace_child(struct container *container);

#endif
