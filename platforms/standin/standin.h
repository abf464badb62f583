// SPDX-License-Identifier: BSD-3-Clause
/*
 * Stand-ins of notebook platforms: shared declarations.
 *
 * This is C, not TypeScript, for the reason the launcher is: Node can neither make these system calls (unshare,
 * mount, capset) nor answer seccomp notifications. It is a tool for tests and never part of the wheel.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_PATHS = 64 };

/* How /proc, /sys and /dev are laid. */
enum layout { LAYOUT_MACHINE, LAYOUT_DOCKER };

struct bind_path {
  const char *path;
  bool read_only;
  int tree; /* detached copy of the mount, taken before the new root hides it */
};

/* Whom the command runs as: an ordinary account, written into /etc/passwd and /etc/group. */
struct account {
  char name[64];
  uid_t uid;
  gid_t gid;
  char home[256];
};

struct recipe {
  enum layout layout;
  const char *hostname;           /* NULL: the machine's */
  const char *cwd;                /* working directory of the command; made when missing */
  uint64_t capabilities;          /* bounding set */
  bool limit_capabilities;
  bool docker_seccomp;            /* docker's default profile, for `capabilities` */
  bool deny_procfs_mounts;        /* answer EACCES to every mount that involves procfs */
  bool deny_mounts;               /* answer EACCES to every mount, as AppArmor's docker-default does */
  bool no_new_privileges;
  bool dev_fuse;
  bool own_dev;                   /* machine layout: a /dev of its own without /dev/fuse; loops are root's */
  bool shared_root;               /* `/` is a shared mount, as systemd leaves it */
  const char *lower;              /* the tree below the root; `/` of the machine unless said otherwise */
  const char *root_size;          /* size= of the tmpfs that takes all writes */
  const char *fresh[MAX_PATHS];   /* top-level directories that start empty */
  int fresh_count;
  const char *hidden[MAX_PATHS];  /* files of the machine that the platform lacks */
  int hidden_count;
  const char *directories[MAX_PATHS]; /* directories to make */
  int directory_count;
  const char *tmpfs[MAX_PATHS];   /* file systems of their own, which belong to the account */
  int tmpfs_count;
  struct account account;
  bool has_account;               /* false: the command stays root */
  struct bind_path binds[MAX_PATHS];
  int bind_count;
};

/* Prints `standin: WHAT: strerror` and ends with status 125, docker's status of its own failures. */
void die(const char *what, const char *detail) __attribute__((noreturn));

/* root.c: builds the root and makes it `/` of this (new) mount namespace. */
void build_root(struct recipe *recipe);

/* account.c */
/* Reads NAME:UID:GID:HOME; false: it is none. */
bool parse_account(const char *text, struct account *account);
/* Writes the account into etc/passwd and etc/group below `root`. */
void write_account(const char *root, const struct account *account);
/* The calling process becomes that account, for good; pipes on its descriptors 0 to 2 become its own. */
void become_account(const struct account *account);

/* filter.c: all install a seccomp filter on the calling thread. */
void install_docker_filter(uint64_t capabilities);
void install_deny_mounts_filter(void);
/* Returns the descriptor on which notifications arrive. */
int install_mount_filter(void);

/* supervise.c: answers one notification. Returns false once nobody is left who could send one. */
bool answer_notification(int listener);

/* resolve.c: paths of another process, resolved as the kernel would resolve them for it. */
/* An O_PATH descriptor, or -1 with errno; `dirfd` is AT_FDCWD or a descriptor of that process. */
int open_as(pid_t tid, int dirfd, const char *path, bool follow_last);
/* Is this descriptor on procfs? */
bool on_procfs(int fd);
/* Is a procfs mounted anywhere below this descriptor, in the mount namespace of that process? */
bool procfs_below(pid_t tid, int fd);

#endif
