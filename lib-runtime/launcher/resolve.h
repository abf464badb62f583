// SPDX-License-Identifier: BSD-3-Clause
// Container paths: resolved below the root under construction, so that no symlink of an image leads to the host.
#ifndef NBCONTAINER_RESOLVE_H
#define NBCONTAINER_RESOLVE_H

#include "container.h"

// Writes the absolute path (of this mount namespace, without symlinks) of an existing container path.
// Returns 0, or -1 with errno (ENOENT, ENOTDIR, ELOOP, EXDEV, ENAMETOOLONG ...).
int resolve(const struct container *container, const char *path, char out[PATH_MAX]);

// Splits off the last component and resolves what is before it. EINVAL for `/`, `.` and `..` as last component.
int resolve_parent(const struct container *container, const char *path, char parent[PATH_MAX], char name[NAME_MAX + 1]);

// parent + "/" + name; ENAMETOOLONG when it does not fit.
int join(const char *parent, const char *name, char out[PATH_MAX]);

// Opens the root under construction anew after something was mounted on it.
int reopen_root(struct container *container, const char *path);

// Whether `path` is `directory` or lies below it (text only).
bool is_below(const char *path, const char *directory);

#endif
