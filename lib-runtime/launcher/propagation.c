// SPDX-License-Identifier: BSD-3-Clause
#include "propagation.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_LEVELS 4096

static int make_tree_private(void) { return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL); }

// Goes up from the working directory as far as it leads and makes that the root.
static int climb(void) {
    struct stat here;
    struct stat above;
    for (int level = 0; level < MOST_LEVELS; level++) {
        if (stat(".", &here) < 0 || chdir("..") < 0 || stat(".", &above) < 0) {
            return -1;
        }
        if (here.st_dev == above.st_dev && here.st_ino == above.st_ino) {
            return chroot(".");
        }
    }
    errno = ELOOP;
    return -1;
}

// In a plain chroot `/` is a directory of a mount that has no path here, and only the root of a mount can be given
// another propagation. As this mount namespace is ours alone, we step to its own root for that one call and back.
static int from_chroot(void) {
    static const char *const BELOW[] = {"/usr", "/etc", "/tmp", "/proc", "/dev"};
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int result = root < 0 || chdir("/") < 0 ? -1 : 1;
    for (unsigned at = 0; at < sizeof BELOW / sizeof *BELOW && result == 1; at++) {
        if (chroot(BELOW[at]) == 0) { // the working directory is now above the root: `..` leads on
            result = climb();
        }
    }
    if (result == 1) {
        errno = EINVAL;
        result = -1;
    }
    result = result < 0 ? -1 : make_tree_private();
    int kept = errno;
    if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0)) {
        _exit(255); // never go on outside of what was our root
    }
    if (root >= 0) {
        close(root);
    }
    errno = kept;
    return result;
}

int make_mounts_private(void) {
    if (make_tree_private() == 0) {
        return 0;
    }
    return errno == EINVAL ? from_chroot() : -1;
}
