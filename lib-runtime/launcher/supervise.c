// SPDX-License-Identifier: BSD-3-Clause
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "fuse.h"
#include "identity.h"
#include "idmaps.h"
#include "ledger.h"
#include "plan.h"
#include "signals.h"
#include "status.h"

// A signal that reached our process group is not passed on a second time within this time.
#define SAME_SIGNAL_NS (200 * 1000 * 1000LL)

struct supervisor {
    pid_t front;
    pid_t main; // the payload, or pid 1 of its namespace
    int control;
    bool deaf;  // a request was lost: what is watched may not be the payload
    int mounts; // the payload's mount namespace, kept for it, or -1
    bool early[65];       // signals that came before `main` was the payload's: it blocked them and ended
    long long direct[65]; // when a signal last came from elsewhere than the front process, ns
};

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void answer(struct supervisor *supervisor, const struct incoming *incoming) {
    struct reply reply = {0};
    switch (incoming->kind) {
    case REQUEST_MAIN:
        supervisor->main = (pid_t)strtol(incoming->strings[0], NULL, 10);
        for (int number = 1; number < 65; number++) {
            if (supervisor->early[number]) {
                kill(supervisor->main, number);
            }
        }
        return;
    case REQUEST_MOUNTS:
        if (supervisor->mounts >= 0) {
            close(supervisor->mounts);
        }
        supervisor->mounts = incoming->fd; // for as long as we live
        return;
    case REQUEST_MAPS:
        write_maps(supervisor->main, incoming->strings, &reply);
        break;
    case REQUEST_LEDGER:
        ledger_open(incoming->strings[0], &reply);
        break;
    case REQUEST_ENTRY:
        ledger_entry(incoming->strings[0], incoming->strings[1], incoming->strings[2], &reply);
        break;
    case REQUEST_SERVE:
        serve_fuse(supervisor->main, incoming->fd, incoming->strings, &reply);
        break;
    case REQUEST_SERVED:
        settle_fuse(incoming->strings, &reply);
        break;
    default:
        reply.error = EPROTO;
    }
    if (incoming->fd >= 0) {
        close(incoming->fd);
    }
    if (!send_reply(supervisor->control, &reply)) {
        close(supervisor->control); // who asked hears that there is no answer
        supervisor->control = -1;
    }
}

static void serve(struct supervisor *supervisor) {
    struct incoming incoming;
    int got = 0;
    while (supervisor->control >= 0 && (got = receive_request(supervisor->control, &incoming)) > 0) {
        answer(supervisor, &incoming);
    }
    if (supervisor->control >= 0 && (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))) {
        supervisor->deaf = got < 0 && errno != ECONNRESET; // that is an end, before an answer was read
        close(supervisor->control); // exec closed the other end
        supervisor->control = -1;
    }
}

// The front process passes on what was sent to it alone; what was sent to the whole group (Ctrl-C in a terminal,
// killpg) has reached the payload already, as long as the payload is in our group.
static void relay(struct supervisor *supervisor, const struct signalfd_siginfo *info) {
    int number = (int)info->ssi_signo;
    supervisor->early[number] = true;
    if (info->ssi_code > 0) {
        return; // from the kernel: the terminal sent it to the group
    }
    if ((pid_t)info->ssi_pid != supervisor->front) {
        supervisor->direct[number] = now();
        return;
    }
    bool seen = supervisor->direct[number] != 0 && now() - supervisor->direct[number] < SAME_SIGNAL_NS;
    if (!seen || getpgid(supervisor->main) != getpgrp()) {
        kill(supervisor->main, number);
    }
}

// The payload stopped by itself while our group holds the terminal (`suspend` in a shell): stop the group as well, so
// that the user's shell gets the terminal back. An orphaned group ignores SIGTSTP, as it should.
static void follow_stop(const struct supervisor *supervisor) {
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    siginfo_t info = {0};
    nanosleep(&pause, NULL); // an ordinary Ctrl-Z and fg is over by then
    if (waitid(P_PID, (id_t)supervisor->main, &info, WSTOPPED | WNOWAIT | WNOHANG) < 0 || info.si_pid == 0) {
        return;
    }
    waitid(P_PID, (id_t)supervisor->main, &info, WSTOPPED | WNOHANG); // not its end, which is for reap()
    int terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (terminal >= 0) {
        pid_t foreground = tcgetpgrp(terminal);
        close(terminal);
        if (foreground == getpgrp()) {
            kill(0, SIGTSTP);
        }
    }
}

// Reaps; true when the payload has ended.
static bool reap(struct supervisor *supervisor, int *status) {
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) {
            return false;
        }
        serve(supervisor); // a new main process is announced before its maker ends
        if (info.si_code == CLD_STOPPED) {
            if (info.si_pid == supervisor->main) {
                follow_stop(supervisor);
            } else {
                waitid(P_PID, (id_t)info.si_pid, &info, WSTOPPED | WNOHANG);
            }
            continue;
        }
        waitpid(info.si_pid, status, WNOHANG);
        if (info.si_pid == supervisor->main) {
            return true;
        }
    }
}

