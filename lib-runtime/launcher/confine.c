// SPDX-License-Identifier: BSD-3-Clause
#include "confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container.h"

#define MOST 64u

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
        if (number >= MOST) {
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

// From the bounding set as far as that is permitted (CAP_SETPCAP); what holds in any case is no_new_privs: with it an
// exec by uid 0 gains nothing that is not permitted already.
static int drop(uint64_t mask) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return -1;
    }
    for (unsigned number = 0; number < MOST; number++) {
        if ((mask >> number & 1) != 0 && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0 && errno != EPERM &&
            errno != EINVAL) {
            return -1; // EINVAL: this kernel has no such capability
        }
    }
    if (syscall(SYS_capget, &header, data) < 0) {
        return -1;
    }
    for (unsigned half = 0; half < 2; half++) {
        uint32_t kept = ~(uint32_t)(mask >> (32 * half));
        data[half].effective &= kept;
        data[half].permitted &= kept;
        data[half].inheritable &= kept; // takes them from the ambient set, too
    }
    return (int)syscall(SYS_capset, &header, data);
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
