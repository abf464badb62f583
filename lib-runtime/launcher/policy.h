// SPDX-License-Identifier: BSD-3-Clause
// Platform policy (DESIGN: Platform policy): a plan with an in-place step is one for a host that denies mounts that
// involve procfs. Such a plan mounts nothing from, on, or carrying procfs; the launcher refuses it by itself.
#ifndef NBCONTAINER_POLICY_H
#define NBCONTAINER_POLICY_H

#include "container.h"

// `fd` is an O_PATH descriptor of the source, `path` its name in this mount namespace, free of symlinks.
// Returns 0, or -1 with EACCES and the reason in container->detail. Plans without an in-place step always pass.
int allow_source(struct container *container, int fd, const char *path, bool recursive);
// The same for a path that is mounted on, or changed.
int allow_path(struct container *container, const char *path);

// Calls `visit` with the mount point and the file system type of every mount; stops when it returns non-zero.
// Returns that value, 0 at the end, -1 with errno when the table cannot be read.
int each_mount(int (*visit)(void *data, const char *mountpoint, const char *type), void *data);

#endif
