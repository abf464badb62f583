// SPDX-License-Identifier: BSD-3-Clause
#include "signals.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAST_SIGNAL 64
#define MOST_LEVELS 32 // of pid namespaces, as the kernel has it
#define PATIENCE 400 // rounds of 10 ms

sigset_t relayed_signals(void) {
    static const int OWN[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t set;
    sigfillset(&set);
    for (size_t at = 0; at < sizeof OWN / sizeof *OWN; at++) {
        sigdelset(&set, OWN[at]);
    }
    return set;
}

void reset_signals(void) {
    // The system call itself, all zero being SIG_DFL without flags: a libc keeps a few numbers to itself.
    static const unsigned long standard[8];
    sigset_t none;
    for (int number = 1; number <= LAST_SIGNAL; number++) {
        syscall(SYS_rt_sigaction, number, standard, NULL, 8); // SIGKILL and SIGSTOP cannot be changed
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int exit_status(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void let_go_of_stdio(void) {
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) {
        if (null < 0) {
            close(fd);
        } else if (null != fd) {
            dup2(null, fd);
        }
    }
    if (null > 2) {
        close(null);
    }
}

// From /proc/PID/stat: `pid (name) state ppid`; the name may hold anything.
pid_t parent_of(const char *pid) {
    char path[300];
    char text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0) {
        return -1;
    }
    text[size] = '\0';
    const char *after = strrchr(text, ')');
    return after == NULL || strlen(after) < 4 ? -1 : (pid_t)strtol(after + 4, NULL, 10);
}

// The ids of a process in the pid namespace of this /proc and in those below, down to its own (NSpid of
// /proc/PID/status). Returns how many, 0 on a kernel before 4.1, -1 when there is no such process.
static int ids_of(const char *pid, long ids[MOST_LEVELS]) {
    char path[300];
    char text[4096];
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    if (size <= 0) {
        return -1;
    }
    text[size] = '\0';
    char *at = strstr(text, "\nNSpid:");
    int count = 0;
    for (at = at == NULL ? NULL : at + strlen("\nNSpid:"); at != NULL && *at == '\t' && count < MOST_LEVELS; count++) {
        ids[count] = strtol(at, &at, 10);
    }
    return count;
}

static void kill_children(void) {
    long ids[MOST_LEVELS];
    int levels = ids_of("self", ids);
    DIR *processes = levels < 0 ? NULL : opendir("/proc");
    if (processes == NULL) {
        return;
    }
    // Started in a new pid namespace with the /proc of another, we and our children have other ids there.
    pid_t self = levels > 1 ? (pid_t)ids[0] : getpid();
    struct dirent *entry;
    while ((entry = readdir(processes)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && parent_of(entry->d_name) == self) {
            if (levels <= 1) {
                kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
            } else if (ids_of(entry->d_name, ids) >= levels) {
                kill((pid_t)ids[levels - 1], SIGKILL);
            }
        }
    }
    closedir(processes);
}

void end_descendants(void) {
    sigset_t child;
    struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (int round = 0; round < PATIENCE; round++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        }
        if (pid < 0 && errno == ECHILD) {
            return;
        }
        kill_children(); // what they leave behind becomes ours and is met in the next round
        sigtimedwait(&child, NULL, &pause);
    }
}
