// SPDX-License-Identifier: BSD-3-Clause
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/loop.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "propagation.h"
#include "status.h"

// Every probe returns 0 or an errno; it runs in a process of its own.

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    int result = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return result;
}

// A user namespace (with more flags) in which we are root: the map is part of the question.
static int enter_user(int flags) {
    char map[64];
    unsigned int uid = geteuid();
    unsigned int gid = getegid();
    if (unshare(CLONE_NEWUSER | flags) < 0) {
        return errno;
    }
    int result = write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    result = result == 0 ? write_text("/proc/self/uid_map", map) : result;
    snprintf(map, sizeof map, "0 %u 1", gid);
    return result == 0 ? write_text("/proc/self/gid_map", map) : result;
}

static int make_private(void) { return make_mounts_private() < 0 ? errno : 0; }

// The mount namespace that a container would get: without a user namespace where that is allowed.
static int enter_mounts(int flags) {
    int result = unshare(CLONE_NEWNS | flags) < 0 ? enter_user(CLONE_NEWNS | flags) : 0;
    return result == 0 ? make_private() : result;
}

// Any directory to mount on; in a namespace of our own.
static const char *place(void) {
    static const char *const PLACES[] = {"/tmp", "/var/tmp", "/run", "/mnt", "/usr"};
    struct stat status;
    for (size_t at = 0; at < sizeof PLACES / sizeof *PLACES; at++) {
        if (lstat(PLACES[at], &status) == 0 && S_ISDIR(status.st_mode)) {
            return PLACES[at];
        }
    }
    return "/";
}

static int mount_tmpfs(void) {
    return mount("tmpfs", place(), "tmpfs", 0, "size=64k") < 0 || chdir(place()) < 0 ? errno : 0;
}

static int probe_user(void) { return enter_user(0); }

// All ids that we have ourselves, each staying what it is: only a parent with the right capabilities may map them.
static int probe_full_map(void) {
    char map[64];
    unsigned int inside = 0;
    unsigned int count = 0;
    int ready[2];
    FILE *own = fopen("/proc/self/uid_map", "re");
    if (own == NULL || pipe(ready) < 0) {
        return errno;
    }
    int fields = fscanf(own, "%u %*u %u", &inside, &count);
    fclose(own);
    pid_t pid = fork();
    if (pid == 0) {
        char byte = unshare(CLONE_NEWUSER) < 0 ? (char)errno : 0;
        (void)!write(ready[1], &byte, 1);
        pause();
        _exit(0);
    }
    close(ready[1]);
    char failed = 0;
    int result = fields != 2 || pid < 0 || read(ready[0], &failed, 1) != 1 ? EAGAIN : failed;
    if (result == 0) {
        char path[48];
        snprintf(path, sizeof path, "/proc/%d/uid_map", (int)pid);
        snprintf(map, sizeof map, "%u %u %u", inside, inside, count);
        result = write_text(path, map);
    }
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return result;
}

static int probe_mounts(void) {
    int result = unshare(CLONE_NEWNS) < 0 ? errno : 0;
    return result == 0 ? make_private() : result;
}

static int probe_user_mounts(void) {
    int result = enter_user(CLONE_NEWNS);
    return result == 0 ? make_private() : result;
}

static int probe_tmpfs(void) {
    int result = enter_mounts(0);
    return result == 0 ? mount_tmpfs() : result;
}

static int probe_bind(void) {
    int result = enter_mounts(0);
    if (result != 0 || mount(place(), place(), NULL, MS_BIND, NULL) == 0) {
        return result;
    }
    // In a user namespace a directory with mounts below it can only be bound together with them.
    return errno != EINVAL || mount(place(), place(), NULL, MS_BIND | MS_REC, NULL) < 0 ? errno : 0;
}

static int probe_bind_procfs(void) {
    int result = enter_mounts(0);
    return result != 0 ? result : mount("/proc", place(), NULL, MS_BIND | MS_REC, NULL) < 0 ? errno : 0;
}

