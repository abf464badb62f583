# SPDX-License-Identifier: BSD-3-Clause
"""Output of a container on its way into a notebook: as it comes, but never more than a browser bears.

Jupyter drops output above 1 MB a second, and a page with tens of megabytes in it stops answering. So a burst is shown
at once, after that a steady trickle of the newest lines, and the end always; whatever is left out is in a log file.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

#: Shown at once, in characters.
BURST = 512 * 1024
#: Characters a second after that.
RATE = 100 * 1024
#: Once this much is shown, the trickle is slower still.
ENOUGH = 4 * 1024 * 1024
SLOW_RATE = 2 * 1024
#: How much of the newest output is kept for showing while there is no allowance.
TAIL = 16 * 1024
#: Output shorter than this is never written to a file.
LOG_FROM = 256 * 1024
#: Log files kept.
LOGS_KEPT = 20


def log_directory() -> Path:
    """Where logs of long outputs lie: ``$XDG_STATE_HOME/nbcontainer/logs``, by default under ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return base / "nbcontainer" / "logs"


def new_log() -> Path:
    """The name of a new log; the oldest logs are removed. Raises OSError when the directory cannot be made."""
    folder = log_directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in sorted(folder.glob("run-*.log"))[: -(LOGS_KEPT - 1)]:
        old.unlink(missing_ok=True)
    return folder / f"run-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns() % 10**6:06d}.log"


class CappedOutput:
    """Takes (stream name, text) at any rate and hands on what a notebook can show.

    ``show(stream, text)`` is called from ``tick`` and ``close`` only, so a caller that ticks every 80 ms sends few and
    large messages. ``clock`` gives seconds.
    """

    def __init__(
        self,
        show: Callable[[str, str], None],
        make_log: Callable[[], Path] = new_log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._show = show
        self._make_log = make_log
        self._clock = clock
        self._allowance = float(BURST)
        self._refilled = clock()
        self._ready: list[tuple[str, str]] = []
        self._held: deque[tuple[str, str]] = deque()
        self._held_size = 0
        self._shown = 0
        #: Characters left out since the last mark, and altogether.
        self._skipped = 0
        self._skipped_ever = 0
        self._early: list[str] | None = []
        self._early_size = 0
        self._log: int | None = None
        self.log_path: Path | None = None

    def add(self, stream: str, text: str) -> None:
        """Takes text; cheap, shows nothing."""
        if not text:
            return
        self._keep(text)
        self._refill()
        if self._allowance > 0 and not self._held:
            self._ready.append((stream, text))
            self._allowance -= len(text)
            return
        self._held.append((stream, text))
        self._held_size += len(text)
        while self._held_size > TAIL:
            self._skip_oldest(self._held_size - TAIL)

    def tick(self) -> None:
        """Shows what may be shown by now."""
        self._refill()
        if self._held and self._allowance >= min(TAIL, self._held_size) / 2:
            self._release()
        self._flush()

    def close(self) -> None:
        """Shows the end, and says where the whole is when something was left out. A log nobody needs is removed."""
        self._release()
        if self._skipped_ever:
            where = f"; all of it is in {self.log_path}" if self.log_path else ""
            self._ready.append(("stderr", f"\n[{_size(self._skipped_ever)} of output not shown{where}]\n"))
        self._flush()
        if self._log is not None:
            os.close(self._log)
            self._log = None
            if not self._skipped_ever and self.log_path is not None:
                self.log_path.unlink(missing_ok=True)
                self.log_path = None

    def _refill(self) -> None:
        now = self._clock()
        slow = self._shown > ENOUGH
        gained = (now - self._refilled) * (SLOW_RATE if slow else RATE)
        self._allowance = min(self._allowance + gained, TAIL if slow else BURST)
        self._refilled = now

    def _release(self) -> None:
        if self._skipped:
            mark = f"\n[... {_size(self._skipped)} not shown ...]\n"
            self._ready.append((self._held[0][0] if self._held else "stdout", mark))
            self._skipped = 0
        self._ready.extend(self._held)
        self._allowance -= self._held_size
        self._held.clear()
        self._held_size = 0

    def _skip_oldest(self, excess: int) -> None:
        stream, text = self._held.popleft()
        if len(text) > excess:
            # The rest begins with a whole line where there is one.
            line = text.find("\n", excess)
            cut = line + 1 if 0 <= line < len(text) - 1 else excess
            self._held.appendleft((stream, text[cut:]))
        else:
            cut = len(text)
        self._held_size -= cut
        self._skipped += cut
        self._skipped_ever += cut

    def _flush(self) -> None:
        ready, self._ready = self._ready, []
        index = 0
        while index < len(ready):
            stream = ready[index][0]
            texts = []
            while index < len(ready) and ready[index][0] == stream:
                texts.append(ready[index][1])
                index += 1
            text = "".join(texts)
            self._shown += len(text)
            self._show(stream, text)

    def _keep(self, text: str) -> None:
        """Everything goes to the log, from the first character on, once it is clear that one is needed."""
        if self._early is not None:
            self._early.append(text)
            self._early_size += len(text)
            if self._early_size > LOG_FROM:
                early, self._early = self._early, None
                self._open_log()
                self._write_log("".join(early))
        else:
            self._write_log(text)

    def _open_log(self) -> None:
        try:
            path = self._make_log()
            self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self.log_path = path
        except OSError as error:
            self._ready.append(("stderr", f"[no log of the output can be kept: {error.strerror}]\n"))

    def _write_log(self, text: str) -> None:
        if self._log is None:
            return
        data = text.encode("utf-8", "replace")
        try:
            while data:
                data = data[os.write(self._log, data) :]
        except OSError as error:
            self._ready.append(("stderr", f"[the log of the output ends here: {error.strerror}]\n"))
            os.close(self._log)
            self._log = None


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
