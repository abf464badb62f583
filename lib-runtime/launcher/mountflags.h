// SPDX-License-Identifier: BSD-3-Clause
// ro, nosuid, nodev, noexec and rec of a plan, and setting them on what is mounted already.
#ifndef NBCONTAINER_MOUNTFLAGS_H
#define NBCONTAINER_MOUNTFLAGS_H

#include "plan.h"

struct mount_flags {
    bool recursive;
    unsigned long flags; // MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC
};

// EINVAL for an unknown word.
int parse_mount_flags(const struct operand *list, struct mount_flags *out);

// Adds flags to the mount at `path` (and to those below it when recursive); never takes one away, so that the flags
// that a user namespace has locked stay. Returns 0 or -1 with errno.
int add_mount_flags(const char *path, const struct mount_flags *wanted);

#endif
