# SPDX-License-Identifier: BSD-3-Clause
"""Runs one program with its output streamed, and stops it with everything it started."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import IO, Any

#: How often output is shown, in seconds.
TICK = 0.08
#: After SIGTERM a program has this long, in seconds.
GRACE = 2.0
#: Output is waited for this long after the program itself has ended, in seconds.
DRAIN = 0.5

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_kernel() -> None:
    # Runs in the child between fork and exec: when the notebook's kernel is killed, the container goes with it.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _Stopper:
    """Interrupts: the first asks (SIGINT), the second insists (SIGTERM, then SIGKILL), the third does not ask."""

    def __init__(self) -> None:
        self._group: int | None = None
        self.count = 0
        self.kill_at: float | None = None

    def attach(self, process: subprocess.Popen[bytes]) -> None:
        """From now on signals have somewhere to go; one that came earlier goes now."""
        self._group = process.pid
        if self.count > 0:
            self.send(signal.SIGINT)

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            self.send(signal.SIGINT)
        elif self.count == 2:
            self.send(signal.SIGTERM)
            self.kill_at = time.monotonic() + GRACE
        else:
            self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        # The program leads its group and is not reaped before the last signal, so the number cannot be somebody else's.
        # Processes of another user in the group (a container's own account) are the launcher's to end.
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, number)


@contextlib.contextmanager
def _interrupts(stopper: _Stopper) -> Any:
    """SIGINT goes to the program instead of raising somewhere in the middle of our own code."""
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers; Jupyter interrupts only cells that run there.
        yield
        return
    before = signal.signal(signal.SIGINT, stopper)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_streaming(
    words: Sequence[str],
    *,
    on_text: Callable[[str, str], None],
    on_tick: Callable[[], None],
    stdin: int | IO[Any] = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> tuple[int, bool]:
    """Runs ``words``; returns (exit status, whether it was interrupted). A signal's status is 128 + its number.

    ``on_text(stream, text)`` gets output decoded as UTF-8, with U+FFFD for what is not; ``on_tick`` is called about
    every 80 ms. When the program has ended, so has its whole process group. Raises OSError when it cannot be started.
    """
    stopper = _Stopper()
    with _interrupts(stopper):
        process = subprocess.Popen(
            list(words),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            bufsize=0,
            start_new_session=True,
            preexec_fn=_die_with_kernel,
        )
        try:
            stopper.attach(process)
            _pump(process, stopper, on_text, on_tick)
        finally:
            stopper.send(signal.SIGKILL)
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
    code = process.returncode
    return (128 - code if code < 0 else code), stopper.count > 0


def _pump(
    process: subprocess.Popen[bytes],
    stopper: _Stopper,
    on_text: Callable[[str, str], None],
    on_tick: Callable[[], None],
) -> None:
    new_decoder = codecs.getincrementaldecoder("utf-8")
    decoders = {"stdout": new_decoder("replace"), "stderr": new_decoder("replace")}
    next_tick = time.monotonic() + TICK
    ended_at: float | None = None
    with selectors.DefaultSelector() as selector:
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, name)
        while selector.get_map() or ended_at is None:
            quiet = True
            if selector.get_map():
                for key, _events in selector.select(max(0.0, next_tick - time.monotonic())):
                    data = _read(key.fd)
                    if data is None:
                        continue
                    quiet = False
                    if not data:
                        selector.unregister(key.fileobj)
                    on_text(key.data, decoders[key.data].decode(data, final=not data))
            else:
                time.sleep(0.005)
            now = time.monotonic()
            if now >= next_tick:
                on_tick()
                next_tick = now + TICK
            if stopper.kill_at is not None and now >= stopper.kill_at:
                stopper.send(signal.SIGKILL)
            if ended_at is None:
                ended_at = now if _has_ended(process.pid) else None
            elif quiet and now - ended_at > DRAIN:
                # Something outlived the program and holds its output open; run_streaming ends that.
                break
    for name, decoder in decoders.items():
        on_text(name, decoder.decode(b"", final=True))


def _read(descriptor: int) -> bytes | None:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None


def _has_ended(pid: int) -> bool:
    # WNOWAIT leaves the zombie, which keeps the number of the process group ours.
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
