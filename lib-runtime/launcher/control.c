// SPDX-License-Identifier: BSD-3-Clause
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_request(int socket, char kind, const char *const strings[REQUEST_STRINGS]) {
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
    ssize_t sent;
    do {
        sent = send(socket, buffer, size, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

int ask(struct container *container, enum request request, const char *const strings[REQUEST_STRINGS]) {
    struct reply reply = {0};
    if (send_request(container->control, (char)request, strings) < 0) {
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

int announce_main(struct container *container, pid_t pid) {
    char number[16];
    snprintf(number, sizeof number, "%d", (int)pid);
    return send_request(container->control, REQUEST_MAIN, (const char *const[]){number, "", "", ""});
}

int receive_request(int socket, struct incoming *incoming) {
    ssize_t got;
    do {
        got = recv(socket, incoming->buffer, sizeof incoming->buffer, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
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

void send_reply(int socket, const struct reply *reply) {
    ssize_t sent;
    do {
        sent = send(socket, reply, sizeof *reply, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
}
