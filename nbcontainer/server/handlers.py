# SPDX-License-Identifier: BSD-3-Clause
"""REST under /nbcontainer/api: the version, and everything that is the daemon's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.contents.fileio import FileManagerMixin
from tornado import web

from .. import __version__
from .daemon import DaemonUnavailableError
from .policy import parse_body, refusal

if TYPE_CHECKING:
    from .extension import NBContainer

#: What an admin's Authorizer is asked about.
AUTH_RESOURCE = "nbcontainer"
#: That of lib-runtime/api/routes.ts: what the browser's side speaks is spoken all the way to the daemon.
API_VERSION = 2
#: Below base_url; what follows is the daemon's own path.
DAEMON = "nbcontainer/api/daemon"
#: Bytes of a request, as the daemon takes them.
MAX_BODY = 4 << 20

_PASSED_ON = ("Content-Type", "X-NBContainer-Api")


def daemon_path(handler: web.RequestHandler) -> str:
    """The daemon's part of an address, still percent-encoded: an image's name may hold a slash."""
    return handler.request.path.split(f"/{DAEMON}", 1)[1]


def _query(handler: web.RequestHandler) -> str:
    """The query without the token, which is for this server only."""
    kept = [part for part in handler.request.query.split("&") if part and part.partition("=")[0] != "token"]
    return f"?{'&'.join(kept)}" if kept else ""


class VersionHandler(APIHandler):
    """GET: the version for the handshake, and what the front end should know of this server."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, extension: NBContainer) -> None:
        self._extension = extension

    @web.authenticated
    @authorized
    async def get(self) -> None:
        contents = self.contents_manager
        # The base class has a root_dir too, and it means nothing there.
        root = contents.root_dir if isinstance(contents, FileManagerMixin) else None
        self.finish(
            {
                "version": __version__,
                "api": API_VERSION,
                "root_dir": root,
                "shells": self._extension.shells_permitted,
                # Whether one runs; asking for this starts none.
                "daemon": await self._extension.daemon.version() is not None,
            }
        )


class DaemonHandler(APIHandler):
    """Any request to the daemon, and its answer as it is."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, extension: NBContainer) -> None:
        self._extension = extension

    def prepare(self) -> Any:
        # Looking is no work: an open panel must not keep an idle server from being culled. What runs does: activity.py.
        self._track_activity = self.request.method != "GET"
        return super().prepare()

    # Each verb has a method of its own: @authorized keeps the action of the first request that it sees.
    @web.authenticated
    @authorized
    async def get(self, *_args: str) -> None:
        await self._forward()

    @web.authenticated
    @authorized
    async def post(self, *_args: str) -> None:
        await self._forward()

    @web.authenticated
    @authorized
    async def patch(self, *_args: str) -> None:
        await self._forward()

    @web.authenticated
    @authorized
    async def delete(self, *_args: str) -> None:
        await self._forward()

    async def _forward(self) -> None:
        method = self.request.method or "GET"
        path = daemon_path(self)
        body: bytes | None = self.request.body or None
        if body is not None:
            if len(body) > MAX_BODY:
                self._answer(413, _usage("the request is too large"))
                return
            try:
                parsed = parse_body(body)
            except (ValueError, RecursionError):
                self._answer(400, _usage("the request is not JSON"))
                return
            # What was looked at is what is sent, and not another reading of the same bytes.
            body = json.dumps(parsed).encode()
        else:
            parsed = None
        refused = refusal(
            method,
            path,
            parsed,
            shells=self._extension.shells_permitted,
            allowed=self._extension.allowed_registries,
        )
        if refused is not None:
            self._answer(403, refused)
            return
        headers = {name: self.request.headers[name] for name in _PASSED_ON if name in self.request.headers}
        try:
            response = await self._extension.daemon.fetch(method, path + _query(self), headers, body)
        except DaemonUnavailableError as error:
            self.log.warning("nbcontainer: %s", error)
            self._answer(503, error.as_json())
            return
        self.set_status(response.code)
        self.set_header("Cache-Control", "no-store")
        self.finish(response.body, set_content_type=response.headers.get("Content-Type", "application/json"))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.set_status(status)
        self.finish(json.dumps(body))


def _usage(message: str) -> dict[str, Any]:
    return {"error": {"code": "usage", "step": "server", "message": message}}
