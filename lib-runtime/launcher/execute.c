// SPDX-License-Identifier: BSD-3-Clause
#include "execute.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "identity.h"
#include "instance.h"
#include "plan.h"
#include "resolve.h"
#include "signals.h"
#include "status.h"
#ifdef CHECKED
#include <valgrind/memcheck.h>
#endif

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define ONLY_CLOEXEC 4u // CLOSE_RANGE_CLOEXEC

static const char *path_of(char *const *environment) {
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0) {
            return *environment + 5;
        }
    }
    return DEFAULT_PATH;
}

// The interpreter that a script (#!) or an ELF file asks for; false when it asks for none.
static bool interpreter_of(const char *program, char out[PATH_MAX]) {
    union {
        char text[PATH_MAX];
        Elf64_Ehdr elf;
    } head = {0};
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, head.text, sizeof head.text - 1);
    bool found = false;
    if (size > 2 && head.text[0] == '#' && head.text[1] == '!') {
        char *start = head.text + 2 + strspn(head.text + 2, " \t");
        start[strcspn(start, " \t\r\n")] = '\0';
        strcpy(out, start);
        found = true;
    } else if (size >= (ssize_t)sizeof head.elf && memcmp(head.text, ELFMAG, SELFMAG) == 0 &&
               head.text[EI_CLASS] == ELFCLASS64) {
        for (int at = 0; at < head.elf.e_phnum && !found; at++) {
            Elf64_Phdr part;
            off_t where = (off_t)(head.elf.e_phoff + (uint64_t)at * head.elf.e_phentsize);
            if (pread(fd, &part, sizeof part, where) != sizeof part) {
                break;
            }
            if (part.p_type == PT_INTERP && part.p_filesz < PATH_MAX) {
                ssize_t got = pread(fd, out, part.p_filesz, (off_t)part.p_offset);
                found = got > 0;
                out[found ? got : 0] = '\0';
            }
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return found;
}

// A file without `#!` is a shell script, as execvp has it.
static void try_exec(const char *program, char **argv, char *const *environment) {
    execve(program, argv, environment);
    if (errno != ENOEXEC) {
        return;
    }
    size_t count = 0;
    while (argv[count] != NULL) {
        count++;
    }
    const char *shell[count + 2];
    shell[0] = "/bin/sh";
    shell[1] = program;
    for (size_t at = 1; at <= count; at++) {
        shell[at + 1] = argv[at];
    }
    execve("/bin/sh", (char *const *)shell, environment);
    errno = ENOEXEC;
}

// Tries one file; returns false when the search on PATH may go on.
static bool is_final(struct container *container, const char *program, int *error) {
    struct stat status;
    char interpreter[PATH_MAX];
    if (errno == ENOENT && stat(program, &status) == 0) {
        bool known = interpreter_of(program, interpreter);
        report_exec(container->status, ENOENT, known ? interpreter : "");
        tell_keeper(container);
        _exit(OWN_FAILURE);
    }
    if (errno == EACCES) {
        *error = EACCES; // as a shell does: look on, but say so at the end
        return false;
    }
    return errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG;
}

static void close_on_exec(void) {
    if (syscall(SYS_close_range, 3u, ~0u, ONLY_CLOEXEC) < 0) {
        for (int fd = 3; fd < 4096; fd++) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
}

// For valgrind (launcher-valgrind.test.ts): an exec ends this process as it knows it, without a report.
static void report_what_is_left(void) {
#ifdef CHECKED
    VALGRIND_DO_LEAK_CHECK;
    VALGRIND_MONITOR_COMMAND("v.info open_fds");
#endif
}

_Noreturn void execute(struct container *container) {
    char **argv = container->plan->argv;
    char *const *environment = container->plan->environment;
    int error = ENOENT;
    umask(container->umask);
    die_with_parent(container->control);
    close_on_exec();
    reset_signals();
    report_what_is_left();
    if (strchr(argv[0], '/') != NULL) {
        try_exec(argv[0], argv, environment);
        error = errno;
        errno = error;
        is_final(container, argv[0], &error);
    } else {
        char directory[PATH_MAX];
        char program[PATH_MAX];
        for (const char *at = path_of(environment); argv[0][0] != '\0'; at++) {
            size_t length = strcspn(at, ":");
            if (length < sizeof directory) {
                memcpy(directory, length == 0 ? "." : at, length == 0 ? 1 : length);
                directory[length == 0 ? 1 : length] = '\0';
                if (join(directory, argv[0], program) == 0) {
                    struct stat status;
                    try_exec(program, argv, environment);
                    if (errno == EACCES && stat(program, &status) == 0 && S_ISDIR(status.st_mode)) {
                        errno = ENOENT; // a directory of that name is not the program
                    }
                    if (is_final(container, program, &error)) {
                        error = errno;
                        break;
                    }
                }
            }
            at += length;
            if (*at == '\0') {
                break;
            }
        }
    }
    report_exec(container->status, error, NULL);
    tell_keeper(container);
    _exit(OWN_FAILURE);
}
