// SPDX-License-Identifier: BSD-3-Clause
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steps.h"

// Linux accepts 2 MiB of arguments and environment; the rest is room for file contents.
#define MAX_PLAN_BYTES (16u << 20)
#define MAX_STEPS 16384u

struct stream {
    char **strings;
    size_t count;
    size_t next;
};

static char *read_all(int fd, size_t *size) {
    size_t capacity = 16384;
    char *buffer = malloc(capacity);
    *size = 0;
    while (buffer != NULL) {
        if (*size == capacity) {
            char *larger = capacity < MAX_PLAN_BYTES ? realloc(buffer, capacity * 2) : NULL;
            if (larger == NULL) {
                free(buffer);
                errno = E2BIG;
                return NULL;
            }
            buffer = larger;
            capacity *= 2;
        }
        ssize_t got = read(fd, buffer + *size, capacity - *size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            free(buffer);
            return NULL;
        }
        if (got == 0) {
            break;
        }
        *size += (size_t)got;
    }
    return buffer;
}

// Cuts the buffer into its strings; the last byte must be the end of a string.
static char **split(char *buffer, size_t size, size_t *count) {
    if (size == 0 || buffer[size - 1] != '\0') {
        errno = EPROTO;
        return NULL;
    }
    *count = 0;
    for (size_t at = 0; at < size; at++) {
        *count += buffer[at] == '\0';
    }
    char **strings = calloc(*count, sizeof *strings);
    size_t start = 0;
    for (size_t string = 0; strings != NULL && string < *count; string++) {
        strings[string] = buffer + start;
        start += strlen(buffer + start) + 1;
    }
    return strings;
}

static char *take(struct stream *stream) {
    return stream->next < stream->count ? stream->strings[stream->next++] : NULL;
}

static bool parse_number(const char *text, uint64_t *number) {
    *number = 0;
    if (text == NULL || *text == '\0' || strlen(text) > 19) {
        return false; // 19 digits never overflow 64 bits
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        *number = *number * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

static bool take_list(struct stream *stream, char ***items, size_t *count) {
    uint64_t wanted;
    if (!parse_number(take(stream), &wanted) || wanted > stream->count - stream->next) {
        return false;
    }
    *items = stream->strings + stream->next;
    *count = (size_t)wanted;
    stream->next += (size_t)wanted;
    return true;
}

static bool take_operand(struct stream *stream, char kind, struct operand *operand) {
    if (kind == 'l') {
        char **items;
        bool good = take_list(stream, &items, &operand->count);
        operand->items = good ? (const char *const *)items : NULL;
        return good;
    }
    operand->text = take(stream);
    return operand->text != NULL && (kind != 'n' || parse_number(operand->text, &operand->number));
}

// A copy of a list with the NULL that execve wants.
static char **take_vector(struct stream *stream) {
    char **items;
    size_t count;
    if (!take_list(stream, &items, &count)) {
        return NULL;
    }
    char **vector = calloc(count + 1, sizeof *vector);
    if (vector != NULL && count > 0) {
        memcpy(vector, items, count * sizeof *vector);
    }
    return vector;
}

static const char *parse(struct stream *stream, struct plan *plan) {
    for (;;) {
        const char *word = take(stream);
        if (word == NULL) {
            return "the plan ends before its end mark";
        }
        if (strcmp(word, "environment") == 0) {
            break;
        }
        const struct operation *operation = find_operation(word);
        if (operation == NULL) {
            return "unknown operation in the plan";
        }
        if (plan->count == MAX_STEPS) {
            return "too many steps in the plan";
        }
        struct step *step = &plan->steps[plan->count];
        step->operation = operation;
        for (size_t at = 0; operation->operands[at] != '\0'; at++) {
            if (!take_operand(stream, operation->operands[at], &step->operands[at])) {
                return "bad operand in the plan";
            }
        }
        plan->count++;
    }
    plan->environment = take_vector(stream);
    if (plan->environment == NULL) {
        return "bad environment in the plan";
    }
    const char *word = take(stream);
    if (word == NULL || strcmp(word, "argv") != 0) {
        return "the plan has no argv";
    }
    plan->argv = take_vector(stream);
    if (plan->argv == NULL || plan->argv[0] == NULL) {
        return "bad argv in the plan";
    }
    word = take(stream);
    if (word == NULL || strcmp(word, "end") != 0 || stream->next != stream->count) {
        return "the plan has no proper end";
    }
    return NULL;
}

int parse_plan(char **strings, size_t count, struct plan *plan, size_t *index, const char **problem) {
    struct stream stream = {.strings = strings, .count = count};
    *index = 0;
    *problem = "the plan cannot be read";
    plan->steps = calloc(count < MAX_STEPS ? count : MAX_STEPS, sizeof *plan->steps);
    if (plan->steps == NULL) {
        return -1;
    }
    plan->count = 0;
    *problem = parse(&stream, plan);
    *index = plan->count;
    if (*problem != NULL) {
        errno = EPROTO;
        return -1;
    }
    return 0;
}

int read_plan(int fd, struct plan *plan, size_t *index, const char **problem) {
    size_t size;
    size_t count;

    *index = 0;
    *problem = "the plan cannot be read";
    char *buffer = read_all(fd, &size);
    char **strings = buffer == NULL ? NULL : split(buffer, size, &count);
    return strings == NULL ? -1 : parse_plan(strings, count, plan, index, problem);
}

bool plan_has(const struct plan *plan, const char *name) {
    for (size_t step = 0; step < plan->count; step++) {
        if (strcmp(plan->steps[step].operation->name, name) == 0) {
            return true;
        }
    }
    return false;
}
