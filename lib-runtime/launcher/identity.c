// SPDX-License-Identifier: BSD-3-Clause
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"
#include "status.h"

void die_with_parent(int socket) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct pollfd watched = {.fd = socket};
    if (poll(&watched, 1, 0) > 0 && (watched.revents & (POLLHUP | POLLERR)) != 0) {
        _exit(OWN_FAILURE);
    }
}

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

void write_maps(pid_t pid, const char *uid_map, const char *gid_map, struct reply *reply) {
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

int step_unshare(struct container *container, const struct operand *operands) {
    static const struct {
        const char *name;
        int flag;
    } NAMESPACES[] = {
        {"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}};
    int flags = 0;
    for (size_t item = 0; item < operands[0].count; item++) {
        int flag = 0;
        for (size_t at = 0; at < sizeof NAMESPACES / sizeof *NAMESPACES; at++) {
            if (strcmp(operands[0].items[item], NAMESPACES[at].name) == 0) {
                flag = NAMESPACES[at].flag;
            }
        }
        if (flag == 0) {
            errno = EINVAL;
            return fail(container, "unknown namespace %s", operands[0].items[item]);
        }
        flags |= flag;
    }
    if (unshare(flags) < 0) {
        return fail(container, "unshare");
    }
    if (flags & CLONE_NEWUSER) {
        if (ask(container, REQUEST_MAPS, (const char *const[]){operands[1].text, operands[2].text, ""}) < 0) {
            return -1;
        }
    }
    die_with_parent(container->control); // new credentials may have cleared it
    return flags & CLONE_NEWPID ? become_namespace_child(container) : 0;
}

int step_hostname(struct container *container, const struct operand *operands) {
    if (sethostname(operands[0].text, strlen(operands[0].text)) < 0) {
        return fail(container, "set the host name %s", operands[0].text);
    }
    return 0;
}

int step_umask(struct container *container, const struct operand *operands) {
    container->umask = (mode_t)operands[0].number & 0777;
    return 0;
}

int step_no_new_privileges(struct container *container, const struct operand *operands) {
    (void)operands;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return fail(container, "no_new_privs");
    }
    return 0;
}

int step_chdir(struct container *container, const struct operand *operands) {
    errno = ENOENT;
    for (size_t at = 0; at < operands[0].count; at++) {
        if (chdir(operands[0].items[at]) == 0) {
            return 0;
        }
        fail(container, "chdir %s", operands[0].items[at]);
        if (at + 1 < operands[0].count) {
            report_note(container, errno, container->detail);
        }
    }
    return -1;
}
