// SPDX-License-Identifier: BSD-3-Clause
/*
 * The root of a stand-in: an overlay over the machine's `/` (or another tree) whose writes go to a tmpfs that dies
 * with the mount namespace. docker's own layout (moby, oci/defaults.go and runc's rootfs code) for /proc, /sys, /dev and the three
 * files of /etc; for a plain machine its own /sys and /dev.
 */
#define _GNU_SOURCE
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NR_OPEN_TREE = 428, NR_MOVE_MOUNT = 429, NR_MOUNT_SETATTR = 442 };
enum { OPEN_CLONE = 1, OPEN_RECURSIVE = 0x8000, FROM_EMPTY_PATH = 4 };

/* Covered by our tmpfs in the new mount namespace only; every FHS system has it. */
#define BASE "/tmp"
#define ROOT BASE "/root"
#define UPPER BASE "/upper"

#define HARDENED (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static void must(int result, const char *what, const char *detail) {
  if (result < 0) {
    die(what, detail);
  }
}

static void make_directory(const char *path, mode_t mode) {
  if (mkdir(path, mode) < 0 && errno != EEXIST) {
    die("mkdir", path);
  }
}

static void make_parents(const char *path) {
  char part[PATH_MAX];
  for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    if (mkdir(part, 0755) < 0 && errno != EEXIST) {
      die("mkdir", part);
    }
  }
}

/* An account that is not root must get through: the parents of a bind may be closed (a checkout below a 0700 home). */
static void open_parents(const char *path) {
  char part[PATH_MAX];
  struct stat root, info;
  must(stat(ROOT, &root), "stat", ROOT);
  for (const char *slash = strchr(path + strlen(ROOT) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    /* The overlay's own directories only: what lies on a bind is the machine's. */
    if (stat(part, &info) == 0 && info.st_dev == root.st_dev && (info.st_mode & 0111) != 0111) {
      must(chmod(part, (info.st_mode & 07777) | 0111), "chmod", part);
    }
  }
}

static void in_root(char *out, const char *path) {
  if (snprintf(out, PATH_MAX, "%s%s", ROOT, path) >= PATH_MAX) {
    errno = ENAMETOOLONG;
    die("path", path);
  }
}

static void take_binds(struct recipe *recipe) {
  for (int i = 0; i < recipe->bind_count; i++) {
    struct bind_path *bind = &recipe->binds[i];
    bind->tree = (int)syscall(NR_OPEN_TREE, AT_FDCWD, bind->path, OPEN_CLONE | OPEN_RECURSIVE | O_CLOEXEC);
    must(bind->tree, "bind", bind->path);
    if (bind->read_only) {
      struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
      must((int)syscall(NR_MOUNT_SETATTR, bind->tree, "", AT_EMPTY_PATH | OPEN_RECURSIVE, &attributes, sizeof attributes),
           "read-only bind", bind->path);
    }
  }
}

static void place_binds(const struct recipe *recipe) {
  for (int i = 0; i < recipe->bind_count; i++) {
    const struct bind_path *bind = &recipe->binds[i];
    char target[PATH_MAX];
    struct stat info;
    in_root(target, bind->path);
    make_parents(target);
    if (recipe->has_account) {
      open_parents(target);
    }
    must(fstat(bind->tree, &info), "stat", bind->path);
    if (S_ISDIR(info.st_mode)) {
      make_directory(target, 0755);
    } else {
      int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
      must(fd, "create", target);
      close(fd);
    }
    must((int)syscall(NR_MOVE_MOUNT, bind->tree, "", AT_FDCWD, target, FROM_EMPTY_PATH), "bind", bind->path);
    close(bind->tree);
  }
}

static void mount_overlay(const struct recipe *recipe) {
  char options[128];
  /* By descriptor: the next mount may cover its path, and a path in mount options would need escapes. */
  int lower = open(recipe->lower, O_PATH | O_DIRECTORY | O_CLOEXEC);
  must(lower, "open", recipe->lower);
  snprintf(options, sizeof options, "mode=755,size=%s", recipe->root_size);
  must(mount("standin", BASE, "tmpfs", 0, options), "tmpfs", BASE);
  make_directory(UPPER, 0755);
  make_directory(BASE "/work", 0755);
  make_directory(BASE "/etc", 0755);
  make_directory(ROOT, 0755);
  for (int i = 0; i < recipe->fresh_count; i++) {
    /* An opaque directory hides what the machine has below it. */
    const char *path = recipe->fresh[i];
    char target[PATH_MAX];
    struct stat info;
    if (stat(path, &info) < 0) {
      info.st_mode = 0755;
    }
    snprintf(target, sizeof target, UPPER "%s", path);
    if (strcmp(path, BASE) == 0) {
      info.st_mode = 01777; /* what we see there by now is our own tmpfs */
    }
    make_directory(target, 0755);
    must(chmod(target, info.st_mode & 07777), "chmod", target);
    must(setxattr(target, "trusted.overlay.opaque", "y", 1, 0), "opaque directory", path);
  }
  for (int i = 0; i < recipe->hidden_count; i++) {
    /* overlayfs's whiteout */
    char target[PATH_MAX];
    snprintf(target, sizeof target, UPPER "%s", recipe->hidden[i]);
    make_parents(target);
    must(mknod(target, S_IFCHR, makedev(0, 0)), "whiteout", recipe->hidden[i]);
  }
  snprintf(options, sizeof options, "lowerdir=/proc/self/fd/%d,upperdir=" UPPER ",workdir=" BASE "/work", lower);
  must(mount("overlay", ROOT, "overlay", 0, options), "overlay over", recipe->lower);
  close(lower);
}

/* /etc/{hosts,hostname,resolv.conf}: docker binds files of its own there. */
static void bind_etc(const struct recipe *recipe) {
  static const char *const NAMES[] = {"hosts", "hostname", "resolv.conf"};
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    char from[PATH_MAX], copy[PATH_MAX], target[PATH_MAX], text[65536];
    snprintf(from, sizeof from, "/etc/%s", NAMES[i]);
    snprintf(copy, sizeof copy, BASE "/etc/%s", NAMES[i]);
    snprintf(target, sizeof target, ROOT "/etc/%s", NAMES[i]);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t length = in < 0 ? 0 : read(in, text, sizeof text);
    if (in >= 0) {
      close(in);
    }
    if (recipe->hostname && strcmp(NAMES[i], "hostname") == 0) {
      length = snprintf(text, sizeof text, "%s\n", recipe->hostname);
    }
    int out = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    must(out, "create", copy);
    if (length > 0 && write(out, text, (size_t)length) != length) {
      die("write", copy);
    }
    close(out);
    struct stat info;
    if (lstat(target, &info) == 0 && S_ISLNK(info.st_mode)) {
      must(unlink(target), "unlink", target);
    }
    int point = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    must(point, "create", target);
    close(point);
    must(mount(copy, target, NULL, MS_BIND, NULL), "bind", target);
  }
}

