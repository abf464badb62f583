// SPDX-License-Identifier: BSD-3-Clause
#include "plainroot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "resolve.h"
#include "status.h"

// What a container takes along of the host's /etc is a few kilobytes.
#define MOST_TAKEN (1 << 20)

int step_tree(struct container *container, const struct operand *operands) {
    char real[PATH_MAX]; // as resolve() sees it: without symlinks
    if (realpath(operands[0].text, real) == NULL || reopen_root(container, real) < 0) {
        return fail(container, "open the root %s", operands[0].text);
    }
    return 0;
}

// The path of a name below the root, with what stood there removed; a directory stays and is EISDIR.
static int make_room(struct container *container, const char *path, char full[PATH_MAX]) {
    char parent[PATH_MAX];
    char name[NAME_MAX + 1];
    if (resolve_parent(container, path, parent, name) < 0 || join(parent, name, full) < 0) {
        return -1;
    }
    return unlink(full) == 0 || errno == ENOENT ? 0 : -1;
}

static int write_bytes(int fd, const char *bytes, size_t left) {
    while (left > 0) {
        ssize_t done = write(fd, bytes, left);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return -1;
        }
        bytes += done;
        left -= (size_t)done;
    }
    return 0;
}

static int put(struct container *container, const char *path, mode_t mode, const char *bytes, size_t size) {
    char full[PATH_MAX];
    int fd = make_room(container, path, full) < 0
                 ? -1
                 : open(full, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
    if (fd < 0) {
        return fail(container, "file %s", path);
    }
    int result = write_bytes(fd, bytes, size);
    int kept = errno;
    close(fd);
    errno = kept;
    return result < 0 ? fail(container, "file %s: write", path) : 0;
}

int step_write(struct container *container, const struct operand *operands) {
    const char *content = operands[2].text;
    return put(container, operands[0].text, (mode_t)operands[1].number, content, strlen(content));
}

// The whole of a regular file; -1 with errno.
static ssize_t slurp(const char *path, char *bytes, size_t room) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    size_t size = 0;
    ssize_t got = -1;
    if (fd < 0 || fstat(fd, &status) < 0) {
        // errno says it
    } else if (!S_ISREG(status.st_mode) || status.st_size > (off_t)room) {
        errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
    } else {
        while ((got = read(fd, bytes + size, room - size)) > 0 || (got < 0 && errno == EINTR)) {
            size += got > 0 ? (size_t)got : 0;
        }
    }
    int kept = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = kept;
    return got < 0 ? -1 : (ssize_t)size;
}

int step_take(struct container *container, const struct operand *operands) {
    char *bytes = malloc(MOST_TAKEN);
    ssize_t size = bytes == NULL ? -1 : slurp(operands[0].text, bytes, MOST_TAKEN);
    if (size < 0) {
        fail(container, "copy %s", operands[0].text);
    } else if (put(container, operands[1].text, 0644, bytes, (size_t)size) < 0) {
        size = -1;
    }
    if (size < 0) {
        report_note(container, errno, container->detail);
    }
    free(bytes);
    return 0;
}

int step_device(struct container *container, const struct operand *operands) {
    char full[PATH_MAX];
    const char *path = operands[0].text;
    dev_t device = makedev((unsigned)operands[2].number, (unsigned)operands[3].number);
    mode_t mode = (mode_t)operands[1].number & 0777;
    if (make_room(container, path, full) < 0 || mknod(full, S_IFCHR | mode, device) < 0) {
        return fail(container, "device %s", path);
    }
    int fd = open(full, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    } else if (errno == EACCES || errno == EPERM) { // ENXIO: /dev/tty without a terminal
        fail(container, "device %s cannot be opened here", path);
        report_note(container, errno, container->detail);
        unlink(full);
    }
    return 0;
}

int step_own(struct container *container, const struct operand *operands) {
    char full[PATH_MAX];
    if (resolve(container, operands[0].text, full) < 0 ||
        lchown(full, (uid_t)operands[1].number, (gid_t)operands[2].number) < 0) {
        return fail(container, "give %s away", operands[0].text);
    }
    return 0;
}
