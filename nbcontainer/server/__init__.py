# SPDX-License-Identifier: BSD-3-Clause
"""The Jupyter server's side: the daemon's API for whoever is logged in."""
