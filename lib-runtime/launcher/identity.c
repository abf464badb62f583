// SPDX-License-Identifier: BSD-3-Clause
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"
#include "status.h"

#define MOST_GROUPS 256

void die_with_parent(int socket) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct pollfd watched = {.fd = socket};
    if (poll(&watched, 1, 0) > 0 && (watched.revents & (POLLHUP | POLLERR)) != 0) {
        _exit(OWN_FAILURE);
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
        bool helped = operands[3].count == 2;
        const char *const maps[REQUEST_STRINGS] = {operands[1].text, operands[2].text,
                                                   helped ? operands[3].items[0] : "",
                                                   helped ? operands[3].items[1] : ""};
        if (ask(container, REQUEST_MAPS, maps) < 0) {
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

// A pipe of the caller's belongs to the caller: /dev/stdout could not be opened by the account.
static void hand_over_pipes(uid_t uid, gid_t gid) {
    for (int fd = 0; fd < 3; fd++) {
        struct statfs system;
        if (fstatfs(fd, &system) == 0 && system.f_type == PIPEFS_MAGIC && fchown(fd, uid, gid) < 0) {
            continue; // it is open already, which is what nearly everybody needs
        }
    }
}

int step_account(struct container *container, const struct operand *operands) {
    uid_t uid = (uid_t)operands[0].number;
    gid_t gid = (gid_t)operands[1].number;
    gid_t groups[MOST_GROUPS];
    if (operands[2].count > MOST_GROUPS) {
        errno = E2BIG;
        return fail(container, "too many groups");
    }
    for (size_t at = 0; at < operands[2].count; at++) {
        groups[at] = (gid_t)strtoul(operands[2].items[at], NULL, 10);
    }
    hand_over_pipes(uid, gid);
    if (setgroups(operands[2].count, groups) < 0) {
        return fail(container, "set the groups of uid %u", uid);
    }
    if (setresgid(gid, gid, gid) < 0) {
        return fail(container, "become gid %u", gid);
    }
    if (setresuid(uid, uid, uid) < 0) {
        return fail(container, "become uid %u", uid);
    }
    die_with_parent(container->control); // new credentials have cleared it
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
