// SPDX-License-Identifier: BSD-3-Clause
#include "inplace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "mountflags.h"
#include "policy.h"
#include "resolve.h"

// Name of the empty file on the stage that files are hidden behind.
#define BLANK "blank"

int step_ledger(struct container *container, const struct operand *operands) {
    return ask(container, REQUEST_LEDGER, (const char *const[]){operands[0].text, "", "", ""});
}

int step_entry(struct container *container, const struct operand *operands) {
    return ask(container, REQUEST_ENTRY,
               (const char *const[]){operands[0].text, operands[1].text, operands[2].text, ""});
}

// `/name` of the host: one component, not a symlink (a mount would follow it to who knows where).
static int host_entry(struct container *container, const char *name, char path[NAME_MAX + 2], struct stat *status) {
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        errno = EINVAL;
        return fail(container, "not a name in /: %s", name);
    }
    path[0] = '/';
    memcpy(path + 1, name, length + 1);
    if (lstat(path, status) < 0) {
        return fail(container, "%s of the host", path);
    }
    if (S_ISLNK(status->st_mode)) {
        errno = ELOOP;
        return fail(container, "%s of the host is a symlink", path);
    }
    return allow_path(container, path);
}

// The stage's own path may be hidden by now (an image placed on /tmp): sources are named relative to the descriptors
// of the stage.
static int bind_relative(struct container *container, int directory, const char *relative, const char *path,
                         const char *target, bool recursive) {
    int fd = openat(directory, relative, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return fail(container, "source %s", path);
    }
    int result = allow_source(container, fd, path, recursive);
    close(fd);
    if (result < 0) {
        return -1;
    }
    if (fchdir(directory) < 0 || mount(relative, target, NULL, MS_BIND | (recursive ? MS_REC : 0), NULL) < 0) {
        return fail(container, "bind %s on %s", path, target);
    }
    return 0;
}

int step_place(struct container *container, const struct operand *operands) {
    char target[NAME_MAX + 2];
    char path[PATH_MAX];
    struct stat status;
    if (container->stage < 0) {
        errno = EINVAL;
        return fail(container, "place: no stage");
    }
    if (host_entry(container, operands[0].text, target, &status) < 0) {
        return -1;
    }
    if (resolve(container, operands[1].text, path) < 0) {
        return fail(container, "source %s", operands[1].text);
    }
    const char *relative = path + strlen(container->root_path);
    relative += strspn(relative, "/");
    if (*relative == '\0') {
        errno = EINVAL;
        return fail(container, "place: %s is the root itself", operands[1].text);
    }
    return bind_relative(container, container->root, relative, path, target, true);
}

int step_hide(struct container *container, const struct operand *operands) {
    char target[NAME_MAX + 2];
    struct stat status;
    bool directory = strcmp(operands[1].text, "directory") == 0;
    if (container->stage < 0 || (!directory && strcmp(operands[1].text, "file") != 0)) {
        errno = EINVAL;
        return fail(container, "hide: no stage, or an unknown kind");
    }
    if (host_entry(container, operands[0].text, target, &status) < 0) {
        return errno == ENOENT ? 0 : -1; // made by another container and gone meanwhile: nothing to hide
    }
    if (directory) {
        if (mount("tmpfs", target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "size=4k,mode=0755") < 0) {
            return fail(container, "hide %s", target);
        }
        return 0;
    }
    int file = openat(container->stage, BLANK, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
    if (file < 0) {
        return fail(container, "make an empty file");
    }
    close(file);
    struct mount_flags flags = {.flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC};
    if (bind_relative(container, container->stage, BLANK, "the empty file", target, false) < 0) {
        return -1;
    }
    return add_mount_flags(target, &flags) < 0 ? fail(container, "set the flags of %s", target) : 0;
}

int step_unstage(struct container *container, const struct operand *operands) {
    (void)operands;
    if (container->stage < 0) {
        errno = EINVAL;
        return fail(container, "unstage: no stage");
    }
    close(container->root);
    container->root = -1;
    if (fchdir(container->floor) < 0 || umount2(".", MNT_DETACH) < 0) {
        return fail(container, "detach the stage");
    }
    // "." has meant the upper of the two mounts, or, on some kernels, the lower one with all that lies on it.
    if (umount2(".", MNT_DETACH) < 0 && errno != EINVAL) {
        return fail(container, "detach the floor of the stage");
    }
    close(container->stage);
    close(container->floor);
    container->stage = container->floor = -1;
    if (chdir("/") < 0 || reopen_root(container, "/") < 0) {
        return fail(container, "enter the root");
    }
    return 0;
}
