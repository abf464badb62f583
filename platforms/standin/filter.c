// SPDX-License-Identifier: BSD-3-Clause
/*
 * Seccomp filters of the stand-ins.
 *
 * docker: which calls docker's default profile refuses depends on the container's capabilities; the table names the
 * refused ones (an allow list of 350 names comes to the same on the two architectures we build for). Calls newer
 * than the profile answer ENOSYS, as runc does. Programs of a foreign architecture (i386 on x86-64) get ENOSYS for
 * everything: neither platform's tools need them, and a filter per architecture would double the table.
 */
#define _GNU_SOURCE
#include "standin.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "stand-ins are built for x86-64 and arm64"
#endif

/* The same numbers on every architecture; older headers lack some. */
#define NR_OPEN_TREE 428
#define NR_MOVE_MOUNT 429
#define NR_FSOPEN 430
#define NR_FSCONFIG 431
#define NR_FSMOUNT 432
#define NR_FSPICK 433
#define NR_CLONE3 435
#define NR_PIDFD_GETFD 438
#define NR_PROCESS_MADVISE 440
#define NR_MOUNT_SETATTR 442
#define NR_QUOTACTL_FD 443
#define NR_SET_MEMPOLICY_HOME_NODE 450
#define NR_OPEN_TREE_ATTR 467
#define NEWEST_KNOWN_CALL 450

/* CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET */
#define ALL_NAMESPACES 0x7e020000u
#define NEVER (-1)

struct refusal {
  int number;
  int capability; /* that lifts the refusal, or NEVER */
};

static const struct refusal REFUSED[] = {
    {__NR_add_key, NEVER},
    {__NR_keyctl, NEVER},
    {__NR_request_key, NEVER},
    {__NR_pivot_root, NEVER},
    {__NR_kexec_load, NEVER},
    {__NR_migrate_pages, NEVER},
    {__NR_move_pages, NEVER},
    {__NR_nfsservctl, NEVER},
    {__NR_swapon, NEVER},
    {__NR_swapoff, NEVER},
    {__NR_userfaultfd, NEVER},
    {__NR_io_uring_setup, NEVER},
    {__NR_io_uring_enter, NEVER},
    {__NR_io_uring_register, NEVER},
#ifdef __NR_kexec_file_load
    {__NR_kexec_file_load, NEVER},
#endif
#ifdef __x86_64__
    {__NR__sysctl, NEVER},
    {__NR_sysfs, NEVER},
    {__NR_uselib, NEVER},
    {__NR_ustat, NEVER},
    {__NR_iopl, CAP_SYS_RAWIO},
    {__NR_ioperm, CAP_SYS_RAWIO},
#endif
    {__NR_mount, CAP_SYS_ADMIN},
    {__NR_umount2, CAP_SYS_ADMIN},
    {__NR_unshare, CAP_SYS_ADMIN},
    {__NR_setns, CAP_SYS_ADMIN},
    {__NR_sethostname, CAP_SYS_ADMIN},
    {__NR_setdomainname, CAP_SYS_ADMIN},
    {__NR_fanotify_init, CAP_SYS_ADMIN},
    {__NR_quotactl, CAP_SYS_ADMIN},
    {NR_QUOTACTL_FD, CAP_SYS_ADMIN},
    {NR_OPEN_TREE, CAP_SYS_ADMIN},
    {NR_MOVE_MOUNT, CAP_SYS_ADMIN},
    {NR_FSOPEN, CAP_SYS_ADMIN},
    {NR_FSCONFIG, CAP_SYS_ADMIN},
    {NR_FSMOUNT, CAP_SYS_ADMIN},
    {NR_FSPICK, CAP_SYS_ADMIN},
    {NR_MOUNT_SETATTR, CAP_SYS_ADMIN},
    {__NR_bpf, CAP_SYS_ADMIN},
    {__NR_perf_event_open, CAP_SYS_ADMIN},
    {__NR_syslog, CAP_SYS_ADMIN},
    {__NR_open_by_handle_at, CAP_DAC_READ_SEARCH},
    {__NR_reboot, CAP_SYS_BOOT},
    {__NR_chroot, CAP_SYS_CHROOT},
    {__NR_init_module, CAP_SYS_MODULE},
    {__NR_finit_module, CAP_SYS_MODULE},
    {__NR_delete_module, CAP_SYS_MODULE},
    {__NR_acct, CAP_SYS_PACCT},
    {__NR_kcmp, CAP_SYS_PTRACE},
    {NR_PIDFD_GETFD, CAP_SYS_PTRACE},
    {NR_PROCESS_MADVISE, CAP_SYS_PTRACE},
    {__NR_settimeofday, CAP_SYS_TIME},
    {__NR_clock_settime, CAP_SYS_TIME},
    {__NR_vhangup, CAP_SYS_TTY_CONFIG},
    {__NR_mbind, CAP_SYS_NICE},
    {__NR_get_mempolicy, CAP_SYS_NICE},
    {__NR_set_mempolicy, CAP_SYS_NICE},
    {NR_SET_MEMPOLICY_HOME_NODE, CAP_SYS_NICE},
};

