// SPDX-License-Identifier: BSD-3-Clause
#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "policy.h"
#include "signals.h"

#define DEVICE 3           // the server's descriptor
#define FIRST_ANSWER_S 10  // an image on a parallel file system may take a while to open
#define LAST_WORDS_MS 1000 // of a server that gave up
#define SAID_BYTES 160

// Steps are performed one by one: at most one server has not been settled.
static pid_t server = -1;
static int said = -1; // read end of the server's standard output and error

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

// --- supervisor ------------------------------------------------------------------------------------------------------

static int enter_namespace(pid_t main, const char *name, int flag) {
    char own[32];
    char other[48];
    struct stat mine, theirs;
    snprintf(own, sizeof own, "/proc/self/ns/%s", name);
    snprintf(other, sizeof other, "/proc/%d/ns/%s", (int)main, name);
    int fd = open(other, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || stat(own, &mine) < 0 || fstat(fd, &theirs) < 0) {
        return -1;
    }
    bool same = mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino; // EINVAL for a user namespace
    int result = same ? 0 : setns(fd, flag);
    close(fd);
    return result;
}

static void close_from(unsigned first) {
    if (syscall(SYS_close_range, first, ~0u, 0u) < 0) {
        for (int fd = (int)first; fd < 4096; fd++) {
            close(fd);
        }
    }
}

