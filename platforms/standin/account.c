// SPDX-License-Identifier: BSD-3-Clause
/* The ordinary account that a stand-in's command runs as. */
#define _GNU_SOURCE
#include "standin.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 20 };

bool parse_account(const char *text, struct account *account) {
  char rest;
  return sscanf(text, "%63[^:]:%u:%u:%255[^:\n]%c", account->name, &account->uid, &account->gid, account->home, &rest) ==
         4;
}

/* Does this line of passwd or group (NAME:x:ID:...) have that name or id? */
static bool same_line(const char *line, const char *name, unsigned id) {
  char other[256];
  unsigned other_id;
  return sscanf(line, "%255[^:]:%*[^:]:%u", other, &other_id) == 2 && (other_id == id || strcmp(other, name) == 0);
}

/* The file with one line for this name and id, which takes the place of every other. */
static void put_line(const char *path, const char *name, unsigned id, const char *text) {
  static char content[MAX_FILE];
  int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  ssize_t length = fd < 0 ? -1 : read(fd, content, sizeof content - 1);
  if (length < 0 || ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
    die("account", path);
  }
  content[length] = '\0';
  FILE *file = fdopen(fd, "w");
  if (!file) {
    die("account", path);
  }
  for (char *line = strtok(content, "\n"); line; line = strtok(NULL, "\n")) {
    if (!same_line(line, name, id)) {
      fprintf(file, "%s\n", line);
    }
  }
  fprintf(file, "%s\n", text);
  if (fclose(file) != 0) {
    die("account", path);
  }
}

void write_account(const char *root, const struct account *account) {
  char path[PATH_MAX], line[512];
  snprintf(path, sizeof path, "%s/etc/passwd", root);
  snprintf(line, sizeof line, "%s:x:%u:%u:%s:%s:/bin/bash", account->name, account->uid, account->gid, account->name,
           account->home);
  put_line(path, account->name, account->uid, line);
  snprintf(path, sizeof path, "%s/etc/group", root);
  /* Gid 100 is `users` wherever there is such a group. */
  const char *group = account->gid == 100 ? "users" : account->name;
  snprintf(line, sizeof line, "%s:x:%u:", group, account->gid);
  put_line(path, group, account->gid, line);
}

void become_account(const struct account *account) {
  for (int fd = 0; fd <= 2; fd++) {
    /* As runc does, so that /dev/stderr can be opened anew; a terminal or file of the machine stays as it is. */
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode) && fchown(fd, account->uid, account->gid) < 0) {
      die("chown of descriptor", NULL);
    }
  }
  if (setgroups(1, &account->gid) < 0 || setresgid(account->gid, account->gid, account->gid) < 0 ||
      setresuid(account->uid, account->uid, account->uid) < 0) {
    die("become", account->name);
  }
}
