# SPDX-License-Identifier: BSD-3-Clause
"""``python -m nbcontainer`` is the command line."""

from .cli import main

main()
