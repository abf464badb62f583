// SPDX-License-Identifier: BSD-3-Clause
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"

// Tells the caller what failed, and not to hand over again (engines/handover.ts).
#define MARK "NBCONTAINER_LAUNCH="

extern char **environ;

// Each variable is NUMBER=TEXT; the first of a list tells how many follow.
static char **take_texts(char ***at, size_t *count) {
    char *end;
    char **texts = *at + 1;
    if (**at == NULL) {
        return NULL;
    }
    *count = strtoul(**at, &end, 10);
    if (end == **at || *end != '\0') {
        return NULL;
    }
    for (size_t item = 0; item < *count; item++) {
        if (texts[item] == NULL) {
            return NULL;
        }
    }
    *at = texts + *count;
    return texts;
}

// Node writes to pipes without blocking, and pipes are shared with the container and everybody else.
static void let_stdio_block(void) {
    for (int fd = 0; fd < 3; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && (flags & O_NONBLOCK) != 0) {
            fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
        }
    }
}

int take_over(struct handover *handover) {
    let_stdio_block();
    restore_file_limit(1);
    for (char **variable = environ; *variable != NULL; variable++) {
        char *text = strchr(*variable, '=');
        if (text == NULL) {
            return -1;
        }
        *variable = text + 1;
    }
    char **at = environ;
    handover->plan = take_texts(&at, &handover->plan_count);
    handover->program = handover->plan == NULL ? NULL : take_texts(&at, &handover->program_count);
    if (handover->program == NULL || handover->program_count == 0) {
        return -1;
    }
    handover->environment = at;
    handover->directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return chdir("/");
}

static size_t length_of(char *const *vector) {
    size_t count = 0;
    while (vector[count] != NULL) {
        count++;
    }
    return count;
}

int hand_back(const struct handover *handover, char **words, const char *report, mode_t mask) {
    char mark[sizeof MARK + strlen(report)];
    size_t words_count = length_of(words);
    size_t variables = length_of(handover->environment);
    char *argv[handover->program_count + words_count + 1];
    char *environment[variables + 2];
    sigset_t none;

    memcpy(argv, handover->program, handover->program_count * sizeof *argv);
    memcpy(argv + handover->program_count, words, (words_count + 1) * sizeof *argv);
    snprintf(mark, sizeof mark, MARK "%s", report);
    environment[0] = mark;
    memcpy(environment + 1, handover->environment, (variables + 1) * sizeof *environment);
    umask(mask);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (handover->directory < 0 || fchdir(handover->directory) == 0) {
        execve(argv[0], argv, environment);
    }
    fprintf(stderr, "FATAL:   the container did not start, and %s cannot say why: %s\n", argv[0], strerror(errno));
    return OWN_FAILURE;
}
