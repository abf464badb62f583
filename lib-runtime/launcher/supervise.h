// SPDX-License-Identifier: BSD-3-Clause
// Two processes stand between the caller and the payload, so that no single kill -9 leaves anything behind:
//   front       the process that the caller started: passes signals on, ends with the payload's status;
//               adopts and ends everything when the supervisor is killed
//   supervisor  parent of the payload: writes id maps, keeps the ledger, ends what the payload leaves;
//               tears everything down when the front process is killed
#ifndef NBCONTAINER_SUPERVISE_H
#define NBCONTAINER_SUPERVISE_H

#include "container.h"

// Runs the container and returns the exit status, or has container->failed set when it did not start (`take` only);
// `child` is called in the process that becomes the payload.
int run_container(struct container *container, void (*child)(struct container *container));

#endif
