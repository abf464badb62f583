# SPDX-License-Identifier: BSD-3-Clause
"""A real kernel to run cells in, and what its sockets say meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager, start_new_kernel


@dataclass
class Run:
    """The messages of one cell: (seconds since its start, type, content)."""

    messages: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    def text(self, name: str = "stdout") -> str:
        return "".join(c["text"] for _t, kind, c in self.messages if kind == "stream" and c["name"] == name)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [content for _t, k, content in self.messages if k == kind]

    def when(self, text: str) -> float:
        return next(t for t, kind, c in self.messages if kind == "stream" and text in c["text"])


class Kernel:
    def __init__(self, manager: KernelManager, client: Any) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, on_text: dict[str, Any] | None = None, timeout: float = 30) -> Run:
        """Runs a cell; ``on_text`` calls something the first time a text is seen."""
        result = Run()
        waiting = dict(on_text or {})
        began = time.monotonic()
        request = self.client.execute(code)
        while True:
            message = self.client.get_iopub_msg(timeout=timeout)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            result.messages.append((time.monotonic() - began, kind, content))
            for text in [text for text in waiting if kind == "stream" and text in content["text"]]:
                waiting.pop(text)()
            if kind == "status" and content["execution_state"] == "idle":
                return result


@contextmanager
def running_kernel(cwd: Path | None = None, **variables: str) -> Iterator[Kernel]:
    """A kernel with our magics loaded; killed at the end."""
    where = {} if cwd is None else {"cwd": str(cwd)}
    manager, client = start_new_kernel(kernel_name="python3", env={**os.environ, **variables}, **where)
    try:
        kernel = Kernel(manager, client)
        assert not kernel.run("%load_ext nbcontainer").of("error")
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def until_gone(pids: list[int], seconds: float = 5) -> list[int]:
    """Those still alive at the end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.02)
    return [pid for pid in pids if alive(pid)]
