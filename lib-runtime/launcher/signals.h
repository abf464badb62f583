// SPDX-License-Identifier: BSD-3-Clause
// Signals and exit statuses, shared by the front process, the supervisor and the init of a pid namespace.
#ifndef NBCONTAINER_SIGNALS_H
#define NBCONTAINER_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

// Told by the kernel when our own parent has died; never passed on.
#define PARENT_DIED (SIGRTMIN + 7)

// What our processes block and read one by one: everything but faults and the signals of job control, so that Ctrl-Z
// stops us together with the payload.
sigset_t relayed_signals(void);

// Default dispositions and an empty mask, for the payload.
void reset_signals(void);

// 0-255, or 128 + signal, from waitpid's status.
int exit_status(int status);

// Standard input, output and error of a process that only watches become /dev/null: whoever reads the payload's
// output sees its end when the payload has ended.
void let_go_of_stdio(void);

// Parent of a process, by its name in /proc; -1 when there is none.
pid_t parent_of(const char *pid);

// Kills and reaps whatever is left below us (a subreaper); gives up after a few seconds on what cannot be killed.
void end_descendants(void);

#endif
