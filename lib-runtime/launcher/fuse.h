// SPDX-License-Identifier: BSD-3-Clause
// File systems served by a program (squashfuse_ll, fuse-overlayfs), where the kernel's own may not be mounted.
//
// The container's process opens /dev/fuse and mounts: both have to be done in one user namespace. The supervisor starts
// the program that answers: outside of the container, so that no `kill -1` in there reaches it, in a session of its own,
// so that no Ctrl-C does, and killed with the supervisor or by it at the end.
#ifndef NBCONTAINER_FUSE_H
#define NBCONTAINER_FUSE_H

#include "control.h"
#include "plan.h"

// Mounts, has the program started and waits until it answers.
int step_fuse(struct container *container, const struct operand *operands);

// Supervisor's side: starts `program -f [-o options] [source] /dev/fd/3` with `device` as descriptor 3; when `inside` is
// not empty, in the user namespace of `main` and with the mounts that it has made so far. Strings: program, options, source, inside.
void serve_fuse(pid_t main, int device, const char *const strings[REQUEST_STRINGS], struct reply *reply);

// Supervisor's side: the program answers (first string empty) or does not: then it is ended, and what it said is the
// text of the reply.
void settle_fuse(const char *const strings[REQUEST_STRINGS], struct reply *reply);

#endif
