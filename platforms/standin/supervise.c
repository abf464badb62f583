// SPDX-License-Identifier: BSD-3-Clause
/*
 * The rule of Colab since March 2025 ("an intentional decision to deny mounting of the proc filesystem",
 * googlecolab/colabtools#5173), as far as it is known from outside: a mount whose type is proc, or whose source or
 * target lies on procfs, fails with EACCES, the errno of a Linux security module. We read it strictly, so that
 * what passes here is no other door to the same thing: a recursive bind that would carry a procfs along and the new
 * mount calls (open_tree, move_mount, fsopen, fspick, mount_setattr) are refused alike, with the same errno, since
 * the module's hooks behind them answer EACCES too. Everything else goes on to the kernel untouched.
 */
#define _GNU_SOURCE
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NR_OPEN_TREE = 428, NR_MOVE_MOUNT = 429, NR_FSOPEN = 430, NR_FSPICK = 433, NR_MOUNT_SETATTR = 442, NR_OPEN_TREE_ATTR = 467 };
enum { FLAG_OPEN_TREE_CLONE = 1, FLAG_F_EMPTY_PATH = 4, FLAG_T_EMPTY_PATH = 0x40, FLAG_RECURSIVE = 0x8000 };
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

/* Reads a string of the caller, page by page: the string may end just before an unmapped page. False: unreadable. */
static bool read_string(pid_t tid, uint64_t address, char *text, size_t size) {
  size_t length = 0;
  if (address == 0) {
    return false;
  }
  while (length < size) {
    size_t chunk = 4096 - (address + length) % 4096;
    if (chunk > size - length) {
      chunk = size - length;
    }
    struct iovec to = {text + length, chunk};
    struct iovec from = {(void *)(uintptr_t)(address + length), chunk};
    ssize_t count = process_vm_readv(tid, &to, 1, &from, 1, 0);
    if (count <= 0) {
      return false;
    }
    if (memchr(text + length, 0, (size_t)count)) {
      return true;
    }
    length += (size_t)count;
  }
  return false;
}

/* Does (dirfd, path) lie on procfs, or (with `subtree`) does a procfs lie below it? A path that cannot be resolved
   is none of ours: the kernel says why. */
static bool involves(pid_t tid, int dirfd, uint64_t address, bool may_be_empty, bool subtree) {
  char path[PATH_MAX];
  if (!read_string(tid, address, path, sizeof path)) {
    return false;
  }
  if (path[0] == '\0' && !may_be_empty) {
    return false;
  }
  int fd = open_as(tid, dirfd, path, true);
  if (fd < 0) {
    return false;
  }
  bool found = on_procfs(fd) || (subtree && procfs_below(tid, fd));
  close(fd);
  return found;
}

static bool is_proc(pid_t tid, uint64_t address) {
  char type[32];
  return read_string(tid, address, type, sizeof type) && strcmp(type, "proc") == 0;
}

static bool mount_involves_procfs(pid_t tid, const uint64_t *argument) {
  unsigned long flags = argument[3];
  if ((flags & MS_MGC_MSK) == MS_MGC_VAL) {
    flags &= ~(unsigned long)MS_MGC_MSK;
  }
  if (involves(tid, AT_FDCWD, argument[1], false, false)) {
    return true;
  }
  if (flags & MS_REMOUNT) {
    return false; /* keeps its type and source */
  }
  if (flags & MS_BIND) {
    return involves(tid, AT_FDCWD, argument[0], false, flags & MS_REC);
  }
  if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)) {
    return false;
  }
  if (flags & MS_MOVE) {
    return involves(tid, AT_FDCWD, argument[0], false, true);
  }
  return is_proc(tid, argument[2]);
}

static bool call_involves_procfs(pid_t tid, const struct seccomp_data *data) {
  const uint64_t *argument = (const uint64_t *)data->args;
  switch (data->nr) {
  case __NR_mount:
    return mount_involves_procfs(tid, argument);
  case NR_OPEN_TREE:
  case NR_OPEN_TREE_ATTR:
    return (argument[2] & FLAG_OPEN_TREE_CLONE) &&
           involves(tid, (int)argument[0], argument[1], argument[2] & AT_EMPTY_PATH, argument[2] & FLAG_RECURSIVE);
  case NR_MOVE_MOUNT:
    return involves(tid, (int)argument[0], argument[1], argument[4] & FLAG_F_EMPTY_PATH, true) ||
           involves(tid, (int)argument[2], argument[3], argument[4] & FLAG_T_EMPTY_PATH, false);
  case NR_FSOPEN:
    return is_proc(tid, argument[0]);
  case NR_FSPICK:
    return involves(tid, (int)argument[0], argument[1], true, false);
  case NR_MOUNT_SETATTR:
    return involves(tid, (int)argument[0], argument[1], argument[2] & AT_EMPTY_PATH, false);
  default:
    return false;
  }
}

bool answer_notification(int listener) {
  struct seccomp_notif request;
  memset(&request, 0, sizeof request);
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) {
    return errno == EINTR || errno == ENOENT; /* ENOENT: the caller died while we woke up */
  }
  struct seccomp_notif_resp response = {.id = request.id};
  if (call_involves_procfs((pid_t)request.pid, &request.data)) {
    response.error = -EACCES;
  } else {
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  }
  /* ENOENT: the caller was killed meanwhile. */
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0 || errno == ENOENT || errno == EINTR;
}
