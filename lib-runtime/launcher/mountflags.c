// SPDX-License-Identifier: BSD-3-Clause
#include "mountflags.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy.h"
#include "resolve.h"

// <linux/mount.h>, spelled out: it clashes with <sys/mount.h> in some libcs.
struct attributes {
    uint64_t set;
    uint64_t clear;
    uint64_t propagation;
    uint64_t userns_fd;
};
#define WHOLE_TREE 0x8000u

static const struct {
    const char *name;
    unsigned long flag;
    unsigned long existing; // ST_*
    uint64_t attribute;     // MOUNT_ATTR_*
} FLAGS[] = {
    {"ro", MS_RDONLY, ST_RDONLY, 1},
    {"nosuid", MS_NOSUID, ST_NOSUID, 2},
    {"nodev", MS_NODEV, ST_NODEV, 4},
    {"noexec", MS_NOEXEC, ST_NOEXEC, 8},
};
#define FLAG_COUNT (sizeof FLAGS / sizeof *FLAGS)

int parse_mount_flags(const struct operand *list, struct mount_flags *out) {
    *out = (struct mount_flags){0};
    for (size_t item = 0; item < list->count; item++) {
        bool known = strcmp(list->items[item], "rec") == 0;
        out->recursive |= known;
        for (size_t at = 0; at < FLAG_COUNT; at++) {
            if (strcmp(list->items[item], FLAGS[at].name) == 0) {
                out->flags |= FLAGS[at].flag;
                known = true;
            }
        }
        if (!known) {
            errno = EINVAL;
            return -1;
        }
    }
    return 0;
}

// One mount, the old way: a remount replaces all flags, so those it has are given again.
static int remount(const char *path, unsigned long flags) {
    struct statvfs status;
    if (statvfs(path, &status) < 0) {
        return -1;
    }
    for (size_t at = 0; at < FLAG_COUNT; at++) {
        if (status.f_flag & FLAGS[at].existing) {
            flags |= FLAGS[at].flag;
        }
    }
    return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL);
}

struct below {
    const char *path;
    unsigned long flags;
};

static int remount_below(void *data, const char *mountpoint, const char *type) {
    const struct below *below = data;
    (void)type;
    if (is_below(mountpoint, below->path) && strcmp(mountpoint, below->path) != 0) {
        remount(mountpoint, below->flags); // a mount below that refuses keeps the flags it has
    }
    return 0;
}

int add_mount_flags(const char *path, const struct mount_flags *wanted) {
    if (wanted->flags == 0) {
        return 0;
    }
    struct attributes attributes = {0};
    for (size_t at = 0; at < FLAG_COUNT; at++) {
        if (wanted->flags & FLAGS[at].flag) {
            attributes.set |= FLAGS[at].attribute;
        }
    }
    unsigned int scope = wanted->recursive ? WHOLE_TREE : 0;
    if (syscall(SYS_mount_setattr, AT_FDCWD, path, scope, &attributes, sizeof attributes) == 0) {
        return 0;
    }
    // Kernels before 5.12, seccomp filters that do not know the call, or a tree of which one mount refuses.
    if (remount(path, wanted->flags) < 0) {
        return -1;
    }
    struct below below = {path, wanted->flags};
    return wanted->recursive ? each_mount(remount_below, &below) : 0;
}
