// SPDX-License-Identifier: BSD-3-Clause
// What one run of the launcher knows: the plan, the root under construction, where reports go.
#ifndef NBCONTAINER_CONTAINER_H
#define NBCONTAINER_CONTAINER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Exit status of the launcher's own failures, as Apptainer's.
#define OWN_FAILURE 255

struct plan;

struct container {
    const struct plan *plan;
    size_t index;    // the step being performed
    int status;      // STATUS_FD, close-on-exec
    int reports;     // `take`: the other end of `status`, read by the front process; else -1
    bool failed;     // `take`: `report` is a failure
    char report[PATH_MAX + 64]; // the record that comes from there
    size_t report_size;
    int control;     // seqpacket socket to the supervisor
    int stage;       // O_PATH on the stage, or -1
    int root;        // O_PATH on the root under construction, or -1
    int floor;       // O_PATH on the unbindable mount below the stage, or -1
    char stage_path[PATH_MAX];
    char root_path[PATH_MAX]; // of `root` as seen in this mount namespace; "/" once we are inside
    int keeper;      // write end of the pipe to the keeper of an instance, or -1
    bool in_place;            // the plan holds `ledger` or `place`: no mount may involve procfs
    mode_t umask;             // given to the payload
    char detail[512];         // what failed, in words
};

// Notes in words what failed, keeps errno, returns -1.
int fail(struct container *container, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