static void make_node(const char *name, mode_t mode, unsigned major_number, unsigned minor_number) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, ROOT "/dev/%s", name);
  must(mknod(path, S_IFCHR | mode, makedev(major_number, minor_number)), "mknod", path);
  must(chmod(path, mode), "chmod", path);
}

static void lay_dev(const struct recipe *recipe) {
  must(mount("tmpfs", ROOT "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64m"), "tmpfs", "/dev");
  make_node("null", 0666, 1, 3);
  make_node("zero", 0666, 1, 5);
  make_node("full", 0666, 1, 7);
  make_node("random", 0666, 1, 8);
  make_node("urandom", 0666, 1, 9);
  make_node("tty", 0666, 5, 0);
  if (recipe->dev_fuse) {
    make_node("fuse", 0666, 10, 229);
  }
  make_directory(ROOT "/dev/pts", 0755);
  make_directory(ROOT "/dev/shm", 01777);
  make_directory(ROOT "/dev/mqueue", 01777);
  must(mount("devpts", ROOT "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"),
       "devpts", "/dev/pts");
  must(mount("shm", ROOT "/dev/shm", "tmpfs", HARDENED, "mode=1777,size=64m"), "tmpfs", "/dev/shm");
  must(mount("mqueue", ROOT "/dev/mqueue", "mqueue", HARDENED, NULL), "mqueue", "/dev/mqueue");
  must(symlink("pts/ptmx", ROOT "/dev/ptmx"), "symlink", "/dev/ptmx");
  must(symlink("/proc/self/fd", ROOT "/dev/fd"), "symlink", "/dev/fd");
  must(symlink("/proc/self/fd/0", ROOT "/dev/stdin"), "symlink", "/dev/stdin");
  must(symlink("/proc/self/fd/1", ROOT "/dev/stdout"), "symlink", "/dev/stdout");
  must(symlink("/proc/self/fd/2", ROOT "/dev/stderr"), "symlink", "/dev/stderr");
}

static void read_only(const char *path) {
  must(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | HARDENED, NULL), "read-only", path);
}

