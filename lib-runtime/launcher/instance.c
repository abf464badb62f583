// SPDX-License-Identifier: BSD-3-Clause
#include "instance.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "identity.h"
#include "resolve.h"
#include "signals.h"
#include "status.h"

#define MOST_NAMESPACES 8

static const struct kind {
    const char *name;
    const char *file;
    int flag;
} KINDS[] = {{"user", "user", CLONE_NEWUSER}, // first: it gives the rights for the others
             {"mount", "mnt", CLONE_NEWNS},
             {"ipc", "ipc", CLONE_NEWIPC},
             {"uts", "uts", CLONE_NEWUTS},
             {"pid", "pid", CLONE_NEWPID}};

static bool ends(int number) { return number == SIGTERM || number == SIGINT || number == SIGQUIT; }

static _Noreturn void keep(pid_t child) {
    sigset_t relayed = relayed_signals();
    bool ending = false;
    for (;;) {
        if (ending && child <= 0) {
            _exit(0);
        }
        siginfo_t info;
        if (sigwaitinfo(&relayed, &info) < 0) {
            continue;
        }
        if (info.si_signo == SIGCHLD) {
            int status;
            pid_t pid;
            while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                child = pid == child ? 0 : child;
            }
            continue;
        }
        ending = ending || ends(info.si_signo);
        if (child > 0) {
            kill(child, info.si_signo);
        }
    }
}

int step_hold(struct container *container, const struct operand *operands) {
    bool commands = operands[0].number != 0;
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0) {
        return fail(container, "pipe");
    }
    pid_t child = commands ? fork() : 0;
    if (child < 0) {
        return fail(container, "start the command of the instance");
    }
    if (commands && child == 0) {
        close(ready[0]);
        container->keeper = ready[1];
        return 0;
    }
    close(ready[1]);
    close(container->control);
    let_go_of_stdio();
    prctl(PR_SET_NAME, "instance");
    char failed;
    if (commands && read(ready[0], &failed, 1) == 1) {
        waitpid(child, NULL, 0);
        _exit(OWN_FAILURE);
    }
    close(ready[0]);
    report_note(container, 0, "started");
    close(container->status); // nothing more can fail: who waits for that may go on
    keep(commands ? child : 0);
}

void tell_keeper(struct container *container) {
    if (container->keeper >= 0 && write(container->keeper, "x", 1) < 0) {
        return; // the keeper is gone; so will we be
    }
}

static int open_of(struct container *container, uint64_t pid, const char *what, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%llu/%s", (unsigned long long)pid, what);
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? fail(container, "open %s", path) : fd;
}

int step_join(struct container *container, const struct operand *operands) {
    uint64_t pid = operands[0].number;
    int files[MOST_NAMESPACES];
    int flags = 0;
    int root = open_of(container, pid, "root", O_PATH | O_DIRECTORY);
    if (root < 0) {
        return -1;
    }
    for (size_t at = 0; at < sizeof KINDS / sizeof *KINDS; at++) {
        files[at] = -1;
        for (size_t item = 0; item < operands[1].count; item++) {
            if (strcmp(operands[1].items[item], KINDS[at].name) == 0) {
                char file[16];
                snprintf(file, sizeof file, "ns/%s", KINDS[at].file);
                files[at] = open_of(container, pid, file, O_RDONLY);
                if (files[at] < 0) {
                    return -1;
                }
                flags |= KINDS[at].flag;
            }
        }
    }
    for (size_t at = 0; at < sizeof KINDS / sizeof *KINDS; at++) {
        if (files[at] >= 0) {
            if (setns(files[at], KINDS[at].flag) < 0) {
                return fail(container, "enter the %s namespace of process %llu", KINDS[at].name, (unsigned long long)pid);
            }
            close(files[at]);
        }
    }
    if (fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0) {
        return fail(container, "enter the root of process %llu", (unsigned long long)pid);
    }
    close(root);
    strcpy(container->root_path, "/");
    die_with_parent(container->control); // new credentials may have cleared it
    return flags & CLONE_NEWPID ? go_on_beside(container, "start a process in the namespace") : 0;
}
