// SPDX-License-Identifier: BSD-3-Clause
/*
 * Resolves a path as another process sees it: from its root, its working directory or one of its descriptors, in its
 * mount namespace, component by component. openat2(RESOLVE_IN_ROOT) is not enough: `/proc/self` must mean the other
 * process, and a path relative to the working directory may climb above it.
 */
#define _GNU_SOURCE
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { MAX_LINKS = 40, PROC_ROOT_INODE = 1 };
#define TID_PATH_SIZE 128

bool on_procfs(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

static int open_of(pid_t tid, const char *what) {
  char path[TID_PATH_SIZE];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)tid, what);
  return open(path, O_PATH | O_CLOEXEC);
}

/* The thread group of a thread: what /proc/self means for it. */
static pid_t group_of(pid_t tid) {
  char path[TID_PATH_SIZE], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
  FILE *file = fopen(path, "re");
  pid_t group = tid;
  while (file && fgets(line, sizeof line, file)) {
    int value;
    if (sscanf(line, "Tgid: %d", &value) == 1) {
      group = value;
      break;
    }
  }
  if (file) {
    fclose(file);
  }
  return group;
}

/* Mount ID from fdinfo and not from statx: the C library of the project's compiler does not know STATX_MNT_ID. */
static bool mount_of(int fd, uint64_t *mount, uint64_t *inode) {
  char path[64], line[256];
  struct stat info;
  if (fstat(fd, &info) < 0) {
    return false;
  }
  *inode = info.st_ino;
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE *file = fopen(path, "re");
  bool found = false;
  while (file && !found && fgets(line, sizeof line, file)) {
    unsigned long long value;
    if (sscanf(line, "mnt_id: %llu", &value) == 1) {
      *mount = value;
      found = true;
    }
  }
  if (file) {
    fclose(file);
  }
  return found;
}

static bool same(int a, int b) {
  uint64_t mount_a, mount_b, inode_a, inode_b;
  return mount_of(a, &mount_a, &inode_a) && mount_of(b, &mount_b, &inode_b) && mount_a == mount_b &&
         inode_a == inode_b;
}

/* `self` and `thread-self` in the root of any procfs: the same process in the machine's own procfs. -1: neither. */
static int open_self(pid_t tid, int directory, const char *name) {
  struct stat info;
  if (!on_procfs(directory) || fstat(directory, &info) < 0 || info.st_ino != PROC_ROOT_INODE) {
    return -1;
  }
  if (strcmp(name, "self") == 0) {
    return open_of(group_of(tid), "");
  }
  if (strcmp(name, "thread-self") == 0) {
    char path[TID_PATH_SIZE / 2];
    snprintf(path, sizeof path, "task/%d", (int)tid);
    return open_of(group_of(tid), path);
  }
  return -1;
}

/* One component. On a text link, *link gets the text and the result is -1 with errno ELOOP. */
static int step(pid_t tid, int root, int directory, const char *name, bool follow, char *link) {
  if (strcmp(name, "..") == 0 && same(root, directory)) {
    return fcntl(directory, F_DUPFD_CLOEXEC, 0);
  }
  int self = open_self(tid, directory, name);
  if (self >= 0) {
    return self;
  }
  int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || !follow || fstat(fd, &info) < 0 || !S_ISLNK(info.st_mode)) {
    return fd;
  }
  struct stat parent;
  bool magic = on_procfs(fd) && fstat(directory, &parent) == 0 && parent.st_ino != PROC_ROOT_INODE;
  if (magic) {
    /* /proc/PID/{root,cwd,exe,fd/N}: the kernel jumps, no text can say where. */
    close(fd);
    return openat(directory, name, O_PATH | O_CLOEXEC);
  }
  ssize_t length = readlinkat(fd, "", link, PATH_MAX - 1);
  close(fd);
  if (length < 0) {
    return -1;
  }
  link[length] = '\0';
  errno = ELOOP;
  return -1;
}

