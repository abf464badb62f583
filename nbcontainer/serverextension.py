# SPDX-License-Identifier: BSD-3-Clause
"""Jupyter server extension: the daemon's API, for whoever is logged in to the server."""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp

from . import __version__


def _load_jupyter_server_extension(server_app: ServerApp) -> None:
    from .server.extension import NBContainer

    extension = NBContainer(server_app)
    extension.add_handlers()
    server_app.web_app.settings["nbcontainer"] = extension
    server_app.io_loop.add_callback(extension.activity.start)
    server_app.log.info("nbcontainer %s is loaded", __version__)
