// SPDX-License-Identifier: BSD-3-Clause
// Finds out by trying what this machine permits: PROBES of host/facts.ts.
#ifndef NBCONTAINER_PROBE_H
#define NBCONTAINER_PROBE_H

// Prints `name ok` or `name ERRNO` per probe on standard output; leaves nothing behind. Returns the exit status.
int run_probes(void);

#endif