static int watch(struct supervisor *supervisor, int signals) {
    int status = OWN_FAILURE << 8;
    for (;;) {
        struct pollfd watched[2] = {{.fd = signals, .events = POLLIN}, {.fd = supervisor->control, .events = POLLIN}};
        if (poll(watched, 2, -1) < 0) {
            continue;
        }
        if (watched[1].revents != 0) {
            serve(supervisor);
        }
        if (supervisor->deaf) {
            return OWN_FAILURE << 8;
        }
        struct signalfd_siginfo info;
        while (read(signals, &info, sizeof info) == sizeof info) {
            if ((int)info.ssi_signo == PARENT_DIED) {
                return SIGKILL; // as a status of waitpid; end_descendants() follows
            }
            if (info.ssi_signo == SIGCHLD) {
                if (reap(supervisor, &status)) {
                    return status;
                }
            } else {
                relay(supervisor, &info);
            }
        }
    }
}

// Dies, in an orderly way, with the parent.
static void notice_parent(pid_t parent) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, PARENT_DIED);
    if (getppid() != parent) {
        kill(getpid(), PARENT_DIED);
    }
}

static _Noreturn void run_supervisor(struct container *container, pid_t front, int signals,
                                     void (*child)(struct container *)) {
    struct supervisor supervisor = {.front = front, .mounts = -1};
    int sockets[2];
    notice_parent(front);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0 || (supervisor.main = fork()) < 0) {
        report_failure(container->status, 0, errno, "start the payload's process");
        _exit(OWN_FAILURE);
    }
    if (supervisor.main == 0) {
        close(signals);
        close(sockets[0]);
        container->control = sockets[1];
        child(container);
        _exit(OWN_FAILURE);
    }
    close(sockets[1]);
    close(container->status);
    supervisor.control = sockets[0];
    let_go_of_stdio();
    int status = watch(&supervisor, signals);
    if (supervisor.control >= 0) {
        close(supervisor.control);
    }
    kill(supervisor.main, SIGKILL); // only alive when we were told to end
    end_descendants();
    ledger_release();
    if (supervisor.mounts >= 0) {
        close(supervisor.mounts);
    }
    _exit(exit_status(status));
}

static const char *ledger_of(const struct plan *plan) {
    for (size_t step = 0; step < plan->count; step++) {
        if (strcmp(plan->steps[step].operation->name, "ledger") == 0) {
            return plan->steps[step].operands[0].text;
        }
    }
    return NULL;
}

// What came on the status stream (status.h): its end says that the payload runs, a record of another kind than `note`
// that it never will. Until then the standard streams are kept, for the caller that we may become again.
static void hear(struct container *container) {
    char text[4096];
    ssize_t size = read(container->reports, text, sizeof text);
    for (ssize_t at = 0; at < size && !container->failed; at++) {
        container->report[container->report_size] = text[at];
        container->report_size += container->report_size + 1 < sizeof container->report;
        if (text[at] == '\0') {
            container->failed = container->report[0] != 'n';
            container->report_size = 0;
        }
    }
    if (size == 0 || (size < 0 && errno != EINTR)) {
        close(container->reports);
        container->reports = -1;
        if (!container->failed) {
            let_go_of_stdio();
        }
    }
}

// Waits for the supervisor; passes on what was sent to this process alone.
static int stand_in_front(struct container *container, pid_t supervisor, int signals) {
    for (;;) {
        struct pollfd watched[2] = {{.fd = signals, .events = POLLIN}, {.fd = container->reports, .events = POLLIN}};
        if (poll(watched, 2, -1) < 0) {
            continue;
        }
        if (watched[1].revents != 0) {
            hear(container);
        }
        struct signalfd_siginfo info;
        while (read(signals, &info, sizeof info) == sizeof info) {
            int status;
            pid_t ended;
            if (info.ssi_signo != SIGCHLD) {
                if (info.ssi_code <= 0 || (int)info.ssi_signo == PARENT_DIED) {
                    kill(supervisor, (int)info.ssi_signo);
                }
                continue;
            }
            while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
                if (ended == supervisor) {
                    close(signals);
                    return status;
                }
            }
        }
    }
}

int run_container(struct container *container, void (*child)(struct container *container)) {
    sigset_t relayed = relayed_signals();
    pid_t caller = getppid();
    pid_t front = getpid();
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &relayed, NULL);
    // For both processes: each reads its own signals from it. Without, nobody would hear of an end.
    int signals = signalfd(-1, &relayed, SFD_CLOEXEC | SFD_NONBLOCK);
    pid_t supervisor = signals < 0 ? -1 : fork();
    if (supervisor < 0) {
        report_failure(container->status, 0, errno, signals < 0 ? "open a signalfd" : "start the supervisor");
        container->failed = true;
        return OWN_FAILURE;
    }
    if (supervisor == 0) {
        if (container->reports >= 0) {
            close(container->reports);
        }
        run_supervisor(container, front, signals, child);
    }
    close(container->status);
    if (container->reports >= 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 1); // a command line goes on when the shell that started it has ended
    } else {
        notice_parent(caller);
        let_go_of_stdio();
    }
    int status = stand_in_front(container, supervisor, signals);
    if (WIFSIGNALED(status)) { // killed: its children are ours now
        const char *directory = ledger_of(container->plan);
        end_descendants();
        if (directory != NULL) {
            ledger_sweep(directory);
        }
    }
    while (container->reports >= 0) {
        hear(container);
    }
    return exit_status(status);
}