int open_as(pid_t tid, int dirfd, const char *path, bool follow_last) {
  char rest[2 * PATH_MAX], link[PATH_MAX], start[TID_PATH_SIZE];
  int links = 0;
  if (strlen(path) >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(rest, path);
  int root = open_of(tid, "root");
  if (root < 0) {
    return -1;
  }
  if (dirfd == AT_FDCWD) {
    strcpy(start, "cwd");
  } else {
    snprintf(start, sizeof start, "fd/%d", dirfd);
  }
  int at = path[0] == '/' ? fcntl(root, F_DUPFD_CLOEXEC, 0) : open_of(tid, start);
  while (at >= 0) {
    char *name = rest + strspn(rest, "/");
    if (*name == '\0') {
      break;
    }
    char *end = name + strcspn(name, "/");
    bool last = end[strspn(end, "/")] == '\0';
    bool directory_wanted = *end == '/';
    char component[NAME_MAX + 1];
    size_t length = (size_t)(end - name);
    if (length > NAME_MAX) {
      close(at);
      at = -1;
      errno = ENAMETOOLONG;
      break;
    }
    memcpy(component, name, length);
    component[length] = '\0';
    memmove(rest, end, strlen(end) + 1);
    int next = step(tid, root, at, component, !last || directory_wanted || follow_last, link);
    if (next < 0 && errno == ELOOP && ++links <= MAX_LINKS && strlen(link) + strlen(rest) < sizeof rest) {
      /* A link: its text comes before what is left; it starts at the root or in this directory. */
      memmove(rest + strlen(link), rest, strlen(rest) + 1);
      memcpy(rest, link, strlen(link));
      next = fcntl(link[0] == '/' ? root : at, F_DUPFD_CLOEXEC, 0);
    }
    int saved = errno;
    close(at);
    errno = saved;
    at = next;
  }
  int saved = errno;
  close(root);
  errno = saved;
  return at;
}

struct mount_entry {
  int id, parent;
  bool procfs;
  char *point;
};

/* Octal escapes of mountinfo (space, tab, newline, backslash), in place. */
static void unescape(char *text) {
  char *out = text;
  for (char *in = text; *in; in++) {
    if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] && in[3]) {
      *out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
      in += 3;
    } else {
      *out++ = *in;
    }
  }
  *out = '\0';
}

static struct mount_entry *read_mounts(pid_t tid, size_t *count) {
  char path[TID_PATH_SIZE];
  snprintf(path, sizeof path, "/proc/%d/mountinfo", (int)tid);
  FILE *file = fopen(path, "re");
  struct mount_entry *entries = NULL;
  char *line = NULL;
  size_t size = 0, room = 0;
  *count = 0;
  while (file && getline(&line, &size, file) > 0) {
    struct mount_entry entry;
    char *type = strstr(line, " - ");
    char *point = malloc(strlen(line) + 1);
    if (!type || !point || sscanf(line, "%d %d %*s %*s %s", &entry.id, &entry.parent, point) != 3) {
      free(point);
      continue;
    }
    unescape(point);
    entry.point = point;
    entry.procfs = strncmp(type + 3, "proc ", 5) == 0;
    if (*count == room) {
      room = room ? 2 * room : 64;
      entries = realloc(entries, room * sizeof *entries);
      if (!entries) {
        die("mountinfo", NULL);
      }
    }
    entries[(*count)++] = entry;
  }
  free(line);
  if (file) {
    fclose(file);
  }
  return entries;
}

static bool descends(const struct mount_entry *entries, size_t count, const struct mount_entry *entry, int ancestor) {
  for (size_t steps = 0; steps <= count; steps++) {
    if (entry->id == ancestor) {
      return true;
    }
    const struct mount_entry *parent = NULL;
    for (size_t i = 0; i < count; i++) {
      if (entries[i].id == entry->parent && entries[i].id != entry->id) {
        parent = &entries[i];
      }
    }
    if (!parent) {
      return false;
    }
    entry = parent;
  }
  return false;
}

static bool read_link(const char *path, char *text) {
  ssize_t length = readlink(path, text, PATH_MAX - 1);
  text[length < 0 ? 0 : length] = '\0';
  return length > 0;
}

bool procfs_below(pid_t tid, int fd) {
  char path[TID_PATH_SIZE], source[PATH_MAX], root[PATH_MAX];
  uint64_t mount, inode;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  bool known = read_link(path, source) && mount_of(fd, &mount, &inode);
  snprintf(path, sizeof path, "/proc/%d/root", (int)tid);
  if (!known || !read_link(path, root)) {
    return false;
  }
  size_t count;
  struct mount_entry *entries = read_mounts(tid, &count);
  size_t source_length = strcmp(source, "/") == 0 ? 0 : strlen(source);
  size_t root_length = strcmp(root, "/") == 0 ? 0 : strlen(root);
  bool found = false;
  for (size_t i = 0; i < count && !found; i++) {
    /* mountinfo speaks relative to the process's root, `source` relative to the top of its mount namespace. */
    char point[2 * PATH_MAX];
    snprintf(point, sizeof point, "%.*s%s", (int)root_length, root, entries[i].point);
    found = entries[i].procfs && strncmp(point, source, source_length) == 0 &&
            (point[source_length] == '/' || point[source_length] == '\0') &&
            descends(entries, count, &entries[i], (int)mount);
  }
  for (size_t i = 0; i < count; i++) {
    free(entries[i].point);
  }
  free(entries);
  return found;
}
