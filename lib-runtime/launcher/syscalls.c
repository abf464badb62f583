// SPDX-License-Identifier: BSD-3-Clause
#include "syscalls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "no audit architecture for this machine"
#endif

// Numbers from 424 on are the same on every architecture (Linux 5.1 and later).
static const struct {
    const char *name;
    unsigned number;
} CALLS[] = {
    {"statx", SYS_statx},        {"execveat", SYS_execveat}, {"io_uring_setup", 425}, {"open_tree", 428},
    {"openat2", 437},            {"faccessat2", 439},        {"fchmodat2", 452},      {"setxattrat", 463},
    {"getxattrat", 464},         {"listxattrat", 465},       {"removexattrat", 466},  {"open_tree_attr", 467},
    {"file_getattr", 468},       {"file_setattr", 469},
};
#define KNOWN (sizeof CALLS / sizeof *CALLS)

int step_without_system_calls(struct container *container, const struct operand *operands) {
    struct sock_filter filter[KNOWN + 6] = {
        // Calls of other architectures (32-bit programs) have other numbers: they pass.
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned short length = 4;
    size_t count = operands[0].count;
    if (count > KNOWN) {
        errno = E2BIG;
        return fail(container, "without-system-calls: too many names");
    }
    for (size_t item = 0; item < count; item++) {
        size_t at = 0;
        while (at < KNOWN && strcmp(CALLS[at].name, operands[0].items[item]) != 0) {
            at++;
        }
        if (at == KNOWN) {
            errno = EINVAL;
            return fail(container, "unknown system call %s", operands[0].items[item]);
        }
        // On a hit to the last instruction, which lies behind the other comparisons and the one that allows.
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS[at].number,
                                                        (unsigned char)(count - item), 0);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    struct sock_fprog program = {.len = length, .filter = filter};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0) {
        return fail(container, "seccomp filter");
    }
    return 0;
}
