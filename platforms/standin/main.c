// SPDX-License-Identifier: BSD-3-Clause
/*
 * standin OPTION... -- COMMAND...: runs COMMAND as a notebook platform would. platforms/recipes.ts says which options
 * make which platform; platforms/run.ts is the front.
 *
 * Three processes: the supervisor (outside: answers seccomp notifications, passes signals on), the init of a new pid
 * namespace (reaps, ends everything when the command ends) and the command. All mounts, files and processes die with
 * init, and init dies with the supervisor, so nothing is left behind, however it ends.
 */
#define _GNU_SOURCE
#include "standin.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OWN_FAILURE = 125, NOT_FOUND = 127, NOT_EXECUTABLE = 126, SIGNALLED = 128 };

static const int PASSED_ON[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

void die(const char *what, const char *detail) {
  fprintf(stderr, "standin: %s%s%s: %s\n", what, detail ? " " : "", detail ? detail : "", strerror(errno));
  _exit(OWN_FAILURE);
}

static void usage(const char *word) {
  fprintf(stderr, "standin: unexpected %s\n", word);
  _exit(OWN_FAILURE);
}

static const char *next_word(int argc, char **argv, int *index) {
  if (*index + 1 >= argc) {
    usage("end of arguments");
  }
  return argv[++*index];
}

static void add(const char **list, int *count, const char *word) {
  if (*count == MAX_PATHS) {
    usage("number of paths");
  }
  list[(*count)++] = word;
}

/* Returns the index of the command. */
static int parse(int argc, char **argv, struct recipe *recipe) {
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (strcmp(word, "--") == 0 && i + 1 < argc) {
      return i + 1;
    }
    if (strcmp(word, "--docker-layout") == 0) {
      recipe->layout = LAYOUT_DOCKER;
    } else if (strcmp(word, "--docker-seccomp") == 0) {
      recipe->docker_seccomp = true;
    } else if (strcmp(word, "--deny-procfs-mounts") == 0) {
      recipe->deny_procfs_mounts = true;
    } else if (strcmp(word, "--deny-mounts") == 0) {
      recipe->deny_mounts = true;
    } else if (strcmp(word, "--no-new-privileges") == 0) {
      recipe->no_new_privileges = true;
    } else if (strcmp(word, "--dev-fuse") == 0) {
      recipe->dev_fuse = true;
    } else if (strcmp(word, "--own-dev") == 0) {
      recipe->own_dev = true;
    } else if (strcmp(word, "--shared-root") == 0) {
      recipe->shared_root = true;
    } else if (strcmp(word, "--die-with-parent") == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
    } else if (strcmp(word, "--hostname") == 0) {
      recipe->hostname = next_word(argc, argv, &i);
    } else if (strcmp(word, "--cwd") == 0) {
      recipe->cwd = next_word(argc, argv, &i);
    } else if (strcmp(word, "--lower") == 0) {
      recipe->lower = next_word(argc, argv, &i);
    } else if (strcmp(word, "--size") == 0) {
      recipe->root_size = next_word(argc, argv, &i);
    } else if (strcmp(word, "--capabilities") == 0) {
      recipe->capabilities = strtoull(next_word(argc, argv, &i), NULL, 16);
      recipe->limit_capabilities = true;
    } else if (strcmp(word, "--fresh") == 0) {
      add(recipe->fresh, &recipe->fresh_count, next_word(argc, argv, &i));
    } else if (strcmp(word, "--hide") == 0) {
      add(recipe->hidden, &recipe->hidden_count, next_word(argc, argv, &i));
    } else if (strcmp(word, "--directory") == 0) {
      add(recipe->directories, &recipe->directory_count, next_word(argc, argv, &i));
    } else if (strcmp(word, "--tmpfs") == 0) {
      add(recipe->tmpfs, &recipe->tmpfs_count, next_word(argc, argv, &i));
    } else if (strcmp(word, "--account") == 0) {
      const char *text = next_word(argc, argv, &i);
      recipe->has_account = parse_account(text, &recipe->account);
      if (!recipe->has_account) {
        usage(text);
      }
    } else if (strcmp(word, "--bind") == 0 || strcmp(word, "--bind-read-only") == 0) {
      if (recipe->bind_count == MAX_PATHS) {
        usage("number of paths");
      }
      struct bind_path *bind = &recipe->binds[recipe->bind_count++];
      bind->read_only = strcmp(word, "--bind") != 0;
      bind->path = next_word(argc, argv, &i);
    } else {
      usage(word);
    }
  }
  usage("end of arguments");
  return 0;
}

static void set_capabilities(uint64_t wanted) {
  for (int capability = 0; capability < 64; capability++) {
    if (!(wanted & (1ull << capability)) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL) {
      die("capability bounding set", NULL);
    }
  }
}

/* After the filters, which need CAP_SYS_ADMIN (no_new_privs would make su and sudo useless, unlike on the platforms). */
static void drop_capabilities(uint64_t wanted) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) {
    die("capget", NULL);
  }
  for (int half = 0; half < 2; half++) {
    uint32_t mask = (uint32_t)(wanted >> (32 * half));
    data[half].permitted &= mask;
    data[half].effective = data[half].permitted;
    data[half].inheritable = 0;
  }
  if (syscall(SYS_capset, &header, data) < 0) {
    die("capset", NULL);
  }
}