static _Noreturn void become_server(pid_t main, pid_t supervisor, int device, int output, const char *const strings[]) {
    // What a terminal or a script sends to our group is for the payload. libfuse leaves alone what is ignored.
    static const int NOT_OURS[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    const char *arguments[7] = {strings[0], "-f"};
    int count = 2;
    setsid();
    dup2(output, 1);
    dup2(output, 2);
    dup2(device, DEVICE);
    fcntl(DEVICE, F_SETFD, 0); // it may have been that number already
    // A copy of the mounts as they are now: in the container's own, pivot_root would make the server's root the very file
    // system that it serves, and it would wait for itself.
    if (strings[3][0] != '\0' && (enter_namespace(main, "user", CLONE_NEWUSER) < 0 ||
                                  enter_namespace(main, "mnt", CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)) {
        dprintf(2, "enter the namespaces of the container: %s\n", strerror(errno));
        _exit(OWN_FAILURE);
    }
    close_from(DEVICE + 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL); // new credentials would have cleared it
    if (getppid() != supervisor) {
        _exit(OWN_FAILURE);
    }
    reset_signals();
    for (size_t at = 0; at < sizeof NOT_OURS / sizeof *NOT_OURS; at++) {
        signal(NOT_OURS[at], SIG_IGN);
    }
    if (strings[1][0] != '\0') {
        arguments[count++] = "-o";
        arguments[count++] = strings[1];
    }
    if (strings[2][0] != '\0') {
        arguments[count++] = strings[2];
    }
    arguments[count] = "/dev/fd/3";
    execve(strings[0], (char *const *)arguments, (char *[]){NULL});
    dprintf(2, "%s\n", strerror(errno));
    _exit(OWN_FAILURE);
}

void serve_fuse(pid_t main, int device, const char *const strings[REQUEST_STRINGS], struct reply *reply) {
    int pipes[2] = {-1, -1};
    pid_t supervisor = getpid();
    pid_t child = device < 0 || pipe2(pipes, O_CLOEXEC) < 0 ? -1 : fork();
    if (child == 0) {
        become_server(main, supervisor, device, pipes[1], strings);
    }
    if (child < 0) {
        reply->error = device < 0 ? EPROTO : errno;
        snprintf(reply->text, sizeof reply->text, "start %.200s", strings[0]);
        close(pipes[0]);
    } else {
        server = child;
        said = pipes[0];
    }
    close(pipes[1]);
}

// The first line that the server wrote.
static void hear(char line[SAID_BYTES]) {
    struct pollfd watched = {.fd = said, .events = POLLIN};
    size_t size = 0;
    ssize_t got;
    while (size < SAID_BYTES - 1 && poll(&watched, 1, LAST_WORDS_MS) > 0 &&
           (got = read(said, line + size, SAID_BYTES - 1 - size)) > 0) {
        size += (size_t)got;
    }
    line[size] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

void settle_fuse(const char *const strings[REQUEST_STRINGS], struct reply *reply) {
    if (said < 0) {
        reply->error = EPROTO;
        return;
    }
    if (strings[0][0] != '\0') {
        char line[SAID_BYTES];
        hear(line);
        kill(server, SIGKILL); // reaped with the others
        reply->error = EIO;
        snprintf(reply->text, sizeof reply->text, "%.80s: %s", base_name(strings[0]),
                 line[0] == '\0' ? "it gave no answer" : line);
    }
    close(said);
    said = -1;
}

// --- the container's process -----------------------------------------------------------------------------------------

// Whether the server answers, asked by a process of its own: who asks is stuck until there is an answer.
static int wait_for_answer(const char *mountpoint) {
    static const int ENDS[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct timespec patience = {.tv_sec = FIRST_ANSWER_S};
    sigset_t heard;
    int status;
    sigemptyset(&heard);
    sigaddset(&heard, SIGCHLD);
    for (size_t at = 0; at < sizeof ENDS / sizeof *ENDS; at++) {
        sigaddset(&heard, ENDS[at]);
    }
    pid_t asking = fork();
    if (asking == 0) {
        struct stat root;
        _exit(stat(mountpoint, &root) < 0 ? errno : 0);
    }
    if (asking < 0) {
        return -1;
    }
    pid_t ended;
    while ((ended = waitpid(asking, &status, WNOHANG)) == 0) {
        int got = sigtimedwait(&heard, NULL, &patience);
        if (got > 0 && got != SIGCHLD) {
            reset_signals();
            raise(got); // the command would have been ended by it
        }
        if (got < 0 && errno != EINTR) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
    errno = ended < 0 ? errno : WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    return errno == 0 ? 0 : -1;
}

static bool has(const struct operand *wishes, const char *wish) {
    for (size_t at = 0; at < wishes->count; at++) {
        if (strcmp(wishes->items[at], wish) == 0) {
            return true;
        }
    }
    return false;
}

static int mount_fuse(struct container *container, int device, const char *program, const char *mountpoint,
                      const struct operand *wishes) {
    char type[64];
    char options[160];
    unsigned long flags = MS_NOSUID | MS_NODEV | (has(wishes, "ro") ? MS_RDONLY : 0);
    snprintf(type, sizeof type, "fuse.%.48s", base_name(program));
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other%s", device, geteuid(),
             getegid(), has(wishes, "modes") ? ",default_permissions" : "");
    if (mount(base_name(program), mountpoint, type, flags, options) < 0) {
        return fail(container, "mount a FUSE file system on %s", mountpoint);
    }
    return 0;
}

int step_fuse(struct container *container, const struct operand *operands) {
    const char *program = operands[0].text;
    const char *mountpoint = operands[3].text;
    const char *const serve[REQUEST_STRINGS] = {program, operands[1].text, operands[2].text,
                                                has(&operands[4], "inside") ? "inside" : ""};
    if (container->stage < 0) {
        errno = EINVAL;
        return fail(container, "fuse: no stage");
    }
    if (allow_path(container, mountpoint) < 0) {
        return -1;
    }
    if (mkdir(mountpoint, 0755) < 0 && errno != EEXIST) {
        return fail(container, "mkdir %s", mountpoint);
    }
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (device < 0) {
        return fail(container, "open /dev/fuse");
    }
    int result = mount_fuse(container, device, program, mountpoint, &operands[4]);
    result = result < 0 ? result : ask_with(container, REQUEST_SERVE, serve, device);
    int kept = errno;
    close(device); // from here on the mount is dead when the server is
    errno = kept;
    if (result < 0) {
        return -1;
    }
    if (wait_for_answer(mountpoint) < 0) {
        return ask(container, REQUEST_SERVED, (const char *const[]){program, "", "", ""});
    }
    return ask(container, REQUEST_SERVED, (const char *const[]){"", "", "", ""});
}
