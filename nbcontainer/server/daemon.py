# SPDX-License-Identifier: BSD-3-Clause
"""The daemon as this server reaches it: found, started on demand, asked over its unix socket."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.netutil import Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ..node import RuntimeMissingError

T = TypeVar("T")

#: Seconds for an answer. Cancelling waits for the job's end, removing an image for the disk.
ANSWER = 300
#: Seconds to find or start the daemon; it gives itself 15 to come up, and 20 to replace an older one.
START = 60
#: Requests on their way at once; more wait for their turn.
MAX_REQUESTS = 200
#: Bytes of one message from the daemon: a shell's screen with its history comes as one.
MAX_MESSAGE = 16 << 20

#: Nobody listens there: nothing was sent, so that starting one and asking again is safe.
_NOBODY = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR)


class DaemonUnavailableError(Exception):
    """No daemon answers and none can be started."""

    def __init__(self, message: str, reason: str | None = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.fix = fix

    def as_json(self) -> dict[str, Any]:
        """In the shape of the daemon's own errors."""
        error = {"code": "internal", "step": "daemon", "message": str(self)}
        if self.reason:
            error["reason"] = self.reason
        if self.fix:
            error["fix"] = self.fix
        return {"error": error}


class _NotOursError(DaemonUnavailableError):
    """Somebody else may listen there."""


