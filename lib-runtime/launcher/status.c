// SPDX-License-Identifier: BSD-3-Clause
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME(error) {error, #error}
static const struct {
    int error;
    const char *name;
} NAMES[] = {
    NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO), NAME(E2BIG), NAME(ENOEXEC),
    NAME(EBADF), NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM), NAME(EACCES), NAME(EFAULT), NAME(ENOTBLK), NAME(EBUSY),
    NAME(EEXIST), NAME(EXDEV), NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL), NAME(ENFILE), NAME(EMFILE),
    NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE), NAME(EROFS), NAME(EMLINK), NAME(EPIPE),
    NAME(ERANGE), NAME(EDEADLK), NAME(ENAMETOOLONG), NAME(ENOSYS), NAME(ENOTEMPTY), NAME(ELOOP), NAME(ENODATA),
    NAME(EPROTO), NAME(EOVERFLOW), NAME(ELIBBAD), NAME(EUSERS), NAME(EOPNOTSUPP), NAME(ETIMEDOUT), NAME(ECONNRESET),
    NAME(ESTALE), NAME(EDQUOT), NAME(ENOKEY), NAME(EUCLEAN), NAME(EBADMSG), NAME(EREMOTEIO), NAME(ENOTSOCK),
    NAME(EMSGSIZE), NAME(ENOLCK), NAME(ENOBUFS), NAME(ENOTCONN), NAME(ECONNABORTED), NAME(EHOSTDOWN), NAME(ECANCELED),
};

const char *errno_name(int error) {
    static char unknown[16];
    for (size_t at = 0; at < sizeof NAMES / sizeof *NAMES; at++) {
        if (NAMES[at].error == error) {
            return NAMES[at].name;
        }
    }
    snprintf(unknown, sizeof unknown, "E%d", error);
    return unknown;
}

// Writes one record with its NUL; a reader that has gone away changes nothing.
static void send_record(int fd, const char *record, int length, size_t capacity) {
    size_t size = length < 0 ? 0 : (size_t)length < capacity ? (size_t)length + 1 : capacity;
    while (size > 0) {
        ssize_t done = write(fd, record, size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return;
        }
        record += done;
        size -= (size_t)done;
    }
}

static void report(int fd, const char *word, size_t index, int error, const char *text) {
    char record[1024];
    int length = snprintf(record, sizeof record, "%s %zu %s %s", word, index, errno_name(error), text);
    send_record(fd, record, length, sizeof record);
}

void report_note(const struct container *container, int error, const char *text) {
    report(container->status, "note", container->index, error, text);
}

void report_failure(int fd, size_t index, int error, const char *text) {
    report(fd, "failed", index, error, text);
}

void report_exec(int fd, int error, const char *interpreter) {
    char record[PATH_MAX + 64];
    int length = interpreter == NULL
                     ? snprintf(record, sizeof record, "exec %s", errno_name(error))
                     : snprintf(record, sizeof record, "exec %s interpreter %s", errno_name(error), interpreter);
    send_record(fd, record, length, sizeof record);
}
