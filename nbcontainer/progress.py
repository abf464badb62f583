# SPDX-License-Identifier: BSD-3-Clause
"""Progress of a pull inside a notebook: the command line's JSON lines become one bar that moves."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import Any

PHASES = {
    "resolve": "Resolving",
    "download": "Downloading",
    "convert": "Converting",
    "unpack": "Unpacking",
    "verify": "Verifying",
}
#: A line longer than this is no progress line, and is not held back.
_LONGEST = 4096


def parse_progress(line: str) -> dict[str, Any] | None:
    """An event of ``--progress json`` (lib-runtime/support/progress.ts), or None for any other line."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("unit") not in ("bytes", "entries"):
        return None
    known = event.get("phase") in (*PHASES, "done") and isinstance(event.get("done"), (int, float))
    return event if known else None


class ProgressFilter:
    """Takes the progress lines out of standard error and passes everything else on at once."""

    def __init__(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._on_event = on_event
        self._held = ""
        self._line_start = True

    def feed(self, text: str) -> str:
        """What is not progress. Only a line that begins with a brace waits for its end."""
        rest = self._held + text
        self._held = ""
        passed: list[str] = []
        while rest:
            end = rest.find("\n") + 1
            if self._line_start and rest[0] == "{":
                if end == 0 and len(rest) < _LONGEST:
                    self._held = rest
                    break
                event = parse_progress(rest[:end]) if end else None
                if event is not None:
                    self._on_event(event)
                    rest = rest[end:]
                    continue
            if end == 0:
                end = len(rest)
            passed.append(rest[:end])
            self._line_start = rest[end - 1] == "\n"
            rest = rest[end:]
        return "".join(passed)

    def close(self) -> str:
        """A last line that had no end."""
        held, self._held = self._held, ""
        return held


class ProgressDisplay:
    """One output area that is updated in place and says at the end what was done."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None
        self._last: dict[str, Any] | None = None

    def update(self, event: dict[str, Any]) -> None:
        """Shows an event; the command line already limits their rate."""
        if event["phase"] == "done":
            return
        self._last = event
        bundle = render(event)
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def finish(self, succeeded: bool) -> None:
        """Replaces the bar by one line; does nothing when there was no progress."""
        if self._handle is None or self._last is None:
            return
        text = "Done." if succeeded else f"{PHASES[self._last['phase']]} stopped."
        self._handle.update({"text/plain": text}, raw=True)


def render(event: dict[str, Any]) -> dict[str, str]:
    """The MIME bundle of an event."""
    phase = PHASES[event["phase"]]
    done, total, unit = event["done"], event.get("total"), event["unit"]
    amount = _amount(done, unit) if not total else f"{_amount(done, unit)} of {_amount(total, unit)}"
    text = f"{phase} {amount}"
    detail = event.get("detail")
    if detail:
        text += f" ({detail})"
    share = f' value="{min(done / total, 1):.4f}" max="1"' if total else ""
    bar = f'<progress{share} style="width: 20em; vertical-align: middle"></progress> {html.escape(text)}'
    return {"text/plain": text, "text/html": bar}


def _amount(count: float, unit: str) -> str:
    return f"{count / 1e6:.1f} MB" if unit == "bytes" else f"{count:.0f} files"
