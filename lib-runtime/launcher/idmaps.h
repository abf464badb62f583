// SPDX-License-Identifier: BSD-3-Clause
// Supervisor's side of 'unshare' with user: writes the id maps of a process from outside.
#ifndef NBCONTAINER_IDMAPS_H
#define NBCONTAINER_IDMAPS_H

#include "control.h"

// The maps are lines `inside outside count`. With helpers (paths of newuidmap and newgidmap; both or none) these write
// them, as an ordinary user may map no id but his own.
void write_maps(pid_t pid, const char *const strings[REQUEST_STRINGS], struct reply *reply);

#endif
