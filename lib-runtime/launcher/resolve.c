// SPDX-License-Identifier: BSD-3-Clause
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_LINKS 40
// <linux/openat2.h>, spelled out: not every libc's headers have it.
#define IN_ROOT 0x10u
#define NO_MAGICLINKS 0x02u
struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

bool is_below(const char *path, const char *directory) {
    size_t length = strlen(directory);
    while (length > 0 && directory[length - 1] == '/') {
        length--;
    }
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

int join(const char *parent, const char *name, char out[PATH_MAX]) {
    const char *slash = parent[0] == '\0' || parent[strlen(parent) - 1] != '/' ? "/" : "";
    int length = snprintf(out, PATH_MAX, "%s%s%s", parent, slash, name);
    if (length < 0 || length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

// The kernel's own resolution. Returns 0, -1 with errno, or 1 when the kernel cannot do it or tell us the path.
static int resolve_by_kernel(const struct container *container, const char *path, char out[PATH_MAX]) {
    struct how how = {.flags = O_PATH | O_CLOEXEC, .resolve = IN_ROOT | NO_MAGICLINKS};
    long fd = -1;
    for (int attempt = 0; attempt < 64; attempt++) {
        fd = syscall(SYS_openat2, container->root, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) { // EAGAIN: something was renamed or mounted meanwhile
            break;
        }
    }
    if (fd < 0) {
        // EPERM: seccomp filters older than the call answer so.
        return errno == ENOSYS || errno == EPERM || errno == EAGAIN ? 1 : -1;
    }
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%ld", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    close((int)fd);
    if (length < 0) {
        return 1; // no /proc here
    }
    out[length] = '\0';
    if (!is_below(out, container->root_path)) {
        errno = EXDEV;
        return -1;
    }
    return 0;
}

// Component by component: `out` only ever holds components that are not symlinks.
static int resolve_by_walk(const struct container *container, const char *path, char out[PATH_MAX]) {
    char rest[PATH_MAX];
    char next[PATH_MAX];
    size_t floor = strlen(container->root_path);
    int links = 0;
    if (strlen(path) >= sizeof rest) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(rest, path);
    strcpy(out, container->root_path);
    for (;;) {
        char *start = rest + strspn(rest, "/");
        size_t length = strcspn(start, "/");
        if (length == 0) {
            return 0;
        }
        char component[PATH_MAX];
        memcpy(component, start, length);
        component[length] = '\0';
        memmove(rest, start + length, strlen(start + length) + 1);
        if (strcmp(component, ".") == 0) {
            continue;
        }
        if (strcmp(component, "..") == 0) {
            char *slash = strrchr(out, '/');
            if (strlen(out) > floor && slash != NULL) {
                *(slash == out ? slash + 1 : slash) = '\0';
            }
            continue;
        }
        // Relative to the root's descriptor: in-place mounts may hide the stage's own path.
        struct stat status;
        if (join(out, component, next) < 0) {
            return -1;
        }
        const char *below = next + floor + strspn(next + floor, "/");
        if (fstatat(container->root, below, &status, AT_SYMLINK_NOFOLLOW) < 0) {
            return -1;
        }
        if (!S_ISLNK(status.st_mode)) {
            strcpy(out, next);
            continue;
        }
        char target[PATH_MAX];
        ssize_t size = readlinkat(container->root, below, target, sizeof target - 1);
        if (size < 0 || ++links > MAX_LINKS || (size_t)size + strlen(rest) + 2 > sizeof rest) {
            errno = size < 0 ? errno : links > MAX_LINKS ? ELOOP : ENAMETOOLONG;
            return -1;
        }
        target[size] = '\0';
        if (target[0] == '/') {
            strcpy(out, container->root_path);
        }
        memmove(rest + size, rest, strlen(rest) + 1); // rest is empty or begins with a slash
        memcpy(rest, target, (size_t)size);
    }
}

int resolve(const struct container *container, const char *path, char out[PATH_MAX]) {
    if (container->root < 0 || path[0] != '/') {
        errno = EINVAL;
        return -1;
    }
    int result = resolve_by_kernel(container, path, out);
    return result == 1 ? resolve_by_walk(container, path, out) : result;
}

int resolve_parent(const struct container *container, const char *path, char parent[PATH_MAX],
                   char name[NAME_MAX + 1]) {
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    size_t length = end - start;
    if (start == 0 || start >= PATH_MAX || length > NAME_MAX) {
        errno = start == 0 ? EINVAL : ENAMETOOLONG;
        return -1;
    }
    memcpy(name, path + start, length);
    name[length] = '\0';
    if (length == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    char before[PATH_MAX];
    memcpy(before, path, start);
    before[start] = '\0';
    return resolve(container, before, parent);
}

int reopen_root(struct container *container, const char *path) {
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    if (container->root >= 0) {
        close(container->root);
    }
    container->root = fd;
    if (path != container->root_path) {
        snprintf(container->root_path, sizeof container->root_path, "%s", path);
    }
    return 0;
}
