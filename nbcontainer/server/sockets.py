# SPDX-License-Identifier: BSD-3-Clause
"""The daemon's WebSockets for browsers, at the pace of the slower side.

Nothing is kept here: a message is read from one side when the other has taken the one before. What is held back by a
window that does not read is held back in the daemon, which pauses the program that writes.
"""

from __future__ import annotations

import asyncio
import json
from functools import wraps
from typing import TYPE_CHECKING, Any

from jupyter_server._tz import utcnow
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.httpclient import HTTPClientError
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketHandler

from .activity import LAST_ACTIVITY
from .daemon import DaemonUnavailableError
from .handlers import AUTH_RESOURCE, daemon_path
from .policy import SHELLS_OFF

if TYPE_CHECKING:
    from .extension import NBContainer

try:
    from jupyter_server.auth.decorator import ws_authenticated
except ImportError:  # jupyter_server < 2.13

    def ws_authenticated(method: Any) -> Any:
        """Refuses a stranger; the usual decorator would send a WebSocket to the login page."""

        @wraps(method)
        def checked(self: JupyterHandler, *args: Any, **kwargs: Any) -> Any:
            if self.current_user is None:
                raise web.HTTPError(403)
            return method(self, *args, **kwargs)

        return checked


#: Bytes of one message from a browser. A paste comes in pieces of 64 kB.
MAX_MESSAGE = 1 << 20
#: A refusal of the daemon is a close code of 4000 + its HTTP status: browsers show a script no status of a handshake.
REFUSED = 4000
#: First byte of what was typed: FrameType.data of lib-runtime/api/shell-frames.ts.
DATA = b"\0"
#: The daemon ended or was killed: connect again, and there will be another one.
RESTART = 1012


class _ForwardSocket(WebSocketMixin, WebSocketHandler, JupyterHandler):
    auth_resource = AUTH_RESOURCE

    def initialize(self, extension: NBContainer) -> None:
        self._extension = extension
        self._upstream: WebSocketClientConnection | None = None
        self._refusal: tuple[int, str] | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def max_message_size(self) -> int:
        return MAX_MESSAGE

    def get_compression_options(self) -> None:
        """None: it costs more than the wire between these two."""
        return None

    async def _connect(self) -> None:
        """Finds the other side before the handshake; a refusal is told after it."""
        try:
            self._upstream = await self._extension.daemon.connect(daemon_path(self))
        except HTTPClientError as error:
            self._refusal = (REFUSED + error.code, _message(error))
        except DaemonUnavailableError as error:
            self.log.warning("nbcontainer: %s", error)
            self._refusal = (REFUSED + 503, str(error))

    async def open(self, *args: Any) -> None:  # type: ignore[override]
        super().open(*args)
        if self._upstream is None:
            code, reason = self._refusal or (RESTART, "")
            self.close(code, _short(reason))
            return
        self._pump = asyncio.ensure_future(self._to_browser(self._upstream))

    async def _to_browser(self, upstream: WebSocketClientConnection) -> None:
        try:
            while (message := await upstream.read_message()) is not None:
                await self.write_message(message, binary=isinstance(message, bytes))
        except (WebSocketClosedError, StreamClosedError):
            return
        code = upstream.close_code
        if code is not None and _sendable(code):
            self.close(code, _short(upstream.close_reason or ""))
        else:
            self.close(RESTART, "the daemon ended")

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads the next one when this has ended."""
        if self._upstream is not None:
            try:
                await self._upstream.write_message(message, binary=isinstance(message, bytes))
            except (WebSocketClosedError, StreamClosedError):
                # The pump sees the same and closes.
                return

    def on_close(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
        if self._upstream is not None:
            code = self.close_code
            self._upstream.close(code if code is not None and _sendable(code) else 1001)
            self._upstream = None
        super().on_close()


class EventsSocket(_ForwardSocket):
    """Text: what happens in the daemon."""

    @ws_authenticated
    @authorized("read")
    async def get(self, *args: Any, **kwargs: Any) -> None:
        await self._connect()
        await super().get(*args, **kwargs)


class ShellSocket(_ForwardSocket):
    """Binary: one shell's terminal."""

    @ws_authenticated
    @authorized("execute")
    async def get(self, *args: Any, **kwargs: Any) -> None:
        if not self._extension.shells_permitted:
            raise web.HTTPError(403, SHELLS_OFF)
        await self._connect()
        await super().get(*args, **kwargs)

    async def on_message(self, message: str | bytes) -> None:
        # What was typed; acknowledgements and questions come by themselves.
        if message[:1] == DATA:
            self.settings[LAST_ACTIVITY] = utcnow()
        await super().on_message(message)


def _sendable(code: int) -> bool:
    """Codes that may be written into a close frame (RFC 6455, 7.4)."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999


def _short(reason: str) -> str:
    """A close frame holds 123 bytes of reason."""
    return reason.encode()[:123].decode("utf-8", "ignore")


def _message(error: HTTPClientError) -> str:
    try:
        return str(json.loads(error.response.body)["error"]["message"])  # type: ignore[union-attr]
    except (AttributeError, KeyError, TypeError, ValueError):
        return error.message
