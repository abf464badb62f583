// SPDX-License-Identifier: BSD-3-Clause
/*
 * timer ROUNDS < CASES: times short commands, interleaved. Node would add about a millisecond of its own to each, as
 * much as the launcher takes altogether.
 *
 * CASES: one case a block: a line with the number of words, then one word a line (no word holds a newline); a first
 * word `3<FILE` opens FILE as descriptor 3 (a plan) and /dev/null as 4. Prints for each run `case ns steal status`,
 * where steal is the growth of the machine's steal time meanwhile, in clock ticks.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CASES = 32, MAX_WORDS = 128, MAX_LINE = 8192 };

static char *words[MAX_CASES][MAX_WORDS + 1];
static int cases;

static void fail(const char *what) {
  perror(what);
  exit(2);
}

static char *read_line(void) {
  static char line[MAX_LINE];
  if (!fgets(line, sizeof line, stdin)) {
    return NULL;
  }
  line[strcspn(line, "\n")] = '\0';
  return line;
}

static void read_cases(void) {
  for (char *line; (line = read_line()) && cases < MAX_CASES; cases++) {
    int count = atoi(line);
    if (count < 1 || count > MAX_WORDS) {
      fprintf(stderr, "timer: bad number of words: %s\n", line);
      exit(2);
    }
    for (int i = 0; i < count; i++) {
      line = read_line();
      words[cases][i] = line ? strdup(line) : NULL;
    }
  }
}

static long long steal(void) {
  long long value = 0;
  FILE *file = fopen("/proc/stat", "re");
  if (!file || fscanf(file, "cpu %*d %*d %*d %*d %*d %*d %*d %lld", &value) != 1) {
    fail("/proc/stat");
  }
  fclose(file);
  return value;
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* Between vfork and exec only system calls are made. */
static int run(char **argv, int plan, int null) {
  pid_t child = vfork();
  if (child < 0) {
    fail("vfork");
  }
  if (child == 0) {
    dup2(null, 0);
    dup2(null, 1);
    if (plan >= 0) {
      dup2(plan, 3);
      dup2(null, 4);
    }
    execvp(argv[0], argv);
    _exit(127);
  }
  int status;
  if (waitpid(child, &status, 0) < 0) {
    fail("waitpid");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 10;
  read_cases();
  int null = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, 10);
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < cases; i++) {
      char **command = words[i];
      int plan = -1;
      if (strncmp(command[0], "3<", 2) == 0) {
        plan = fcntl(open(command[0] + 2, O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 10);
        if (plan < 0) {
          fail(command[0]);
        }
        command++;
      }
      long long stolen = steal(), begin = now();
      int status = run(command, plan, null);
      long long end = now();
      printf("%d %lld %lld %d\n", i, end - begin, steal() - stolen, status);
      fflush(stdout);
      if (plan >= 0) {
        close(plan);
      }
    }
  }
  return 0;
}
