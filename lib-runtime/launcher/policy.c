// SPDX-License-Identifier: BSD-3-Clause
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "resolve.h"

#define PROCFS_MAGIC 0x9fa0

// Undoes the octal escapes (\040) of /proc/self/mountinfo in place.
static void unescape(char *text) {
    char *out = text;
    while (*text != '\0') {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
            text[3] <= '7') {
            *out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 4;
        } else {
            *out++ = *text++;
        }
    }
    *out = '\0';
}

int each_mount(int (*visit)(void *data, const char *mountpoint, const char *type), void *data) {
    FILE *table = fopen("/proc/self/mountinfo", "re");
    if (table == NULL) {
        return -1;
    }
    char *line = NULL;
    size_t capacity = 0;
    int result = 0;
    while (result == 0 && getline(&line, &capacity, table) > 0) {
        // id parent major:minor root mountpoint options [tags...] - type source superoptions
        char *field = line;
        for (int skip = 0; skip < 4 && field != NULL; skip++) {
            field = strchr(field, ' ');
            field = field == NULL ? NULL : field + 1;
        }
        char *type = field == NULL ? NULL : strstr(field, " - ");
        if (type == NULL) {
            continue;
        }
        type += 3;
        field[strcspn(field, " ")] = '\0';
        type[strcspn(type, " ")] = '\0';
        unescape(field);
        result = visit(data, field, type);
    }
    int kept = errno;
    result = result == 0 && !feof(table) ? -1 : result;
    free(line);
    fclose(table);
    errno = kept;
    return result;
}

static int is_procfs_below(void *data, const char *mountpoint, const char *type) {
    return strcmp(type, "proc") == 0 && is_below(mountpoint, data);
}

static int refuse(struct container *container, const char *what, const char *path) {
    errno = EACCES;
    return fail(container, "policy: %s %s: an in-place plan mounts nothing that involves procfs", what, path);
}

int allow_source(struct container *container, int fd, const char *path, bool recursive) {
    struct statfs status;
    if (!container->in_place) {
        return 0;
    }
    if (fstatfs(fd, &status) < 0) {
        return fail(container, "policy: cannot look at source %s", path);
    }
    if (status.f_type == PROCFS_MAGIC) {
        return refuse(container, "source", path);
    }
    int found = recursive ? each_mount(is_procfs_below, (void *)path) : 0;
    if (found < 0) {
        return fail(container, "cannot read which mounts lie below %s", path);
    }
    return found > 0 ? refuse(container, "the tree below", path) : 0;
}

int allow_path(struct container *container, const char *path) {
    struct statfs status;
    if (container->in_place && statfs(path, &status) == 0 && status.f_type == PROCFS_MAGIC) {
        return refuse(container, "path", path);
    }
    return 0;
}