class _UnixResolver(Resolver):
    """Every host name is the socket."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def resolve(self, *_args: Any, **_kwargs: Any) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self._path)]


class Daemon:
    """One per server."""

    def __init__(self, command: Callable[[], list[str]], environment: Mapping[str, str]) -> None:
        """``command`` finds the words that start the command line, and may raise RuntimeMissingError."""
        self._command = command
        self._environment = dict(environment)
        self._socket: str | None = None
        self._client: SimpleAsyncHTTPClient | None = None
        self._starting: asyncio.Task[str] | None = None

    async def fetch(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> HTTPResponse:
        """One request, whatever its status. Raises DaemonUnavailableError."""

        async def ask(_socket_path: str) -> HTTPResponse:
            return await self._ask(method, path, headers, body)

        return await self._with_daemon(ask, again=method == "GET")

    async def connect(self, path: str) -> WebSocketClientConnection:
        """A WebSocket. Raises DaemonUnavailableError, and HTTPClientError where the daemon refuses it."""

        async def open_socket(socket_path: str) -> WebSocketClientConnection:
            return await websocket_connect(
                f"ws://daemon{path}",
                connect_timeout=START,
                compression_options=None,
                max_message_size=MAX_MESSAGE,
                resolver=_UnixResolver(socket_path),
            )

        return await self._with_daemon(open_socket, again=True)

    async def version(self) -> dict[str, Any] | None:
        """What a daemon that runs says of itself; starts none."""
        if self._socket is None:
            await self._look()
        if self._socket is None:
            return None
        try:
            _check_ours(self._socket)
            response = await self._ask("GET", "/version", {}, None)
            answer = json.loads(response.body)
        except (OSError, HTTPClientError, ValueError, DaemonUnavailableError):
            return None
        return answer if response.code == 200 and isinstance(answer, dict) else None

    def close(self) -> None:
        """Ends what is on its way; the daemon goes on."""
        if self._starting is not None:
            self._starting.cancel()
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> HTTPResponse:
        if self._client is None:
            assert self._socket is not None  # noqa: S101
            self._client = SimpleAsyncHTTPClient(
                force_instance=True, max_clients=MAX_REQUESTS, resolver=_UnixResolver(self._socket)
            )
        request = HTTPRequest(
            f"http://daemon{path}",
            method=method,
            headers=dict(headers),
            body=body,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            decompress_response=False,
            connect_timeout=START,
            request_timeout=ANSWER,
        )
        return await self._client.fetch(request, raise_error=False)

    async def _with_daemon(self, use: Callable[[str], Awaitable[T]], again: bool) -> T:
        """Starts a daemon where none listens. ``again``: what changes nothing is asked once more."""
        if self._socket is not None:
            try:
                _check_ours(self._socket)
                return await use(self._socket)
            except _NotOursError:
                # The command line mends it, or says what is wrong.
                pass
            except (OSError, HTTPClientError) as error:
                if not _is_broken(error):
                    raise
                if not again and getattr(error, "errno", None) not in _NOBODY:
                    raise _broken(error) from error
        path = await self._start()
        try:
            _check_ours(path)
            return await use(path)
        except (OSError, HTTPClientError) as error:
            if not _is_broken(error):
                raise
            raise _broken(error) from error

    async def _start(self) -> str:
        """The socket of a daemon that answers. However many ask, one process is started."""
        if self._starting is None or self._starting.done():
            self._starting = asyncio.ensure_future(self._run_start())
        return await asyncio.shield(self._starting)

    async def _run_start(self) -> str:
        said = await self._run("daemon", "start", "--json")
        self._keep(said.get("socket"))
        if self._socket is None:
            raise DaemonUnavailableError("the daemon did not say where it listens")
        return self._socket

    async def _look(self) -> None:
        try:
            self._keep((await self._run("daemon", "status", "--json", wanted=(0, 3))).get("socket"))
        except DaemonUnavailableError:
            # Whoever asks for something will be told.
            return

    def _keep(self, path: Any) -> None:
        if isinstance(path, str) and path != self._socket:
            self._socket = path
            if self._client is not None:
                self._client.close()
                self._client = None

    async def _run(self, *words: str, wanted: tuple[int, ...] = (0,)) -> dict[str, Any]:
        try:
            command = await asyncio.to_thread(self._command)
            process = await asyncio.create_subprocess_exec(
                *command,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment,
                cwd="/",
            )
        except RuntimeMissingError as error:
            raise DaemonUnavailableError(str(error).rstrip(".")) from error
        except OSError as error:
            raise DaemonUnavailableError("nbcontainer cannot be started", reason=error.strerror) from error
        try:
            out, err = await asyncio.wait_for(process.communicate(), START)
        except (asyncio.TimeoutError, asyncio.CancelledError) as error:
            process.kill()
            await process.wait()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise DaemonUnavailableError(f"the daemon did not start within {START} seconds") from error
        if process.returncode not in wanted:
            raise _told(err.decode("utf-8", "replace"), process.returncode)
        try:
            answer = json.loads(out)
        except ValueError as error:
            raise DaemonUnavailableError("nbcontainer daemon answered with something else than JSON") from error
        return answer if isinstance(answer, dict) else {}


def _check_ours(path: str) -> None:
    """The socket's directory may have been swept away since, and /tmp is open to everybody.

    Raises OSError with ENOENT when it is not there, _NotOursError when it is not ours.
    """
    for name, is_kind, others in (
        (os.path.dirname(path), stat.S_ISDIR, 0o077),
        (path, stat.S_ISSOCK, 0),
    ):
        status = os.lstat(name)
        if not is_kind(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & others:
            raise _NotOursError(
                f"{name} is not this user's own", fix="Remove it, or set XDG_RUNTIME_DIR to a directory of yours"
            )


def _is_broken(error: Exception) -> bool:
    """Whether the connection failed; else the daemon has answered, with something that is no success."""
    return not isinstance(error, HTTPClientError) or error.code == 599


def _broken(error: Exception) -> DaemonUnavailableError:
    reason = getattr(error, "strerror", None) or str(error) or None
    return DaemonUnavailableError("the daemon ended before it answered", reason=reason, fix="Try again")


def _told(text: str, status: int | None) -> DaemonUnavailableError:
    """What the command line said on its way out: ``FATAL:   sentence``, then lines that belong to it."""
    _before, _fatal, after = text.partition("FATAL:")
    said = [line.strip() for line in after.splitlines() if line.strip()]
    if not said:
        return DaemonUnavailableError(f"nbcontainer daemon ended with status {status}", reason=text.strip()[-500:])
    return DaemonUnavailableError(said[0].rstrip("."), reason=" ".join(said[1:]) or None)
