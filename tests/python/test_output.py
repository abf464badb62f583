# SPDX-License-Identifier: BSD-3-Clause
"""What reaches the notebook is bounded, what is left out is said, and all of it is in the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbcontainer import output
from nbcontainer.output import BURST, LOG_FROM, RATE, TAIL, CappedOutput, new_log


class Screen:
    """Collects what is shown, with a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        self.shown: list[tuple[str, str]] = []
        self.log = folder / "log"
        self.capped = CappedOutput(
            lambda stream, text: self.shown.append((stream, text)), lambda: self.log, lambda: self.now
        )

    def text(self) -> str:
        return "".join(text for _stream, text in self.shown)


@pytest.fixture
def screen(tmp_path: Path) -> Screen:
    return Screen(tmp_path)


def test_short_output_is_shown_in_order_and_leaves_no_log(screen: Screen) -> None:
    for stream, text in [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]:
        screen.capped.add(stream, text)
    assert screen.shown == []
    screen.capped.tick()
    assert screen.shown == [("stdout", "ab"), ("stderr", "c"), ("stdout", "d")]
    screen.capped.close()
    assert not screen.log.exists()


def test_a_flood_shows_its_head_and_its_end_and_keeps_all(screen: Screen) -> None:
    lines = [f"line {number:07d}\n" for number in range(1_000_000)]
    for start in range(0, len(lines), 5000):
        screen.capped.add("stdout", "".join(lines[start : start + 5000]))
        screen.now += 0.01
        screen.capped.tick()
    screen.capped.close()
    whole = "".join(lines)
    text = screen.text()
    assert text.startswith(whole[: BURST // 2])
    assert lines[-1] + "\n[" in text
    assert str(screen.log) in text
    assert screen.log.read_text() == whole
    seconds = 1_000_000 / 5000 * 0.01
    assert len(text) < BURST + RATE * seconds + 4 * TAIL
    # A mark stands wherever something is missing, and no line is cut in two after it.
    assert all(part.startswith("line ") for part in text.split("not shown ...]\n")[1:])


def test_after_a_flood_slow_lines_come_through(screen: Screen) -> None:
    screen.capped.add("stdout", "x" * (2 * BURST))
    screen.capped.tick()
    screen.now += 60
    screen.capped.add("stdout", "alive\n")
    screen.capped.tick()
    assert screen.text().endswith("alive\n")


def test_hours_of_output_stay_bounded(screen: Screen) -> None:
    for _ in range(3600):
        screen.capped.add("stdout", ("y" * 99 + "\n") * 1000)
        screen.now += 1
        screen.capped.tick()
    screen.capped.close()
    assert len(screen.text()) < 16e6


def test_memory_is_bounded(screen: Screen) -> None:
    for _ in range(2000):
        screen.capped.add("stdout", "z" * 65536)
    assert screen.capped._held_size <= TAIL
    assert sum(len(text) for _stream, text in screen.capped._ready) <= BURST + 65536


def test_without_a_log_the_output_still_comes(tmp_path: Path) -> None:
    shown: list[str] = []
    capped = CappedOutput(lambda _stream, text: shown.append(text), lambda: tmp_path / "no" / "log")
    capped.add("stdout", "a" * (LOG_FROM + 1))
    capped.add("stdout", "b" * BURST * 2)
    capped.add("stdout", "the end")
    capped.close()
    text = "".join(shown)
    assert "no log of the output can be kept: No such file or directory" in text
    assert "the end" in text


def test_old_logs_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = []
    for number in range(output.LOGS_KEPT + 5):
        path = new_log()
        path.rename(path.with_name(f"run-2020-{number:03d}.log")) if path.exists() else None
        made.append(path.with_name(f"run-2020-{number:03d}.log"))
        made[-1].write_text("x")
    new_log().write_text("newest")
    left = sorted((tmp_path / "nbcontainer" / "logs").iterdir())
    assert len(left) == output.LOGS_KEPT
    assert made[-1] in left
    assert made[0] not in left
    assert (tmp_path / "nbcontainer" / "logs").stat().st_mode & 0o777 == 0o700
