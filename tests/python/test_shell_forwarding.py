# SPDX-License-Identifier: BSD-3-Clause
"""A shell's WebSocket through the server, with a stand-in for the daemon that shows what went by."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from daemons import resident, runtime_place, stand_in
from jupyter_server.serverapp import ServerApp
from tornado.websocket import WebSocketHandler

from nbcontainer.server.activity import LAST_ACTIVITY

SHELL = ("nbcontainer", "api", "daemon", "shells", "good", "socket")
MESSAGE = os.urandom(64 * 1024)


@pytest.fixture
def place() -> Iterator[Path]:
    with runtime_place() as folder:
        yield folder / "stand-in"


Serve = Callable[[Callable[[WebSocketHandler], Awaitable[None]]], Any]


@pytest.fixture
def serve(jp_serverapp: ServerApp, place: Path, jp_asyncio_loop: Any) -> Iterator[Serve]:
    """Puts a stand-in in the daemon's place."""
    with ExitStack() as stack:

        def serve(script: Callable[[WebSocketHandler], Awaitable[None]]) -> dict[str, Any]:
            path = place / "daemon.sock"
            command = _says(path)
            jp_serverapp.web_app.settings["nbcontainer"].daemon_command = command
            return stack.enter_context(stand_in(path, script))

        yield serve


def _says(path: Path) -> list[str]:
    """A command line that knows only where the daemon is."""
    return ["sh", "-c", f"""echo '{{"socket": "{path}"}}'"""]


async def _nothing(_socket: WebSocketHandler) -> None:
    return


async def _until(condition: Callable[[], Any], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.01)
    assert condition()


async def test_bytes_both_ways(serve: Serve, jp_ws_fetch: Any, jp_serverapp: ServerApp) -> None:
    async def greet(one: WebSocketHandler) -> None:
        await one.write_message(b"\x00screen", binary=True)
        await one.write_message("text")

    seen = serve(greet)
    client = await jp_ws_fetch(*SHELL, params={"token": jp_serverapp.identity_provider.token})
    assert await client.read_message() == b"\x00screen"
    assert await client.read_message() == "text"
    # An acknowledgement, and the question whether it is still there: no one has done anything.
    await client.write_message(b"\x01\x00\x00\x00\x01", binary=True)
    await client.write_message("")
    await _until(lambda: len(seen["messages"]) == 2)
    assert LAST_ACTIVITY not in jp_serverapp.web_app.settings
    await client.write_message(b"\x00\xff" * 1000, binary=True)
    await client.write_message("é")
    await _until(lambda: len(seen["messages"]) == 4)
    assert seen["messages"][1:] == ["", b"\x00\xff" * 1000, "é"]
    assert LAST_ACTIVITY in jp_serverapp.web_app.settings
    # What is for this server only stays here.
    assert seen["paths"] == ["/shells/good/socket"]
    assert [name for name in seen["headers"][0] if name.lower() in ("authorization", "cookie")] == []
    assert "permessage-deflate" not in str(seen["headers"][0])
    client.close(4001, "enough")
    await _until(lambda: seen["closed"] == [4001])


async def test_codes_of_the_daemon_arrive(serve: Serve, jp_ws_fetch: Any) -> None:
    async def refuse(one: WebSocketHandler) -> None:
        one.close(4123, "no room")

    serve(refuse)
    client = await jp_ws_fetch(*SHELL)
    assert await client.read_message() is None
    assert (client.close_code, client.close_reason) == (4123, "no room")
    other = await jp_ws_fetch("nbcontainer", "api", "daemon", "shells", "bad", "socket")
    assert await other.read_message() is None
    assert other.close_code == 4404


async def test_a_message_of_more_than_1_mib_ends_the_conversation(serve: Serve, jp_ws_fetch: Any) -> None:
    seen = serve(_nothing)
    client = await jp_ws_fetch(*SHELL)
    await client.write_message(bytes(1 << 20), binary=True)
    await client.write_message(bytes((1 << 20) + 1), binary=True)
    await _until(lambda: seen["closed"])
    assert [len(message) for message in seen["messages"]] == [1 << 20]
    assert await client.read_message() is None


async def test_a_window_that_does_not_read_holds_back_the_daemon(serve: Serve, jp_ws_fetch: Any) -> None:
    sent = 0
    tasks = []

    async def flood(one: WebSocketHandler) -> None:
        nonlocal sent

        async def go() -> None:
            nonlocal sent
            for _ in range(4000):
                await one.write_message(MESSAGE, binary=True)
                sent += len(MESSAGE)

        tasks.append(asyncio.ensure_future(go()))

    serve(flood)
    before = resident("self")
    client = await jp_ws_fetch(*SHELL)
    # Tornado's client reads one message ahead and then no more, until asked.
    previous = -1
    while sent != previous:
        previous = sent
        await asyncio.sleep(0.5)
    held = sent
    # 250 MB wait to be sent; what has left fits the buffers of the sockets.
    assert 0 < held < 20 << 20
    assert resident("self") - before < 40 << 20
    received = 0
    while received < held + (8 << 20):
        message = await asyncio.wait_for(client.read_message(), 10)
        assert message == MESSAGE
        received += len(message)
    assert sent > held
    client.close()


async def test_a_daemon_that_does_not_read_holds_back_the_window(
    jp_serverapp: ServerApp, place: Path, jp_ws_fetch: Any
) -> None:
    """A raw server: it shakes hands and then reads nothing."""
    path = place / "daemon.sock"
    path.parent.mkdir(mode=0o700, parents=True)
    streams: list[asyncio.StreamReader] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()  # noqa: S324
        accepted = base64.b64encode(digest).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        writer.write("\r\n".join([*lines, f"Sec-WebSocket-Accept: {accepted}", "", ""]).encode())
        streams.append(reader)

    async with await asyncio.start_unix_server(accept, str(path), limit=1024):
        jp_serverapp.web_app.settings["nbcontainer"].daemon_command = _says(path)
        client = await jp_ws_fetch(*SHELL)
        sent = 0

        async def flood() -> None:
            nonlocal sent
            for _ in range(4000):
                await client.write_message(MESSAGE, binary=True)
                sent += len(MESSAGE)

        before = resident("self")
        writing = asyncio.ensure_future(flood())
        previous = -1
        while sent != previous:
            previous = sent
            await asyncio.sleep(0.5)
        assert 0 < sent < 20 << 20
        assert resident("self") - before < 40 << 20
        writing.cancel()
        client.close()
