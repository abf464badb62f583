// SPDX-License-Identifier: BSD-3-Clause
#include "ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".record"
#define MAX_RECORD (1 << 20)

struct entry {
    const char *kind;
    const char *name;
    const char *target;
};

static struct {
    int directory;
    int lock;
    int record; // locked for our life
    char name[64];
} ledger = {.directory = -1, .lock = -1, .record = -1};

static bool valid_name(const char *name) {
    return name[0] != '\0' && strlen(name) <= NAME_MAX && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

// A directory of ours that nobody else may write: whoever writes records chooses what is removed from `/`.
static int open_directory(const char *path, bool make) {
    struct stat status;
    if (make && mkdir(path, 0700) < 0 && errno != EEXIST) {
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &status) < 0 || status.st_uid != geteuid() || (status.st_mode & 022) != 0)) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

static int take_lock(int directory) {
    int fd = openat(directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

// What is no regular file is no record: nothing is read of it.
static char *read_record(int fd, size_t *size) {
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return NULL;
    }
    off_t wanted = !S_ISREG(status.st_mode) ? 0 : status.st_size < MAX_RECORD ? status.st_size : MAX_RECORD;
    char *buffer = malloc((size_t)wanted + 1);
    ssize_t got = buffer == NULL ? -1 : wanted == 0 ? 0 : pread(fd, buffer, (size_t)wanted, 0);
    if (got < 0) {
        free(buffer);
        return NULL;
    }
    *size = (size_t)got;
    return buffer;
}

// Cuts the next entry off a record; false at the end, also at an entry that was half written.
static bool next_entry(const char *buffer, size_t size, size_t *at, struct entry *entry) {
    const char **fields[] = {&entry->kind, &entry->name, &entry->target};
    for (int field = 0; field < 3; field++) {
        const char *end = *at < size ? memchr(buffer + *at, '\0', size - *at) : NULL;
        if (end == NULL) {
            return false;
        }
        *fields[field] = buffer + *at;
        *at = (size_t)(end - buffer) + 1;
    }
    return true;
}

// 1, 0, or -1 with errno.
static int record_holds(int fd, const char *name) {
    size_t size;
    size_t at = 0;
    struct entry entry;
    int found = 0;
    char *buffer = read_record(fd, &size);
    if (buffer == NULL) {
        return -1;
    }
    while (found == 0 && next_entry(buffer, size, &at, &entry)) {
        found = strcmp(entry.name, name) == 0;
    }
    free(buffer);
    return found;
}

static bool is_record(const char *name) {
    size_t length = strlen(name);
    return length > strlen(SUFFIX) && strcmp(name + length - strlen(SUFFIX), SUFFIX) == 0;
}

// Whether a record other than `own` names the entry (1 or 0; -1 with errno when that cannot be told); `living`: only
// records whose container lives.
static int held_by_other(int directory, const char *own, const char *name, bool living) {
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *records = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *file;
    int held = 0;
    if (records == NULL) {
        return -1;
    }
    while (held == 0 && (errno = 0, file = readdir(records)) != NULL) {
        if (!is_record(file->d_name) || strcmp(file->d_name, own) == 0) {
            continue;
        }
        int fd = openat(directory, file->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) {
            bool lives = flock(fd, LOCK_EX | LOCK_NB) < 0;
            held = lives || !living ? record_holds(fd, name) : 0;
            close(fd);
        } else if (errno != ENOENT && errno != ELOOP) {
            held = -1;
        }
    }
    int kept = errno;
    held = held == 0 && kept != 0 ? -1 : held; // readdir failed
    closedir(records);
    errno = kept;
    return held;
}

static bool is_symlink_to(const char *path, const char *target) {
    char text[PATH_MAX];
    ssize_t length = readlink(path, text, sizeof text - 1);
    return length >= 0 && (size_t)length == strlen(target) && memcmp(text, target, (size_t)length) == 0;
}

// Only what is still as we made it: an empty directory, an empty file, a symlink with the same text. False when that
// should go and does not.
static bool remove_entry(const struct entry *entry) {
    char path[NAME_MAX + 2];
    struct stat status;
    if (!valid_name(entry->name)) {
        return true;
    }
    snprintf(path, sizeof path, "/%s", entry->name);
    if (lstat(path, &status) < 0) {
        return errno == ENOENT;
    }
    if (strcmp(entry->kind, "directory") == 0 && S_ISDIR(status.st_mode)) {
        return rmdir(path) == 0 || errno == ENOTEMPTY || errno == ENOENT;
    }
    if (strcmp(entry->kind, "file") == 0 && S_ISREG(status.st_mode) && status.st_size == 0) {
        return unlink(path) == 0 || errno == ENOENT;
    }
    if (strcmp(entry->kind, "symlink") == 0 && is_symlink_to(path, entry->target)) {
        return unlink(path) == 0 || errno == ENOENT;
    }
    return true;
}

// Ends a record: removes its entries that no other living container uses, then the record. What cannot be judged is
// never removed: the record stays for the next that sweeps, as it does for what cannot be removed.
static void settle(int directory, int record, const char *name) {
    size_t size;
    size_t at = 0;
    struct entry entry;
    char *buffer = read_record(record, &size);
    bool judged = buffer != NULL;
    while (buffer != NULL && next_entry(buffer, size, &at, &entry)) {
        int held = held_by_other(directory, name, entry.name, true);
        judged = (held > 0 || (held == 0 && remove_entry(&entry))) && judged;
    }
    free(buffer);
    if (judged) {
        unlinkat(directory, name, 0);
    }
}

static void sweep(int directory) {
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *records = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *file;
    while (records != NULL && (file = readdir(records)) != NULL) {
        int fd = is_record(file->d_name) ? openat(directory, file->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (fd < 0) {
            continue;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            settle(directory, fd, file->d_name);
        }
        close(fd);
    }
    if (records != NULL) {
        closedir(records);
    }
}

static void complain(struct reply *reply, const char *what, const char *path) {
    reply->error = errno;
    snprintf(reply->text, sizeof reply->text, "%s%.200s", what, path);
}

void ledger_open(const char *directory, struct reply *reply) {
    if (ledger.directory >= 0) {
        errno = EBUSY;
        complain(reply, "ledger is open already: ", directory);
        return;
    }
    int fd = open_directory(directory, true);
    int lock = fd < 0 ? -1 : take_lock(fd);
    if (lock < 0) {
        complain(reply, "ledger ", directory);
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    sweep(fd);
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    snprintf(ledger.name, sizeof ledger.name, "%ld-%lld-%ld" SUFFIX, (long)getpid(), (long long)time.tv_sec, time.tv_nsec);
    ledger.record = openat(fd, ledger.name, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (ledger.record < 0 || flock(ledger.record, LOCK_EX | LOCK_NB) < 0) {
        complain(reply, "record in ", directory);
        if (ledger.record >= 0) {
            unlinkat(fd, ledger.name, 0);
            close(ledger.record);
        }
        close(lock);
        close(fd);
        return;
    }
    ledger.directory = fd;
    close(lock);
}

static int append(const char *kind, const char *name, const char *target) {
    char line[16 + NAME_MAX + PATH_MAX];
    int length = snprintf(line, sizeof line, "%s%c%s%c%s%c", kind, 0, name, 0, target, 0);
    if (length < 0 || (size_t)length >= sizeof line) {
        errno = ENAMETOOLONG;
        return -1;
    }
    ssize_t done = write(ledger.record, line, (size_t)length);
    if (done == length) {
        return 0;
    }
    errno = done < 0 ? errno : ENOSPC;
    return -1;
}

// 0 when the entry exists as this kind; ENOENT when there is none, EEXIST when it is something else.
static int examine(const char *kind, const char *path, const char *target) {
    struct stat status;
    if (lstat(path, &status) < 0) {
        return -1;
    }
    bool same;
    if (strcmp(kind, "symlink") == 0) {
        same = is_symlink_to(path, target);
    } else if (strcmp(kind, "file") == 0) {
        same = !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode);
    } else {
        same = S_ISDIR(status.st_mode);
    }
    errno = EEXIST;
    return same ? 0 : -1;
}

static int create(const char *kind, const char *path, const char *target) {
    if (strcmp(kind, "symlink") == 0) {
        return symlink(target, path);
    }
    if (strcmp(kind, "directory") == 0) {
        return mkdir(path, 0755);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
    return fd < 0 ? -1 : close(fd);
}

void ledger_entry(const char *kind, const char *name, const char *target, struct reply *reply) {
    char path[NAME_MAX + 2];
    bool known = strcmp(kind, "directory") == 0 || strcmp(kind, "file") == 0 || strcmp(kind, "symlink") == 0;
    if (ledger.directory < 0 || !known || !valid_name(name)) {
        errno = EINVAL;
        complain(reply, "no ledger, or not an entry of /: ", name);
        return;
    }
    snprintf(path, sizeof path, "/%s", name);
    int lock = take_lock(ledger.directory);
    if (lock < 0) {
        complain(reply, "lock the ledger for ", path);
        return;
    }
    int exists = examine(kind, path, target);
    int held = exists < 0 ? 0 : held_by_other(ledger.directory, ledger.name, name, false);
    if (exists < 0 && errno != ENOENT) {
        complain(reply, "something else stands at ", path);
    } else if (held < 0) {
        complain(reply, "read the ledger for ", path);
    } else if (exists < 0 || held > 0) {
        off_t before = lseek(ledger.record, 0, SEEK_END);
        if (append(kind, name, target) < 0) {
            complain(reply, "record ", path);
        } else if (exists < 0 && create(kind, path, target) < 0) {
            complain(reply, "create ", path);
            (void)!ftruncate(ledger.record, before); // who made it meanwhile keeps it
        }
    }
    close(lock);
}

void ledger_release(void) {
    if (ledger.directory < 0) {
        return;
    }
    int lock = take_lock(ledger.directory);
    if (lock >= 0) {
        settle(ledger.directory, ledger.record, ledger.name);
        close(lock);
    }
    close(ledger.record);
    close(ledger.directory);
    ledger.directory = -1;
}

int ledger_sweep(const char *directory) {
    int fd = open_directory(directory, false);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    int lock = take_lock(fd);
    if (lock >= 0) {
        sweep(fd);
        close(lock);
    }
    close(fd);
    return lock < 0 ? -1 : 0;
}
