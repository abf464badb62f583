# SPDX-License-Identifier: BSD-3-Clause
"""Jupyter server extension: for now the version, which the labextension compares with its own."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web

from . import __version__

#: What an admin's Authorizer is asked about.
AUTH_RESOURCE = "nbcontainer"
#: Raised when the meaning of an address under /nbcontainer/api changes.
API_VERSION = 1


class VersionHandler(APIHandler):
    """GET /nbcontainer/api/version: ``{"version": "0.1.0", "api": 1}``."""

    auth_resource = AUTH_RESOURCE

    @web.authenticated
    @authorized
    def get(self) -> None:
        self.finish({"version": __version__, "api": API_VERSION})


def _load_jupyter_server_extension(server_app: ServerApp) -> None:
    base_url = server_app.web_app.settings["base_url"]
    address = url_path_join(base_url, "nbcontainer", "api", "version")
    server_app.web_app.add_handlers(".*$", [(address, VersionHandler)])
    server_app.log.info("nbcontainer %s is loaded", __version__)
