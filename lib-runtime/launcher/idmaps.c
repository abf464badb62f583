// SPDX-License-Identifier: BSD-3-Clause
#include "idmaps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signals.h"

#define MOST_NUMBERS 96 // a map of 32 lines

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    size_t length = strlen(text);
    ssize_t done = write(fd, text, length); // a map is taken in one write or not at all
    int kept = errno;
    close(fd);
    errno = kept;
    return done == (ssize_t)length ? 0 : -1;
}

static void write_map(pid_t pid, const char *name, const char *text, struct reply *reply) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    if (reply->error == 0 && write_text(path, text) < 0) {
        reply->error = errno;
        snprintf(reply->text, sizeof reply->text, "write %s", name);
    }
}

static void write_directly(pid_t pid, const char *uid_map, const char *gid_map, struct reply *reply) {
    write_map(pid, "uid_map", uid_map, reply);
    if (reply->error != 0) {
        return;
    }
    write_map(pid, "gid_map", gid_map, reply);
    if (reply->error == EPERM) {
        // Without privilege a gid map is taken only after setgroups is given up.
        *reply = (struct reply){0};
        write_map(pid, "setgroups", "deny", reply);
        write_map(pid, "gid_map", gid_map, reply);
    }
}

// What a helper says on its standard error, its first line.
static void hear(int fd, struct reply *reply, const char *name) {
    char said[160];
    size_t size = 0;
    ssize_t got;
    while (size < sizeof said - 1 && (got = read(fd, said + size, sizeof said - 1 - size)) > 0) {
        size += (size_t)got;
    }
    said[size] = '\0';
    said[strcspn(said, "\n")] = '\0';
    bool named = strncmp(said, name, strlen(name)) == 0;
    snprintf(reply->text, sizeof reply->text, "%s%s%s", named ? "" : name, named ? "" : ": ", said);
}

// Runs `HELPER PID inside outside count ...`.
static void run_helper(const char *helper, const char *name, pid_t pid, const char *map, struct reply *reply) {
    char number[16];
    char text[2048];
    char *arguments[MOST_NUMBERS + 3] = {(char *)helper, number};
    size_t count = 2;
    int pipes[2] = {-1, -1};
    snprintf(number, sizeof number, "%d", (int)pid);
    if (reply->error != 0) {
        return;
    }
    if ((size_t)snprintf(text, sizeof text, "%s", map) >= sizeof text) {
        reply->error = E2BIG;
        snprintf(reply->text, sizeof reply->text, "%s: the map is too long", name);
        return;
    }
    char *rest;
    for (char *word = strtok_r(text, " \n", &rest); word != NULL && count < MOST_NUMBERS + 2;
         word = strtok_r(NULL, " \n", &rest)) {
        arguments[count++] = word;
    }
    pid_t child = pipe2(pipes, O_CLOEXEC) < 0 ? -1 : fork();
    if (child < 0) {
        reply->error = errno;
        snprintf(reply->text, sizeof reply->text, "%s: cannot be started", name);
        close(pipes[0]);
        close(pipes[1]);
        return;
    }
    if (child == 0) {
        dup2(pipes[1], 2);
        close(pipes[0]);
        close(pipes[1]);
        reset_signals();
        execve(helper, arguments, (char *[]){NULL});
        dprintf(2, "%s\n", strerror(errno));
        _exit(OWN_FAILURE);
    }
    close(pipes[1]);
    int status = OWN_FAILURE << 8;
    hear(pipes[0], reply, name);
    close(pipes[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        reply->error = EPERM;
    } else {
        *reply = (struct reply){0};
    }
}

void write_maps(pid_t pid, const char *const strings[REQUEST_STRINGS], struct reply *reply) {
    if (strings[2][0] == '\0') {
        write_directly(pid, strings[0], strings[1], reply);
        return;
    }
    run_helper(strings[2], "newuidmap", pid, strings[0], reply);
    run_helper(strings[3], "newgidmap", pid, strings[1], reply);
}