static void docker_masks(void) {
  static const char *const MASKED[] = {ROOT "/proc/asound",        ROOT "/proc/acpi",        ROOT "/proc/interrupts",
                                       ROOT "/proc/kcore",         ROOT "/proc/keys",        ROOT "/proc/latency_stats",
                                       ROOT "/proc/timer_list",    ROOT "/proc/timer_stats", ROOT "/proc/sched_debug",
                                       ROOT "/proc/scsi",          ROOT "/sys/firmware",     ROOT "/sys/devices/virtual/powercap"};
  static const char *const READ_ONLY[] = {ROOT "/proc/bus", ROOT "/proc/fs", ROOT "/proc/irq", ROOT "/proc/sys",
                                          ROOT "/proc/sysrq-trigger"};
  for (size_t i = 0; i < sizeof MASKED / sizeof *MASKED; i++) {
    struct stat info;
    if (stat(MASKED[i], &info) < 0) {
      continue; /* this kernel has no such file */
    }
    if (S_ISDIR(info.st_mode)) {
      must(mount("tmpfs", MASKED[i], "tmpfs", MS_RDONLY | HARDENED, NULL), "mask", MASKED[i]);
    } else {
      must(mount(ROOT "/dev/null", MASKED[i], NULL, MS_BIND, NULL), "mask", MASKED[i]);
    }
  }
  for (size_t i = 0; i < sizeof READ_ONLY / sizeof *READ_ONLY; i++) {
    if (mount(READ_ONLY[i], READ_ONLY[i], NULL, MS_BIND | MS_REC, NULL) == 0) {
      read_only(READ_ONLY[i]);
    } else if (errno != ENOENT) {
      die("bind", READ_ONLY[i]);
    }
  }
}

static void docker_sys(void) {
  must(mount("sysfs", ROOT "/sys", "sysfs", MS_RDONLY | HARDENED, NULL), "sysfs", "/sys");
  /* The control groups of this machine, for reading only; hosts without them stand for a cgroup-less one. */
  if (mount("/sys/fs/cgroup", ROOT "/sys/fs/cgroup", NULL, MS_BIND | MS_REC, NULL) == 0) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
    must((int)syscall(NR_MOUNT_SETATTR, AT_FDCWD, ROOT "/sys/fs/cgroup", OPEN_RECURSIVE, &attributes, sizeof attributes),
         "read-only", "/sys/fs/cgroup");
  }
}

static void lay_docker(const struct recipe *recipe) {
  must(mount("proc", ROOT "/proc", "proc", HARDENED, NULL), "procfs", "/proc");
  docker_sys();
  lay_dev(recipe);
  bind_etc(recipe);
  docker_masks();
}

static void lay_machine(const struct recipe *recipe) {
  static const char *const SHARED[] = {"/sys", "/dev", "/run"};
  must(mount("proc", ROOT "/proc", "proc", HARDENED, NULL), "procfs", "/proc");
  for (size_t i = 0; i < sizeof SHARED / sizeof *SHARED; i++) {
    char target[PATH_MAX];
    in_root(target, SHARED[i]);
    if (strcmp(SHARED[i], "/dev") == 0 && recipe->own_dev) {
      lay_dev(recipe);
      make_node("loop-control", 0660, 10, 237);
    } else if (strcmp(SHARED[i], "/run") == 0) {
      /* Of its own: a test may write there. */
      must(mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"), "tmpfs", target);
    } else {
      must(mount(SHARED[i], target, NULL, MS_BIND | MS_REC, NULL), "bind", SHARED[i]);
    }
  }
}

/* The home of an account and what lies below it are its own. */
static void give_to_account(const struct recipe *recipe, const char *target) {
  const char *path = target + strlen(ROOT);
  size_t length = strlen(recipe->account.home);
  if (recipe->has_account && strncmp(path, recipe->account.home, length) == 0 &&
      (path[length] == '/' || path[length] == '\0')) {
    must(chown(target, recipe->account.uid, recipe->account.gid), "chown", target);
  }
}

static void mount_own_file_systems(const struct recipe *recipe) {
  for (int i = 0; i < recipe->tmpfs_count; i++) {
    char target[PATH_MAX], options[128];
    in_root(target, recipe->tmpfs[i]);
    make_parents(target);
    make_directory(target, 0755);
    snprintf(options, sizeof options, "mode=755,size=%s,uid=%u,gid=%u", recipe->root_size, recipe->account.uid,
             recipe->account.gid);
    must(mount("standin", target, "tmpfs", MS_NOSUID | MS_NODEV, options), "tmpfs", recipe->tmpfs[i]);
  }
}

void build_root(struct recipe *recipe) {
  must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts", NULL);
  take_binds(recipe);
  mount_overlay(recipe);
  if (recipe->layout == LAYOUT_DOCKER) {
    lay_docker(recipe);
  } else {
    lay_machine(recipe);
  }
  if (recipe->has_account) {
    write_account(ROOT, &recipe->account);
  }
  for (int i = 0; i < recipe->directory_count; i++) {
    char target[PATH_MAX];
    in_root(target, recipe->directories[i]);
    make_parents(target);
    make_directory(target, 0755);
    give_to_account(recipe, target);
  }
  mount_own_file_systems(recipe);
  place_binds(recipe);
  must(chdir(ROOT), "chdir", ROOT);
  must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root", NULL);
  must(umount2(".", MNT_DETACH), "umount", "old root");
  must(chdir("/"), "chdir", "/");
  if (recipe->shared_root) {
    must(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), "shared mounts", NULL);
  }
}
