// SPDX-License-Identifier: BSD-3-Clause
// `take`: the caller (engines/handover.ts) became this process by execve and left its plan in the environment, since
// Node opens no file that stays open. When a step fails, this process becomes the caller again, which goes on from there.
#ifndef NBCONTAINER_HANDOVER_H
#define NBCONTAINER_HANDOVER_H

#include "container.h"

struct handover {
    char **plan;
    size_t plan_count;
    char **program; // of the caller, up to the words that we were given
    size_t program_count;
    char **environment; // of the caller, NULL-terminated
    int directory;      // O_PATH on its working directory
};

// Reads the environment of this process. Returns -1 when it is not what a caller leaves.
int take_over(struct handover *handover);

// Becomes the caller again, with `words` (NULL-terminated) and the record of what failed, "" when nothing was reported.
// Returns an exit status when that fails.
int hand_back(const struct handover *handover, char **words, const char *report, mode_t umask);

#endif
