// SPDX-License-Identifier: BSD-3-Clause
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "identity.h"
#include "status.h"

// Room for one descriptor beside a message (cmsg(3)).
union passed {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_request(int socket, char kind, const char *const strings[REQUEST_STRINGS], int fd) {
    char buffer[REQUEST_BYTES];
    size_t size = 0;
    buffer[size++] = kind;
    for (int at = 0; at < REQUEST_STRINGS; at++) {
        size_t length = strlen(strings[at]) + 1;
        if (length > sizeof buffer - size) {
            errno = EMSGSIZE;
            return -1;
        }
        memcpy(buffer + size, strings[at], length);
        size += length;
    }
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    union passed passed = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        memcpy(CMSG_DATA(&passed.header), &fd, sizeof fd);
        message.msg_control = &passed;
        message.msg_controllen = sizeof passed;
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

int ask(struct container *container, enum request request, const char *const strings[REQUEST_STRINGS]) {
    return ask_with(container, request, strings, -1);
}

int ask_with(struct container *container, enum request request, const char *const strings[REQUEST_STRINGS], int fd) {
    struct reply reply = {0};
    if (send_request(container->control, (char)request, strings, fd) < 0) {
        return fail(container, "ask the supervisor");
    }
    ssize_t got;
    do {
        got = recv(container->control, &reply, sizeof reply, 0);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof reply) {
        errno = got < 0 ? errno : EPIPE;
        return fail(container, "hear from the supervisor");
    }
    if (reply.error != 0) {
        reply.text[sizeof reply.text - 1] = '\0';
        errno = reply.error;
        return fail(container, "%s", reply.text);
    }
    return 0;
}

static int announce_main(struct container *container, pid_t pid) {
    char number[16];
    snprintf(number, sizeof number, "%d", (int)pid);
    return send_request(container->control, REQUEST_MAIN, (const char *const[]){number, "", "", ""}, -1);
}

int go_on_beside(struct container *container, const char *what) {
    int announced[2];
    if (pipe2(announced, O_CLOEXEC) < 0) {
        return fail(container, "pipe");
    }
    // CLONE_PARENT: the supervisor is the parent of the new process, so that it sees its end.
    long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid < 0) {
        return fail(container, "%s", what);
    }
    if (pid > 0) {
        bool told = announce_main(container, (pid_t)pid) == 0 && write(announced[1], "x", 1) == 1;
        if (!told) {
            fail(container, "%s: tell the supervisor", what);
            report_failure(container->status, container->index, errno, container->detail);
        }
        close(announced[0]);
        close(announced[1]);
        _exit(told ? 0 : OWN_FAILURE); // the other hears no byte then and ends as well
    }
    close(announced[1]);
    char byte;
    ssize_t got;
    do {
        got = read(announced[0], &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        _exit(OWN_FAILURE);
    }
    close(announced[0]);
    die_with_parent(container->control);
    return 0;
}

void announce_mounts(struct container *container) {
    int mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (mounts >= 0) {
        (void)send_request(container->control, REQUEST_MOUNTS, (const char *const[]){"", "", "", ""}, mounts);
        close(mounts);
    }
}

int receive_request(int socket, struct incoming *incoming) {
    struct iovec part = {.iov_base = incoming->buffer, .iov_len = sizeof incoming->buffer};
    union passed passed;
    struct msghdr message;
    ssize_t got;
    incoming->fd = -1;
    do {
        message = (struct msghdr){
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = sizeof passed};
        got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
        memcpy(&incoming->fd, CMSG_DATA(header), sizeof incoming->fd);
    }
    if (got <= 0) {
        return (int)got;
    }
    incoming->kind = incoming->buffer[0];
    size_t at = 1;
    for (int string = 0; string < REQUEST_STRINGS; string++) {
        incoming->strings[string] = incoming->buffer + at;
        at += strnlen(incoming->buffer + at, (size_t)got - at) + 1;
        if (at > (size_t)got) {
            errno = EPROTO;
            return -1;
        }
    }
    return 1;
}

bool send_reply(int socket, const struct reply *reply) {
    ssize_t sent;
    do {
        sent = send(socket, reply, sizeof *reply, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == sizeof *reply;
}
