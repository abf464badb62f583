// SPDX-License-Identifier: BSD-3-Clause
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control.h"
#include "mountflags.h"
#include "policy.h"
#include "propagation.h"
#include "resolve.h"
#include "status.h"

#define MOUNT_OPTIONS 4096 // the kernel takes one page

int step_private(struct container *container, const struct operand *operands) {
    (void)operands;
    if (make_mounts_private() < 0) {
        return fail(container, "make every mount private");
    }
    announce_mounts(container);
    return 0;
}

static int make_directories(const char *path) {
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (path[0] != '/' || length >= sizeof part) {
        errno = path[0] != '/' ? EINVAL : ENAMETOOLONG;
        return -1;
    }
    for (size_t at = 1; at <= length; at++) {
        if (path[at] == '/' || path[at] == '\0') {
            memcpy(part, path, at);
            part[at] = '\0';
            if (mkdir(part, 0700) < 0 && errno != EEXIST) {
                return -1;
            }
        }
    }
    return 0;
}

static int open_directory(const char *path) { return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC); }

int step_stage(struct container *container, const struct operand *operands) {
    static const char *const DIRECTORIES[] = {"root", "image", "upper", "work"};
    const char *stage = operands[0].text;
    char options[64];
    char root[PATH_MAX];
    if (container->stage >= 0) {
        errno = EINVAL;
        return fail(container, "stage %s: there is one already", stage);
    }
    if (make_directories(stage) < 0 || realpath(stage, container->stage_path) == NULL) {
        return fail(container, "stage %s", stage);
    }
    stage = container->stage_path;
    if (allow_path(container, stage) < 0) {
        return -1;
    }
    snprintf(options, sizeof options, "mode=0755,size=%llu", (unsigned long long)operands[1].number);
    // Two tmpfs on one another. The lower one is unbindable: a recursive bind of a directory that holds the stage does
    // not carry it (nor what lies on it) along. The upper one is bindable: overlayfs wants that of its directories.
    if (mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "size=4k,mode=0755") < 0 ||
        mount(NULL, stage, NULL, MS_UNBINDABLE, NULL) < 0 || (container->floor = open_directory(stage)) < 0 ||
        mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ||
        (container->stage = open_directory(stage)) < 0) {
        return fail(container, "mount a tmpfs on %s", stage);
    }
    for (size_t at = 0; at < sizeof DIRECTORIES / sizeof *DIRECTORIES; at++) {
        if (mkdirat(container->stage, DIRECTORIES[at], 0755) < 0) {
            return fail(container, "mkdir %s/%s", stage, DIRECTORIES[at]);
        }
    }
    if (join(stage, "root", root) < 0 || mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ||
        reopen_root(container, root) < 0) {
        return fail(container, "mount a tmpfs on %s/root", stage);
    }
    return 0;
}

// Appends `key=` and a path with the characters escaped that overlayfs would take for separators.
static bool append_directory(char options[MOUNT_OPTIONS], const char *prefix, const char *path) {
    size_t length = strlen(options);
    size_t extra = strlen(prefix);
    if (length + extra + 2 * strlen(path) + 1 > MOUNT_OPTIONS) {
        return false;
    }
    memcpy(options + length, prefix, extra);
    length += extra;
    for (; *path != '\0'; path++) {
        if (*path == ':' || *path == ',' || *path == '\\') {
            options[length++] = '\\';
        }
        options[length++] = *path;
    }
    options[length] = '\0';
    return true;
}

int step_overlay(struct container *container, const struct operand *operands) {
    char options[MOUNT_OPTIONS] = "";
    bool fits = true;
    if (container->stage < 0 || operands[0].count == 0) {
        errno = EINVAL;
        return fail(container, "overlay: no stage or no lower directory");
    }
    for (size_t at = 0; at < operands[0].count; at++) {
        fits = fits && append_directory(options, at == 0 ? "lowerdir=" : ":", operands[0].items[at]);
        if (allow_path(container, operands[0].items[at]) < 0) {
            return -1;
        }
    }
    if (operands[1].text[0] != '\0') {
        fits = fits && append_directory(options, ",upperdir=", operands[1].text) &&
               append_directory(options, ",workdir=", operands[2].text);
    }
    fits = fits && (operands[3].number == 0 || append_directory(options, ",userxattr", ""));
    if (!fits) {
        errno = ENAMETOOLONG;
        return fail(container, "overlay: the paths of its directories are too long");
    }
    if (mount("overlay", container->root_path, "overlay", MS_NOSUID | MS_NODEV, options) < 0 ||
        reopen_root(container, container->root_path) < 0) {
        return fail(container, "mount an overlay of %s", operands[0].items[0]);
    }
    return 0;
}

