# SPDX-License-Identifier: BSD-3-Clause
"""Daemons for tests of the server extension: the real one in a place of its own, and a stand-in for its WebSockets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler


@contextmanager
def runtime_place() -> Iterator[Path]:
    """A short directory for sockets (a path holds 107 bytes), set as XDG_RUNTIME_DIR; its daemon ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="nbc-", dir="/tmp"))
    before = {name: os.environ.get(name) for name in ("XDG_RUNTIME_DIR", "NBCONTAINER_HOME")}
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    os.environ["NBCONTAINER_HOME"] = str(folder / "store")
    try:
        yield folder
    finally:
        _end_daemon(folder)
        _wait_for_jobs(folder)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _end_daemon(folder: Path) -> None:
    try:
        pid = json.loads((folder / "nbcontainer" / "daemon.json").read_text())["pid"]
        # Not the number's next owner.
        if b"daemon" in Path(f"/proc/{pid}/cmdline").read_bytes():
            kill(pid)
    except (FileNotFoundError, ProcessLookupError):
        return


def _wait_for_jobs(folder: Path, seconds: float = 10) -> None:
    """Jobs of a killed daemon end by themselves, and may make a last file meanwhile."""
    variable = f"XDG_RUNTIME_DIR={folder}\0".encode()

    def is_one(environment: Path) -> bool:
        try:
            return environment.parent.name != str(os.getpid()) and variable in environment.read_bytes()
        except OSError:
            return False

    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(is_one, Path("/proc").glob("[0-9]*/environ"))):
        time.sleep(0.02)


def resident(process: int | str) -> int:
    """Bytes in memory of a process; "self" is also the server in these tests."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def kill(pid: int) -> None:
    """As a crash would."""
    os.kill(pid, signal.SIGKILL)


class _Version(RequestHandler):
    def get(self) -> None:
        self.finish({"version": "0", "api": 0, "busy": {"jobs": 0, "shells": 0}})


@contextmanager
def stand_in(path: Path, script: Callable[[WebSocketHandler], Awaitable[None]]) -> Iterator[dict[str, Any]]:
    """A server on a unix socket; ``script`` speaks on each WebSocket; returns what it hears."""
    seen: dict[str, Any] = {"messages": [], "closed": [], "paths": [], "headers": []}

    class Socket(WebSocketHandler):
        async def open(self, *_args: str) -> None:
            seen["paths"].append(self.request.uri)
            seen["headers"].append(dict(self.request.headers))
            await script(self)

        def on_message(self, message: Any) -> None:
            seen["messages"].append(message)

        def on_close(self) -> None:
            seen["closed"].append(self.close_code)

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = HTTPServer(Application([("/version", _Version), ("/shells/(good)/socket", Socket), ("/events", Socket)]))
    listener = bind_unix_socket(str(path), mode=0o600)
    server.add_socket(listener)
    try:
        yield seen
    finally:
        server.stop()
        path.unlink(missing_ok=True)
