// SPDX-License-Identifier: BSD-3-Clause
// Keeps what is mounted here from being seen elsewhere.
#ifndef NBCONTAINER_PROPAGATION_H
#define NBCONTAINER_PROPAGATION_H

// Makes every mount of this (new) mount namespace private. Returns 0, or -1 with errno.
int make_mounts_private(void);

#endif
