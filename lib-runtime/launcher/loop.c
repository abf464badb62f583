// SPDX-License-Identifier: BSD-3-Clause
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
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

int attach_loop(int file, uint64_t offset, uint64_t size, char device[32]) {
    struct loop_info64 info = {
        .lo_offset = offset, .lo_sizelimit = size, .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR};
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
        fd = open(device, O_RDONLY | O_CLOEXEC);
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

int step_squashfs(struct container *container, const struct operand *operands) {
    char device[32];
    const char *image = operands[0].text;
    const char *mountpoint = operands[3].text;
    int file = open(image, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return fail(container, "open %s", image);
    }
    int loop = attach_loop(file, operands[1].number, operands[2].number, device);
    if (loop < 0) {
        fail(container, "attach %s to a loop device", image);
    } else if (mount(device, mountpoint, "squashfs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0) {
        fail(container, "mount the squashfs partition of %s", image);
        int kept = errno;
        close(loop);
        errno = kept;
        loop = -1;
    }
    int kept = errno;
    close(file);
    if (loop >= 0) {
        close(loop); // the mount holds the device now
    }
    errno = kept;
    return loop < 0 ? -1 : 0;
}
