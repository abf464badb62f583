# SPDX-License-Identifier: BSD-3-Clause
"""What an admin may set, and the parts put together."""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from traitlets import Bool, Int, List, Unicode
from traitlets.config import LoggingConfigurable

from ..node import node_command
from .activity import ActivityWatch
from .daemon import Daemon
from .handlers import DAEMON, DaemonHandler, VersionHandler
from .sockets import EventsSocket, ShellSocket

#: The server's own secrets: the daemon outlives it, and containers are its children.
_SECRETS = (
    "JPY_API_TOKEN",
    "JPY_PARENT_PID",
    "JPY_SESSION_NAME",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTER_TOKEN",
    "CONFIGPROXY_AUTH_TOKEN",
)


class NBContainer(LoggingConfigurable):
    """Settings of the server extension: ``c.NBContainer.NAME = value`` in a jupyter_server_config.py."""

    enabled_shells = Bool(
        True,
        config=True,
        help="Whether shells may be opened in containers. ServerApp.terminals_enabled=False switches them off too.",
    )
    allowed_registries = List(
        Unicode(),
        config=True,
        help="""Where images may come from when they are asked for through this server: patterns (*, ?, [...]) of a
        registry, or of registry and path, such as ghcr.io or ghcr.io/my-lab/*. Docker Hub is docker.io, its official
        images docker.io/library/*. Empty: from anywhere. Files on this machine are not concerned.""",
    )
    daemon_idle = Int(
        0,
        min=0,
        config=True,
        help="Seconds after which a daemon that this server started ends when it has nothing to do; 0: its default.",
    )
    daemon_command = List(
        Unicode(),
        config=True,
        help="Words that start the command line instead of the runtime in the package, such as a wrapper script.",
    )

    def __init__(self, server_app: ServerApp, **kwargs: Any) -> None:
        super().__init__(parent=server_app, **kwargs)
        self._server_app = server_app
        self.daemon = Daemon(self._command, self._environment())
        self.activity = ActivityWatch(self.daemon, server_app.web_app.settings)

    @property
    def shells_permitted(self) -> bool:
        return bool(self.enabled_shells and getattr(self._server_app, "terminals_enabled", True))

    def add_handlers(self) -> None:
        """Makes the addresses known to the server; the WebSockets come before what takes any address."""
        app = self._server_app.web_app

        def address(*parts: str) -> str:
            return url_path_join(app.settings["base_url"], *parts) + "$"

        options = {"extension": self}
        handlers = [
            (address("nbcontainer/api/version"), VersionHandler, options),
            (address(DAEMON, "events"), EventsSocket, options),
            (address(DAEMON, r"shells/[^/]+/socket"), ShellSocket, options),
            (address(DAEMON, r"(.+)"), DaemonHandler, options),
        ]
        app.add_handlers(".*$", handlers)

    def _command(self) -> list[str]:
        return list(self.daemon_command) or node_command()

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        if self.daemon_idle > 0:
            env["NBCONTAINER_DAEMON_IDLE"] = str(self.daemon_idle)
        return env
