# SPDX-License-Identifier: BSD-3-Clause
"""The console script ``nbcontainer``: becomes Node.js running the bundled command line."""

from __future__ import annotations

import os
import sys

from .node import RuntimeMissingError, node_command

#: Our own failures; the exit statuses of programs in containers are passed on as they are.
OWN_FAILURE = 255


def main() -> None:
    """Replaces this process, so that signals, terminal and exit status are Node's own."""
    try:
        command = [*node_command(), *sys.argv[1:]]
        os.execv(command[0], command)
    except RuntimeMissingError as error:
        text = str(error)
    except OSError as error:
        text = f"{command[0]} cannot be started: {error.strerror}."
    print(f"FATAL:   {text}", file=sys.stderr)
    sys.exit(OWN_FAILURE)
