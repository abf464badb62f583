// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBCONTAINER_LIMITS_H
#define NBCONTAINER_LIMITS_H

// Node raises its soft limit on open files to the hard one; programs that close all that there may be then take long,
// and select(2) does not get along with more than 1024. Who started Node has it as it was: our parent (1) when Node
// became this process, our parent's parent (2) when Node started it.
void restore_file_limit(int generations);

#endif
