// SPDX-License-Identifier: BSD-3-Clause
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy.h"

#define ATTEMPTS 64

// <linux/loop.h> of Linux 5.8.
#define CONFIGURE 0x4C0A
struct configuration {
    uint32_t fd;
    uint32_t block_size;
    struct loop_info64 info;
    uint64_t reserved[8];
};

static int configure(int device, int file, const struct loop_info64 *info) {
    struct configuration configuration = {.fd = (uint32_t)file, .info = *info};
    if (ioctl(device, CONFIGURE, &configuration) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOTTY && errno != ENOSYS) {
        return -1;
    }
    if (ioctl(device, LOOP_SET_FD, file) < 0) {
        return -1;
    }
    if (ioctl(device, LOOP_SET_STATUS64, info) == 0) {
        return 0;
    }
    int kept = errno;
    ioctl(device, LOOP_CLR_FD, 0);
    errno = kept;
    return -1;
}

int attach_loop(int file, uint64_t offset, uint64_t size, bool read_only, char device[32]) {
    struct loop_info64 info = {
        .lo_offset = offset,
        .lo_sizelimit = size,
        .lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0)};
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) {
        return -1;
    }
    int fd = -1;
    for (int attempt = 0; attempt < ATTEMPTS && fd < 0; attempt++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) {
            break;
        }
        snprintf(device, 32, "/dev/loop%d", number);
        fd = open(device, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        if (fd < 0) {
            break;
        }
        if (configure(fd, file, &info) < 0) {
            int kept = errno;
            close(fd);
            fd = -1;
            errno = kept;
            if (errno != EBUSY) { // EBUSY: somebody else took it meanwhile
                break;
            }
        }
    }
    int kept = errno;
    close(control);
    errno = kept;
    return fd;
}

// Keeps errno.
static void close_both(int file, int loop) {
    int kept = errno;
    close(file);
    if (loop >= 0) {
        close(loop); // the mount holds the device now
    }
    errno = kept;
}

static int make_directory(struct container *container, const char *parent, const char *name) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", parent, name) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return fail(container, "mkdir %s", name);
    }
    return mkdir(path, 0755) < 0 && errno != EEXIST ? fail(container, "mkdir %s", path) : 0;
}

int step_squashfs(struct container *container, const struct operand *operands) {
    char device[32];
    const char *image = operands[0].text;
    int file = open(image, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return fail(container, "open %s", image);
    }
    int result = 0;
    int loop = -1;
    if (make_directory(container, operands[3].text, "") < 0) {
        result = -1;
    } else if ((loop = attach_loop(file, operands[1].number, operands[2].number, true, device)) < 0) {
        result = fail(container, "attach %s to a loop device", image);
    } else if (mount(device, operands[3].text, "squashfs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0) {
        result = fail(container, "mount the squashfs partition of %s", image);
    }
    close_both(file, loop);
    return result;
}

int step_ext3(struct container *container, const struct operand *operands) {
    char device[32];
    const char *image = operands[0].text;
    const char *mountpoint = operands[3].text;
    bool read_only = operands[4].number != 0;
    int file = open(image, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (file < 0) {
        return fail(container, "open %s", image);
    }
    int result = 0;
    int loop = -1;
    // Two that write one file system destroy it. The loop device keeps this open file, and so the lock, until unmount.
    if (flock(file, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
        result = fail(container, "lock %s", image);
    } else if (make_directory(container, mountpoint, "") < 0) {
        result = -1;
    } else if ((loop = attach_loop(file, operands[1].number, operands[2].number, read_only, device)) < 0) {
        result = fail(container, "attach %s to a loop device", image);
    } else {
        unsigned long flags = MS_NOSUID | MS_NODEV | (read_only ? MS_RDONLY : 0);
        // The journal of one that was not unmounted cannot be replayed on a device that is read-only. The driver of
        // ext4 reads all three; a kernel may have it under that name alone.
        const char *options = read_only ? "noload" : NULL;
        if (mount(device, mountpoint, "ext3", flags, options) < 0 &&
            (errno != ENODEV || mount(device, mountpoint, "ext4", flags, options) < 0)) {
            result = fail(container, "mount %s", image);
        } else if (!read_only) {
            result = make_directory(container, mountpoint, "upper") < 0 ? -1 : make_directory(container, mountpoint, "work");
        }
    }
    close_both(file, loop);
    return result;
}
