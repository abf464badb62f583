# SPDX-License-Identifier: BSD-3-Clause
"""What runs in the daemon counts as activity of the server, so that it is not culled meanwhile."""

from __future__ import annotations

from typing import Any

from jupyter_server._tz import utcnow
from tornado.ioloop import PeriodicCallback

from .daemon import Daemon

#: Seconds. A culler looks every few minutes.
INTERVAL = 30
#: jupyter_server takes the newest of all settings that end so.
LAST_ACTIVITY = "nbcontainer_last_activity"


class ActivityWatch:
    """Asks a daemon that runs, and never starts one."""

    def __init__(self, daemon: Daemon, settings: dict[str, Any], interval: float = INTERVAL) -> None:
        self._daemon = daemon
        self._settings = settings
        self._timer = PeriodicCallback(self.look, interval * 1000)

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    async def look(self) -> None:
        version = await self._daemon.version()
        busy = (version or {}).get("busy")
        if isinstance(busy, dict) and any(isinstance(count, int) and count > 0 for count in busy.values()):
            self._settings[LAST_ACTIVITY] = utcnow()
