// SPDX-License-Identifier: BSD-3-Clause
#include "confine.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "capabilities.h"
#include "container.h"
#include "limits.h"

static int complain(const char *what) {
    fprintf(stderr, "nbcontainer-launcher: %s: %s\n", what, strerror(errno));
    return OWN_FAILURE;
}

static int parse(const char *numbers, uint64_t *mask) {
    *mask = 0;
    for (;;) {
        unsigned number = 0;
        size_t digits = strspn(numbers, "0123456789");
        if (digits == 0 || digits > 2) {
            break;
        }
        for (size_t at = 0; at < digits; at++) {
            number = number * 10 + (unsigned)(numbers[at] - '0');
        }
        if (number >= MOST_CAPABILITIES) {
            break;
        }
        *mask |= UINT64_C(1) << number;
        numbers += digits;
        if (*numbers == '\0') {
            return 0;
        }
        if (*numbers++ != ',') {
            break;
        }
    }
    errno = EINVAL;
    return -1;
}

// What holds in any case is no_new_privs: with it an exec by uid 0 gains nothing that is not permitted already.
static int drop(uint64_t mask) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : give_up_capabilities(mask);
}

int confine(const char *numbers, char **argv) {
    uint64_t mask;
    if (parse(numbers, &mask) < 0) {
        return complain("confine: capabilities");
    }
    if (drop(mask) < 0) {
        return complain("confine: give up capabilities");
    }
    execv(argv[0], argv);
    return complain(argv[0]);
}

int attend(const char *parent, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (strtol(parent, NULL, 10) != getppid()) {
        errno = ESRCH;
        return complain("attend: the caller has ended");
    }
    restore_file_limit(2);
    execv(argv[0], argv);
    return complain(argv[0]);
}
