// SPDX-License-Identifier: BSD-3-Clause
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolve.h"

#define MAX_DEPTH 64
#define PARENT_MODE 0755

static int make_directory(struct container *container, const char *path, mode_t mode, int depth) {
    char parent[PATH_MAX];
    char name[NAME_MAX + 1];
    char full[PATH_MAX];
    int found = resolve_parent(container, path, parent, name);
    if (found < 0 && errno == ENOENT && depth < MAX_DEPTH) {
        char above[PATH_MAX];
        size_t length = strlen(path);
        while (length > 0 && path[length - 1] == '/') {
            length--;
        }
        while (length > 0 && path[length - 1] != '/') {
            length--;
        }
        memcpy(above, path, length); // resolve_parent accepted the length
        above[length] = '\0';
        if (make_directory(container, above, PARENT_MODE, depth + 1) < 0) {
            return -1;
        }
        found = resolve_parent(container, path, parent, name);
    }
    if (found < 0 || join(parent, name, full) < 0) {
        return -1;
    }
    if (mkdir(full, mode) == 0) {
        return mode & (S_ISUID | S_ISGID) ? chmod(full, mode) : 0; // mkdir leaves these bits out
    }
    if (errno != EEXIST && errno != EROFS && errno != EACCES) {
        return -1;
    }
    int kept = errno;
    struct stat status; // an existing directory is fine, also by way of a symlink that stays in the root
    if (resolve(container, path, full) == 0 && stat(full, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            return 0;
        }
        kept = ENOTDIR;
    }
    errno = kept;
    return -1;
}

int step_mkdir(struct container *container, const struct operand *operands) {
    const char *path = operands[0].text;
    if (make_directory(container, path, (mode_t)operands[1].number & 07777, 0) < 0) {
        return fail(container, "mkdir %s", path);
    }
    return 0;
}

static int write_all(int fd, const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t done = write(fd, text, left);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return -1;
        }
        text += done;
        left -= (size_t)done;
    }
    return 0;
}

int step_file(struct container *container, const struct operand *operands) {
    char parent[PATH_MAX];
    char name[NAME_MAX + 1];
    char full[PATH_MAX];
    const char *path = operands[0].text;
    if (resolve_parent(container, path, parent, name) < 0 || join(parent, name, full) < 0) {
        return fail(container, "file %s: its directory", path);
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)operands[1].number & 0777);
    if (fd < 0) {
        return fail(container, "file %s", path);
    }
    int result = write_all(fd, operands[2].text);
    int kept = errno;
    close(fd);
    errno = kept;
    return result < 0 ? fail(container, "file %s: write", path) : 0;
}

int step_symlink(struct container *container, const struct operand *operands) {
    char parent[PATH_MAX];
    char name[NAME_MAX + 1];
    char full[PATH_MAX];
    const char *path = operands[0].text;
    if (resolve_parent(container, path, parent, name) < 0 || join(parent, name, full) < 0 ||
        symlink(operands[1].text, full) < 0) {
        return fail(container, "symlink %s", path);
    }
    return 0;
}
