// SPDX-License-Identifier: BSD-3-Clause
// The ledger of in-place mount points (DESIGN 3): what containers made in the host's `/`, so that the last one that
// uses an entry removes it, also after kill -9.
//   DIRECTORY/lock         taken (flock) for every look or change
//   DIRECTORY/NAME.record  one container: `kind\0name\0target\0` per entry; locked for as long as it lives.
//                          A record that nobody locks belongs to a dead container and is swept.
// An entry stands in the record before it stands in `/`.
#ifndef NBCONTAINER_LEDGER_H
#define NBCONTAINER_LEDGER_H

#include "control.h"

// Opens the ledger for this container (mkdir when missing) and sweeps it.
void ledger_open(const char *directory, struct reply *reply);

// Makes sure that `/name` is a `directory`, an (empty) `file` or a `symlink` with the text `target`.
void ledger_entry(const char *kind, const char *name, const char *target, struct reply *reply);

// Removes what no other living container uses; does nothing when no ledger is open.
void ledger_release(void);

// Only sweeps. Returns 0, or -1 with errno; a missing directory is an empty ledger.
int ledger_sweep(const char *directory);

#endif
