// SPDX-License-Identifier: BSD-3-Clause
// nbcontainer-launcher: performs a plan (engines/steps.ts) and becomes the payload's supervisor.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine.h"
#include "execute.h"
#include "handover.h"
#include "identity.h"
#include "ledger.h"
#include "limits.h"
#include "plan.h"
#include "probe.h"
#include "status.h"
#include "steps.h"
#include "supervise.h"

#ifdef SANITIZED
// The plan lives as long as the process: nothing that is left at its end is a leak.
const char *__asan_default_options(void) { return "detect_leaks=0"; }
#endif

static const char USAGE[] = "usage: nbcontainer-launcher run PLAN_FD STATUS_FD\n"
                            "       nbcontainer-launcher take [WORD...]\n"
                            "       nbcontainer-launcher probe\n"
                            "       nbcontainer-launcher sweep DIRECTORY\n"
                            "       nbcontainer-launcher confine CAPABILITIES PROGRAM [ARGUMENT...]\n"
                            "       nbcontainer-launcher attend PID PROGRAM [ARGUMENT...]\n"
                            "Started by nbcontainer, not by hand.\n";

static int parse_fd(const char *text) {
    char *end;
    long number = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 3 || number > 1 << 20 || fcntl((int)number, F_GETFD) < 0) {
        return -1;
    }
    return (int)number;
}

static void become_payload(struct container *container) {
    die_with_parent(container->control);
    if (perform_steps(container) < 0) {
        report_failure(container->status, container->index, errno, container->detail);
        _exit(OWN_FAILURE);
    }
    execute(container);
}

static const struct container BEGINNING = {.reports = -1, .stage = -1, .root = -1, .floor = -1, .keeper = -1};

static int run_plan(struct container *container, const struct plan *plan) {
    container->plan = plan;
    container->in_place = plan_has(plan, "ledger") || plan_has(plan, "place");
    container->umask = umask(0);
    return run_container(container, become_payload);
}

static int take(char **words) {
    struct plan plan = {0};
    struct container container = BEGINNING;
    struct handover handover;
    const char *problem;
    int ends[2];

    if (take_over(&handover) < 0) {
        fputs(USAGE, stderr);
        return OWN_FAILURE;
    }
    if (pipe2(ends, O_CLOEXEC) < 0 ||
        parse_plan(handover.plan, handover.plan_count, &plan, &container.index, &problem) < 0) {
        mode_t mask = umask(0);
        return hand_back(&handover, words, "", mask);
    }
    container.reports = ends[0];
    container.status = ends[1];
    int status = run_plan(&container, &plan);
    return container.failed ? hand_back(&handover, words, container.report, container.umask) : status;
}

static int run(int plan_fd, int status_fd) {
    struct plan plan = {0};
    struct container container = BEGINNING;
    const char *problem;
    container.status = status_fd;
    fcntl(status_fd, F_SETFD, FD_CLOEXEC);
    if (read_plan(plan_fd, &plan, &container.index, &problem) < 0) {
        report_failure(status_fd, container.index, errno, problem);
        return OWN_FAILURE;
    }
    close(plan_fd);
    restore_file_limit(2);
    return run_plan(&container, &plan);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "run") == 0) {
        int plan_fd = parse_fd(argv[2]);
        int status_fd = parse_fd(argv[3]);
        if (plan_fd >= 0 && status_fd >= 0 && plan_fd != status_fd) {
            return run(plan_fd, status_fd);
        }
    } else if (argc >= 2 && strcmp(argv[1], "take") == 0) {
        return take(argv + 2);
    } else if (argc >= 4 && strcmp(argv[1], "confine") == 0) {
        return confine(argv[2], argv + 3);
    } else if (argc >= 4 && strcmp(argv[1], "attend") == 0) {
        return attend(argv[2], argv + 3);
    } else if (argc == 2 && strcmp(argv[1], "probe") == 0) {
        return run_probes();
    } else if (argc == 3 && strcmp(argv[1], "sweep") == 0) {
        if (ledger_sweep(argv[2]) == 0) {
            return 0;
        }
        fprintf(stderr, "nbcontainer-launcher: sweep %s: %s\n", argv[2], strerror(errno));
        return OWN_FAILURE;
    }
    fputs(USAGE, stderr);
    return OWN_FAILURE;
}