enum { MAX_CODE = 256 };

struct program {
  struct sock_filter code[MAX_CODE];
  unsigned short length;
};

static void emit(struct program *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value) {
  if (program->length == MAX_CODE) {
    errno = E2BIG;
    die("seccomp filter", "too many instructions");
  }
  program->code[program->length++] = (struct sock_filter){code, yes, no, value};
}

static void load(struct program *program, uint32_t offset) {
  emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

static void give(struct program *program, uint32_t action) {
  emit(program, BPF_RET | BPF_K, 0, 0, action);
}

/* Foreign architectures, and x32 on x86-64, answer ENOSYS; leaves the call's number in the accumulator. */
static void begin(struct program *program) {
  load(program, offsetof(struct seccomp_data, arch));
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE_ARCH);
  give(program, SECCOMP_RET_ERRNO | ENOSYS);
  load(program, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
  emit(program, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000);
  give(program, SECCOMP_RET_ERRNO | ENOSYS);
#endif
}

static void on_call(struct program *program, int number, uint32_t action) {
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)number);
  give(program, action);
}

static int install(struct program *program, unsigned flags) {
  struct sock_fprog fprog = {program->length, program->code};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
}

/* The low word of an argument (both architectures are little-endian). */
#define ARGUMENT(index) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (index)))

void install_docker_filter(uint64_t capabilities) {
  struct program program = {.length = 0};
  begin(&program);
  bool administrator = capabilities & (1ull << CAP_SYS_ADMIN);
  for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
    int lifts = REFUSED[i].capability;
    if (lifts == NEVER || !(capabilities & (1ull << lifts))) {
      on_call(&program, REFUSED[i].number, SECCOMP_RET_ERRNO | EPERM);
    }
  }
  if (!administrator) {
    /* glibc falls back to clone, whose flags a filter can read. */
    on_call(&program, NR_CLONE3, SECCOMP_RET_ERRNO | ENOSYS);
    emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, __NR_clone);
    load(&program, ARGUMENT(0));
    emit(&program, BPF_JMP | BPF_JSET | BPF_K, 0, 1, ALL_NAMESPACES);
    give(&program, SECCOMP_RET_ERRNO | EPERM);
    give(&program, SECCOMP_RET_ALLOW);
  }
  /* personality: only 0, PER_LINUX32 and their UNAME26 forms, and the query. */
  emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 0, 8, __NR_personality);
  load(&program, ARGUMENT(0));
  emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 0);
  emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 8);
  emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 0x20000);
  emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0x20008);
  emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0xffffffffu);
  give(&program, SECCOMP_RET_ALLOW);
  give(&program, SECCOMP_RET_ERRNO | EPERM);
  emit(&program, BPF_JMP | BPF_JGT | BPF_K, 0, 1, NEWEST_KNOWN_CALL);
  give(&program, SECCOMP_RET_ERRNO | ENOSYS);
  give(&program, SECCOMP_RET_ALLOW);
  if (install(&program, 0) < 0) {
    die("seccomp filter of docker", NULL);
  }
}

void install_deny_mounts_filter(void) {
  static const int DENIED[] = {__NR_mount, __NR_pivot_root, NR_OPEN_TREE,     NR_MOVE_MOUNT,    NR_FSOPEN,
                               NR_FSMOUNT, NR_FSPICK,       NR_MOUNT_SETATTR, NR_OPEN_TREE_ATTR};
  struct program program = {.length = 0};
  begin(&program);
  for (size_t i = 0; i < sizeof DENIED / sizeof *DENIED; i++) {
    on_call(&program, DENIED[i], SECCOMP_RET_ERRNO | EACCES);
  }
  give(&program, SECCOMP_RET_ALLOW);
  if (install(&program, 0) < 0) {
    die("seccomp filter of mounts", NULL);
  }
}

int install_mount_filter(void) {
  static const int WATCHED[] = {__NR_mount,  NR_OPEN_TREE,     NR_MOVE_MOUNT,    NR_FSOPEN,
                                NR_FSPICK,   NR_MOUNT_SETATTR, NR_OPEN_TREE_ATTR};
  struct program program = {.length = 0};
  begin(&program);
  for (size_t i = 0; i < sizeof WATCHED / sizeof *WATCHED; i++) {
    on_call(&program, WATCHED[i], SECCOMP_RET_USER_NOTIF);
  }
  give(&program, SECCOMP_RET_ALLOW);
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1ul << 5)
#endif
  /* Go preempts its threads by signals: without "killable" their mounts would be restarted for ever. */
  int listener = install(&program, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (listener < 0 && errno == EINVAL) {
    listener = install(&program, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  }
  if (listener < 0) {
    die("seccomp filter of mounts", NULL);
  }
  return listener;
}
