// SPDX-License-Identifier: BSD-3-Clause
#include "steps.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "capabilities.h"
#include "fakeroot.h"
#include "files.h"
#include "fuse.h"
#include "identity.h"
#include "inplace.h"
#include "instance.h"
#include "loop.h"
#include "mounts.h"
#include "plainroot.h"
#include "syscalls.h"

// The order of the operands is the one of engines/protocol.ts.
static const struct operation OPERATIONS[] = {
    {"unshare", "lssl", step_unshare},
    {"private", "", step_private},
    {"stage", "sn", step_stage},
    {"squashfs", "snns", step_squashfs},
    {"ext3", "snnsn", step_ext3},
    {"fuse", "ssssl", step_fuse},
    {"overlay", "lssn", step_overlay},
    {"mkdir", "sn", step_mkdir},
    {"file", "sns", step_file},
    {"symlink", "ss", step_symlink},
    {"bind", "ssln", step_bind},
    {"tmpfs", "ssl", step_tmpfs},
    {"procfs", "s", step_procfs},
    {"remount", "sl", step_remount},
    {"pivot", "", step_pivot},
    {"chroot", "s", step_chroot},
    {"tree", "s", step_tree},
    {"write", "sns", step_write},
    {"take", "ss", step_take},
    {"device", "snnn", step_device},
    {"own", "snn", step_own},
    {"ledger", "s", step_ledger},
    {"entry", "sss", step_entry},
    {"place", "ss", step_place},
    {"hide", "ss", step_hide},
    {"unstage", "", step_unstage},
    {"hostname", "s", step_hostname},
    {"umask", "n", step_umask},
    {"account", "nnl", step_account},
    {"fake-root", "", step_fake_root},
    {"no-new-privileges", "", step_no_new_privileges},
    {"drop-capabilities", "l", step_drop_capabilities},
    {"without-system-calls", "l", step_without_system_calls},
    {"chdir", "l", step_chdir},
    {"hold", "n", step_hold},
    {"join", "nl", step_join},
};

const struct operation *find_operation(const char *name) {
    for (size_t at = 0; at < sizeof OPERATIONS / sizeof *OPERATIONS; at++) {
        if (strcmp(OPERATIONS[at].name, name) == 0) {
            return &OPERATIONS[at];
        }
    }
    return NULL;
}

int fail(struct container *container, const char *format, ...) {
    int kept = errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(container->detail, sizeof container->detail, format, arguments);
    va_end(arguments);
    errno = kept;
    return -1;
}

int perform_steps(struct container *container) {
    for (container->index = 0; container->index < container->plan->count; container->index++) {
        const struct step *step = &container->plan->steps[container->index];
        container->detail[0] = '\0';
        if (step->operation->perform(container, step->operands) < 0) {
            return -1;
        }
    }
    return 0;
}