static void send_descriptor(int socket, int fd) {
  char byte = 0;
  struct iovec part = {&byte, 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  }
  if (sendmsg(socket, &message, MSG_NOSIGNAL) != 1) {
    die("supervisor", "is gone");
  }
}

/* -1: there is no descriptor (none was sent, or init failed and has said why). */
static int receive_descriptor(int socket) {
  char byte;
  struct iovec part = {&byte, 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
  ssize_t count;
  do {
    count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  struct cmsghdr *header = count == 1 ? CMSG_FIRSTHDR(&message) : NULL;
  int fd = -1;
  if (header && header->cmsg_type == SCM_RIGHTS) {
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
  }
  return fd;
}

static int block_signals(sigset_t *previous) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (size_t i = 0; i < sizeof PASSED_ON / sizeof *PASSED_ON; i++) {
    sigaddset(&set, PASSED_ON[i]);
  }
  sigprocmask(SIG_BLOCK, &set, previous);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) {
    die("signalfd", NULL);
  }
  return fd;
}

static int status_of(int status) {
  return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Passes pending signals on to `child`; what the terminal sends reaches the command by itself. */
static void pass_signals(int signals, pid_t child) {
  struct signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == sizeof info) {
    if ((int)info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL) {
      kill(child, (int)info.ssi_signo);
    }
  }
}

static int reap_until(pid_t child) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == child) {
      return status_of(status);
    }
  }
  return -1;
}

static void run_init(struct recipe *recipe, int socket, char **command) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct pollfd peer = {socket, POLLIN, 0};
  if (poll(&peer, 1, 0) > 0 && (peer.revents & POLLHUP)) {
    _exit(OWN_FAILURE); /* the supervisor died before the line above */
  }
  if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) < 0) {
    die("new namespaces", "(a stand-in is started by real root)");
  }
  build_root(recipe);
  if (recipe->hostname && sethostname(recipe->hostname, strlen(recipe->hostname)) < 0) {
    die("hostname", recipe->hostname);
  }
  if (recipe->cwd && chdir(recipe->cwd) < 0) {
    die("chdir", recipe->cwd);
  }
  if (recipe->limit_capabilities) {
    set_capabilities(recipe->capabilities);
  }
  int listener = recipe->deny_procfs_mounts ? install_mount_filter() : -1;
  if (recipe->deny_mounts) {
    install_deny_mounts_filter();
  }
  if (recipe->docker_seccomp) {
    install_docker_filter(recipe->capabilities);
  }
  if (recipe->limit_capabilities) {
    drop_capabilities(recipe->capabilities);
  }
  send_descriptor(socket, listener);
  if (listener >= 0) {
    close(listener);
  }
  close(socket);
  sigset_t previous;
  int signals = block_signals(&previous);
  pid_t child = fork();
  if (child < 0) {
    die("fork", NULL);
  }
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &previous, NULL);
    if (recipe->has_account) {
      become_account(&recipe->account);
    }
    if (recipe->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
      die("no_new_privs", NULL);
    }
    execvp(command[0], command);
    int status = errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
    fprintf(stderr, "standin: %s: %s\n", command[0], strerror(errno));
    _exit(status);
  }
  struct pollfd wait_for = {signals, POLLIN, 0};
  for (;;) {
    int status = reap_until(child);
    if (status >= 0) {
      _exit(status);
    }
    poll(&wait_for, 1, -1);
    pass_signals(signals, child);
  }
}

static int supervise(int socket, int signals, pid_t init) {
  int listener = receive_descriptor(socket);
  close(socket);
  struct pollfd wait_for[] = {{signals, POLLIN, 0}, {listener, POLLIN, 0}};
  for (;;) {
    int status = reap_until(init);
    if (status >= 0) {
      return status;
    }
    if (poll(wait_for, 2, -1) < 0 && errno != EINTR) {
      die("poll", NULL);
    }
    if (wait_for[0].revents & POLLIN) {
      pass_signals(signals, init);
    }
    if ((wait_for[1].revents & POLLIN && !answer_notification(listener)) || wait_for[1].revents & (POLLHUP | POLLERR)) {
      wait_for[1].fd = -1; /* poll ignores it from now on */
    }
  }
}

int main(int argc, char **argv) {
  static struct recipe recipe = {.root_size = "50%", .lower = "/"};
  int command = parse(argc, argv, &recipe);
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
    die("socketpair", NULL);
  }
  if (unshare(CLONE_NEWPID) < 0) {
    die("new pid namespace", "(a stand-in is started by real root)");
  }
  sigset_t previous;
  int signals = block_signals(&previous);
  pid_t init = fork();
  if (init < 0) {
    die("fork", NULL);
  }
  if (init == 0) {
    close(sockets[0]);
    close(signals);
    sigprocmask(SIG_SETMASK, &previous, NULL);
    run_init(&recipe, sockets[1], argv + command);
  }
  close(sockets[1]);
  return supervise(sockets[0], signals, init);
}