static int bind_source(struct container *container, const char *source, const char *target, bool recursive) {
    int fd = open(source, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return fail(container, "source %s", source);
    }
    int result = 0;
    if (container->in_place) {
        char real[PATH_MAX];
        result = realpath(source, real) == NULL ? fail(container, "source %s", source)
                                                : allow_source(container, fd, real, recursive);
    }
    close(fd);
    if (result == 0 && mount(source, target, NULL, MS_BIND | (recursive ? MS_REC : 0), NULL) < 0) {
        result = fail(container, "bind %s on %s", source, target);
    }
    return result;
}

static int bind(struct container *container, const struct operand *operands) {
    const char *source = operands[0].text;
    const char *target = operands[1].text;
    char path[PATH_MAX];
    struct mount_flags flags;
    if (parse_mount_flags(&operands[2], &flags) < 0) {
        return fail(container, "bind %s: unknown flag", target);
    }
    if (resolve(container, target, path) < 0) {
        return fail(container, "target %s", target);
    }
    bool whole = strcmp(path, container->root_path) == 0;
    if (whole && container->stage < 0) {
        errno = EINVAL; // we stand in the root already
        return fail(container, "target %s", target);
    }
    if (allow_path(container, path) < 0 || bind_source(container, source, path, flags.recursive) < 0) {
        return -1;
    }
    if (add_mount_flags(path, &flags) < 0) {
        fail(container, "set the flags of %s", target);
        int kept = errno;
        umount2(path, MNT_DETACH); // never leave writable what was asked for read-only
        errno = kept;
        return -1;
    }
    if (whole && reopen_root(container, container->root_path) < 0) {
        return fail(container, "open the root");
    }
    return 0;
}

int step_bind(struct container *container, const struct operand *operands) {
    if (bind(container, operands) == 0) {
        return 0;
    }
    if (operands[3].number == 0) {
        return -1;
    }
    report_note(container, errno, container->detail);
    return 0;
}

int step_tmpfs(struct container *container, const struct operand *operands) {
    char path[PATH_MAX];
    struct mount_flags flags;
    const char *target = operands[0].text;
    if (parse_mount_flags(&operands[2], &flags) < 0 || resolve(container, target, path) < 0) {
        return fail(container, "target %s", target);
    }
    if (allow_path(container, path) < 0) {
        return -1;
    }
    if (mount("tmpfs", path, "tmpfs", flags.flags, operands[1].text) < 0) {
        return fail(container, "mount a tmpfs on %s", target);
    }
    return 0;
}

int step_procfs(struct container *container, const struct operand *operands) {
    char path[PATH_MAX];
    if (container->in_place) {
        errno = EACCES;
        return fail(container, "policy: an in-place plan mounts nothing that involves procfs");
    }
    if (resolve(container, operands[0].text, path) < 0) {
        return fail(container, "target %s", operands[0].text);
    }
    if (mount("proc", path, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
        return fail(container, "mount procfs on %s", operands[0].text);
    }
    return 0;
}

int step_remount(struct container *container, const struct operand *operands) {
    char path[PATH_MAX];
    struct mount_flags flags;
    if (parse_mount_flags(&operands[1], &flags) < 0 || resolve(container, operands[0].text, path) < 0) {
        return fail(container, "target %s", operands[0].text);
    }
    if (allow_path(container, path) < 0) {
        return -1;
    }
    if (add_mount_flags(path, &flags) < 0) {
        return fail(container, "set the flags of %s", operands[0].text);
    }
    return 0;
}

// From here on container paths are paths of `/`.
static int enter(struct container *container) {
    if (chdir("/") < 0 || reopen_root(container, "/") < 0) {
        return fail(container, "enter the new root");
    }
    if (container->stage >= 0) {
        close(container->stage);
        close(container->floor);
        container->stage = container->floor = -1;
    }
    return 0;
}

int step_pivot(struct container *container, const struct operand *operands) {
    (void)operands;
    if (container->stage < 0 || fchdir(container->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) {
        errno = container->stage < 0 ? EINVAL : errno;
        return fail(container, "pivot_root");
    }
    if (umount2(".", MNT_DETACH) < 0) {
        return fail(container, "detach the old root");
    }
    return enter(container);
}

int step_chroot(struct container *container, const struct operand *operands) {
    if (chdir(operands[0].text) < 0 || chroot(".") < 0) {
        return fail(container, "chroot %s", operands[0].text);
    }
    return enter(container);
}
