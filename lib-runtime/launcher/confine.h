// SPDX-License-Identifier: BSD-3-Clause
// Gives up capabilities for good and becomes another program: PRoot, which then cannot write what its user does not own.
#ifndef NBCONTAINER_CONFINE_H
#define NBCONTAINER_CONFINE_H

// `numbers`: capabilities by their bits (linux/capability.h), separated by commas. Returns only on failure, as the
// exit status, after a line on stderr.
int confine(const char *numbers, char **argv);

// Becomes another program that gets SIGQUIT when `parent` (a pid), which has to be the caller, ends in whatever way: on
// it PRoot ends everything below it, while PRoot's own end would set all that free. Returns as confine().
int attend(const char *parent, char **argv);

#endif
