// SPDX-License-Identifier: BSD-3-Clause
// What the child asks of its supervisor, which stays outside every namespace: id maps, the ledger, a new main process.
#ifndef NBCONTAINER_CONTROL_H
#define NBCONTAINER_CONTROL_H

#include "container.h"

#define REQUEST_STRINGS 4
#define REQUEST_BYTES 16384

enum request {
    REQUEST_MAPS = 'U',   // uid map, gid map, newuidmap, newgidmap (paths or nothing)
    REQUEST_LEDGER = 'L', // directory
    REQUEST_ENTRY = 'E',  // kind, name, target
    REQUEST_MAIN = 'P',   // pid; not answered
    REQUEST_MOUNTS = 'N', // with a descriptor of the mount namespace; not answered
    REQUEST_SERVE = 'F',  // with the descriptor of /dev/fuse: program, options, source, inside (fuse.h)
    REQUEST_SERVED = 'S'  // the program, or nothing when it answers
};

struct reply {
    int error;
    char text[256];
};

// Sends a request and waits for its reply. Returns 0, or -1 with errno and container->detail.
int ask(struct container *container, enum request request, const char *const strings[REQUEST_STRINGS]);

// The same with a descriptor that the supervisor gets a copy of.
int ask_with(struct container *container, enum request request, const char *const strings[REQUEST_STRINGS], int fd);

// Goes on in a new process, a sibling of ours that the supervisor watches from now on, and ends this one: a pid
// namespace is entered by children only. The sibling waits until it is announced: it may be done before this process
// gets its next turn, and the supervisor would take its end for a stranger's. Returns 0 there, or -1 here with errno and
// container->detail (`what`).
int go_on_beside(struct container *container, const char *what);

// Has the supervisor keep our mount namespace. A payload that makes one of its own (a container in this one) may leave
// ours without anybody: its mounts would come apart, and a program that still runs from them would see its own path in
// /proc/self/exe cut short. Without /proc it is as it was.
void announce_mounts(struct container *container);

struct incoming {
    char kind;
    int fd; // that came with it, close-on-exec, or -1; the receiver's to close
    const char *strings[REQUEST_STRINGS];
    char buffer[REQUEST_BYTES];
};

// Supervisor's side: 1 for a request, 0 when nobody can ask any more, -1 when nothing waits (or on an error).
int receive_request(int socket, struct incoming *incoming);
bool send_reply(int socket, const struct reply *reply);

#endif
