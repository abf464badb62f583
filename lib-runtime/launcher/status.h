// SPDX-License-Identifier: BSD-3-Clause
// Reports on STATUS_FD: NUL-terminated records of words. Nothing at all means that exec succeeded.
#ifndef NBCONTAINER_STATUS_H
#define NBCONTAINER_STATUS_H

#include "container.h"

// Symbolic name (`EACCES`), or `E<number>` for one that is not in the table.
const char *errno_name(int error);

// note <index> <errno-name> <text>
void report_note(const struct container *container, int error, const char *text);
// failed <index> <errno-name> <text>
void report_failure(int fd, size_t index, int error, const char *text);
// exec <errno-name> [interpreter <path>]
void report_exec(int fd, int error, const char *interpreter);

#endif
