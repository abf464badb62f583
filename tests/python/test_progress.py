# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

import json
from typing import Any

import pytest

from nbcontainer.progress import ProgressFilter, render

EVENT = {"phase": "download", "done": 1_000_000, "total": 4_000_000, "unit": "bytes", "detail": "<b>"}
LINE = json.dumps(EVENT) + "\n"


def run(pieces: list[str]) -> tuple[str, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    progress = ProgressFilter(events.append)
    passed = "".join(progress.feed(piece) for piece in pieces) + progress.close()
    return passed, events


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_progress_is_taken_out_whatever_the_pieces(size: int) -> None:
    text = "INFO: a\n" + LINE + "warning, no end" + "\n" + LINE + '{"other": 1}\nlast {"phase"'
    passed, events = run([text[start : start + size] for start in range(0, len(text), size)])
    assert passed == 'INFO: a\nwarning, no end\n{"other": 1}\nlast {"phase"'
    assert events == [EVENT, EVENT]


@pytest.mark.parametrize(
    "line",
    [
        "{}\n",
        "{\n",
        '{"phase": "download", "done": "1", "unit": "bytes"}\n',
        '{"phase": "x", "done": 1, "unit": "bytes"}\n',
    ],
)
def test_other_lines_pass(line: str) -> None:
    assert run([line]) == (line, [])


def test_text_without_a_brace_is_not_held_back() -> None:
    progress = ProgressFilter(lambda _event: None)
    assert progress.feed("no newline") == "no newline"
    assert progress.feed("{") == "{"


def test_a_long_line_is_not_held_for_ever() -> None:
    progress = ProgressFilter(lambda _event: None)
    assert progress.feed("{" * 5000) == "{" * 5000


def test_rendering() -> None:
    bundle = render(EVENT)
    assert bundle["text/plain"] == "Downloading 1.0 MB of 4.0 MB (<b>)"
    assert 'value="0.2500"' in bundle["text/html"]
    assert "<b>" not in bundle["text/html"]
    assert render({"phase": "unpack", "done": 3, "unit": "entries"})["text/plain"] == "Unpacking 3 files"
