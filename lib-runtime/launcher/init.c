// SPDX-License-Identifier: BSD-3-Clause
#include "init.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "signals.h"

// Reaps what the namespace leaves, passes signals on, ends with the child's status; the kernel then ends the rest.
static _Noreturn void run_init(pid_t child) {
    sigset_t relayed = relayed_signals();
    for (;;) {
        siginfo_t info;
        if (sigwaitinfo(&relayed, &info) < 0) {
            continue;
        }
        if (info.si_signo != SIGCHLD) {
            if (info.si_code <= 0) {
                kill(child, info.si_signo);
            }
            continue;
        }
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
            if (pid == child) {
                _exit(exit_status(status));
            }
        }
    }
}

int become_namespace_child(struct container *container) {
    if (go_on_beside(container, "start pid 1 of the namespace") < 0) {
        return -1;
    }
    pid_t child = fork();
    if (child < 0) {
        return fail(container, "start the child of pid 1");
    }
    if (child == 0) {
        return 0;
    }
    close(container->control);
    close(container->status);
    let_go_of_stdio();
    run_init(child);
}
