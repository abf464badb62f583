// SPDX-License-Identifier: BSD-3-Clause
// The plan: a bounded stream of NUL-terminated strings (engines/protocol.ts writes it).
#ifndef NBCONTAINER_PLAN_H
#define NBCONTAINER_PLAN_H

#include "container.h"

#define MAX_OPERANDS 5

struct operand {
    const char *text;         // 's'
    uint64_t number;          // 'n'
    const char *const *items; // 'l'
    size_t count;
};

struct operation {
    const char *name;
    const char *operands; // one letter each: s string, n decimal number, l list (count, items)
    int (*perform)(struct container *container, const struct operand *operands);
};

struct step {
    const struct operation *operation;
    struct operand operands[MAX_OPERANDS];
};

struct plan {
    struct step *steps;
    size_t count;
    char **environment; // NULL-terminated
    char **argv;        // NULL-terminated, at least one item
};

// Reads and parses the whole stream. Returns 0, or -1 with errno and `problem` (a constant text); `index` is the
// number of whole steps before the problem. The plan is never freed: it lives as long as the process.
int read_plan(int fd, struct plan *plan, size_t *index, const char **problem);
// The same for strings that were cut already.
int parse_plan(char **strings, size_t count, struct plan *plan, size_t *index, const char **problem);

bool plan_has(const struct plan *plan, const char *name);

#endif
