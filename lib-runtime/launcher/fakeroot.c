// SPDX-License-Identifier: BSD-3-Clause
#include "fakeroot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NONE (~0u) // a number that no call has
#define MOST_CALLS 32

// The calls of one ABI by number. chown and set*id do nothing, mknod only when a device is wanted; setxattr does
// nothing where the kernel refuses security.capability (a filter cannot look at the name of the attribute).
struct abi {
    unsigned architecture;
    unsigned mask;     // of the number: x32 calls differ from x86-64 ones by one bit
    unsigned ids[28];  // ended by 0
    unsigned attributes[4];
    unsigned mknod;   // mode is the second argument
    unsigned mknodat; // mode is the third one
};

static const struct abi ABIS[] = {
#if defined(__x86_64__)
    {AUDIT_ARCH_X86_64, ~0x40000000u,
     {SYS_chown, SYS_fchown, SYS_lchown, SYS_fchownat, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setgroups,
      SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid},
     {SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, 463}, SYS_mknod, SYS_mknodat},
    // arch/x86/entry/syscalls/syscall_32.tbl: each with 16-bit ids, then the one with 32-bit ids.
    {AUDIT_ARCH_I386, ~0u,
     {182, 212, 95, 207, 16, 198, 298, 23, 213, 46, 214, 70, 203, 71, 204, 81, 206, 164, 208, 170, 210, 138, 215, 139, 216},
     {226, 227, 228, 463}, 14, 297},
#elif defined(__aarch64__)
    {AUDIT_ARCH_AARCH64, ~0u,
     {SYS_fchown, SYS_fchownat, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setgroups, SYS_setresuid,
      SYS_setresgid, SYS_setfsuid, SYS_setfsgid},
     {SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, 463}, NONE, SYS_mknodat},
    // arch/arm/tools/syscall.tbl
    {AUDIT_ARCH_ARM, ~0u,
     {182, 212, 95, 207, 16, 198, 325, 23, 213, 46, 214, 70, 203, 71, 204, 81, 206, 164, 208, 170, 210, 138, 215, 139, 216},
     {226, 227, 228, 463}, 14, 324},
#else
#error "no system call numbers for this machine"
#endif
};
#define ABI_COUNT (sizeof ABIS / sizeof *ABIS)

struct program {
    struct sock_filter code[ABI_COUNT * (MOST_CALLS + 16) + 2];
    unsigned short length;
};

static void emit(struct program *program, struct sock_filter instruction) {
    program->code[program->length++] = instruction;
}

static void emit_abi(struct program *program, const struct abi *abi, bool attributes) {
    unsigned calls[MOST_CALLS];
    unsigned count = 0;
    for (size_t at = 0; abi->ids[at] != 0; at++) {
        calls[count++] = abi->ids[at];
    }
    for (size_t at = 0; at < sizeof abi->attributes / sizeof *abi->attributes && attributes; at++) {
        calls[count++] = abi->attributes[at];
    }
    // Skips the whole block for another ABI: its 2 loads, the calls, and the 10 instructions of the tail.
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, abi->architecture, 0,
                                               (unsigned char)(2 + count + 10)));
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    emit(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, abi->mask));
    for (unsigned at = 0; at < count; at++) { // to the last instruction of the tail
        emit(program,
             (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[at], (unsigned char)(count - at - 1 + 9), 0));
    }
    // Arguments lie in 64 bits each; the lower half comes first on the machines that there are.
    const struct sock_filter tail[] = {
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, abi->mknod, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_STMT(BPF_JMP | BPF_JA, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, abi->mknodat, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, S_IFMT),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, S_IFCHR, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, S_IFBLK, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
    };
    for (size_t at = 0; at < sizeof tail / sizeof *tail; at++) {
        emit(program, tail[at]);
    }
}

// Whether a file capability can really be set in this root: in a user namespace that depends on the file system and
// the kernel. A root that cannot be written to leaves nothing to pretend.
static bool attributes_refused(void) {
    static const char *const PLACES[] = {"/usr", "/"};
    // VFS_CAP_REVISION_2 with cap_net_bind_service permitted, little-endian.
    static const unsigned char CAPABILITY[20] = {0, 0, 0, 2, 0, 4};
    for (size_t at = 0; at < sizeof PLACES / sizeof *PLACES; at++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/.nbcontainer-XXXXXX", at == 0 ? PLACES[at] : "");
        int fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0) {
            bool refused = fsetxattr(fd, "security.capability", CAPABILITY, sizeof CAPABILITY, 0) < 0;
            unlink(path);
            close(fd);
            return refused;
        }
    }
    return false;
}

int step_fake_root(struct container *container, const struct operand *operands) {
    (void)operands;
    struct program program = {.length = 0};
    bool attributes = attributes_refused();
    emit(&program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    for (size_t at = 0; at < ABI_COUNT; at++) {
        emit_abi(&program, &ABIS[at], attributes);
    }
    emit(&program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog filter = {.len = program.length, .filter = program.code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0) {
        return fail(container, "seccomp filter of the fake root");
    }
    return 0;
}