static int probe_fresh_procfs(void) {
    int result = enter_mounts(CLONE_NEWPID);
    if (result != 0) {
        return result;
    }
    pid_t pid = fork();
    if (pid == 0) {
        _exit(mount("proc", place(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? errno : 0);
    }
    int status;
    return pid < 0 || waitpid(pid, &status, 0) < 0 ? errno : WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static int try_overlay(const char *options) {
    static const char *const NAMES[] = {"lower", "upper", "work", "root"};
    int result = mount_tmpfs();
    for (size_t at = 0; at < sizeof NAMES / sizeof *NAMES && result == 0; at++) {
        result = mkdir(NAMES[at], 0700) < 0 ? errno : 0;
    }
    return result != 0 ? result : mount("overlay", "root", "overlay", 0, options) < 0 ? errno : 0;
}

static int probe_overlay(void) {
    int result = unshare(CLONE_NEWNS) < 0 ? errno : make_private();
    return result == 0 ? try_overlay("lowerdir=lower,upperdir=upper,workdir=work") : result;
}

static int probe_user_overlay(void) {
    int result = probe_user_mounts();
    return result == 0 ? try_overlay("lowerdir=lower,upperdir=upper,workdir=work,userxattr") : result;
}

static int probe_pivot(void) {
    int result = probe_tmpfs();
    return result != 0 ? result : syscall(SYS_pivot_root, ".", ".") < 0 ? errno : 0;
}

static int probe_chroot(void) { return chroot("/") < 0 ? errno : 0; }

static int probe_mknod(void) {
    char path[96];
    snprintf(path, sizeof path, "%s/.nbcontainer-probe-%d", place(), (int)getpid());
    if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0) {
        return errno;
    }
    unlink(path);
    return 0;
}

static int probe_fuse(void) { return open("/dev/fuse", O_RDWR | O_CLOEXEC) < 0 ? errno : 0; }

// The mount alone: nobody answers the kernel's first request, and the end of this process takes both away.
static int probe_fuse_mount(void) {
    char options[96];
    int result = enter_mounts(0);
    int device = result == 0 ? open("/dev/fuse", O_RDWR | O_CLOEXEC) : -1; // in the namespace that mounts it
    if (device < 0) {
        return result == 0 ? errno : result;
    }
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", device, geteuid(), getegid());
    return mount("nbcontainer-probe", place(), "fuse", MS_NOSUID | MS_NODEV, options) < 0 ? errno : 0;
}

static int probe_loop(void) {
    char path[32];
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) {
        return errno;
    }
    snprintf(path, sizeof path, "/dev/loop%d", number);
    if (open(path, O_RDONLY | O_CLOEXEC) < 0) {
        return errno;
    }
    // Root of a user namespace may open it and mount nothing from it; the device is free, so real root gets another errno.
    int denied = geteuid() == 0 && probe_mounts() == 0 && mount(path, place(), "squashfs", MS_RDONLY, NULL) < 0 ? errno : 0;
    return denied == EPERM || denied == ENODEV ? denied : 0;
}

static int probe_ptrace(void) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) {
            _exit(errno);
        }
        raise(SIGSTOP);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        return errno;
    }
    if (WIFSTOPPED(status)) {
        int result = ptrace(PTRACE_CONT, pid, NULL, NULL) < 0 ? errno : 0;
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return result;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static int probe_seccomp(void) {
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 1, .filter = allow};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return errno;
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? errno : 0;
}

#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER 8
#endif

static int probe_notification(void) {
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 1, .filter = allow};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return errno;
    }
    long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    return listener < 0 ? errno : 0;
}

static int probe_write_root(void) {
    char path[64];
    snprintf(path, sizeof path, "/.nbcontainer-probe-%d", (int)getpid());
    if (mkdir(path, 0700) < 0) {
        return errno;
    }
    return rmdir(path) < 0 ? errno : 0;
}

static const struct {
    const char *name;
    int (*probe)(void);
} PROBES[] = {
    {"user-namespace", probe_user},
    {"user-full-map", probe_full_map},
    {"mount-namespace", probe_mounts},
    {"user-mount-namespace", probe_user_mounts},
    {"tmpfs", probe_tmpfs},
    {"bind", probe_bind},
    {"bind-procfs", probe_bind_procfs},
    {"fresh-procfs", probe_fresh_procfs},
    {"overlay", probe_overlay},
    {"user-overlay", probe_user_overlay},
    {"pivot-root", probe_pivot},
    {"chroot", probe_chroot},
    {"mknod", probe_mknod},
    {"fuse-device", probe_fuse},
    {"fuse-mount", probe_fuse_mount},
    {"loop-device", probe_loop},
    {"ptrace", probe_ptrace},
    {"seccomp-filter", probe_seccomp},
    {"seccomp-notification", probe_notification},
    {"write-root", probe_write_root},
};
#define COUNT (sizeof PROBES / sizeof *PROBES)

int run_probes(void) {
    pid_t children[COUNT];
    signal(SIGCHLD, SIG_DFL);
    fflush(stdout);
    for (size_t at = 0; at < COUNT; at++) { // side by side: most of the time is the kernel's taking namespaces down
        children[at] = fork();
        if (children[at] == 0) {
            _exit(PROBES[at].probe());
        }
    }
    for (size_t at = 0; at < COUNT; at++) {
        int status;
        int error = children[at] < 0 || waitpid(children[at], &status, 0) < 0 ? EAGAIN
                    : WIFEXITED(status) && WEXITSTATUS(status) != OWN_FAILURE    ? WEXITSTATUS(status)
                                                                                 : EPERM; // killed, or propagation.c gave up
        printf("%s %s\n", PROBES[at].name, error == 0 ? "ok" : errno_name(error));
    }
    return 0;
}
