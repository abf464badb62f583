// SPDX-License-Identifier: BSD-3-Clause
#include "capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int give_up_capabilities(uint64_t mask) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (unsigned number = 0; number < MOST_CAPABILITIES; number++) {
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

int step_drop_capabilities(struct container *container, const struct operand *operands) {
    uint64_t mask = 0;
    for (size_t at = 0; at < operands[0].count; at++) {
        char *end;
        unsigned long number = strtoul(operands[0].items[at], &end, 10);
        if (end == operands[0].items[at] || *end != '\0' || number >= MOST_CAPABILITIES) {
            errno = EINVAL;
            return fail(container, "capability %s", operands[0].items[at]);
        }
        mask |= UINT64_C(1) << number;
    }
    return give_up_capabilities(mask) < 0 ? fail(container, "give up capabilities") : 0;
}
