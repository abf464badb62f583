// SPDX-License-Identifier: BSD-3-Clause
#include "limits.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "signals.h"

void restore_file_limit(int generations) {
    struct rlimit own, theirs;
    pid_t whose = getppid();
    for (int above = 1; above < generations; above++) {
        char number[16];
        snprintf(number, sizeof number, "%d", (int)whose);
        whose = parent_of(number);
    }
    if (whose > 0 && getrlimit(RLIMIT_NOFILE, &own) == 0 && prlimit(whose, RLIMIT_NOFILE, NULL, &theirs) == 0 &&
        theirs.rlim_max == own.rlim_max && theirs.rlim_cur < own.rlim_cur) {
        setrlimit(RLIMIT_NOFILE, &theirs);
    }
}
