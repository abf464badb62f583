# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

from typing import Any

import pytest

from nbcontainer.words import split_line

NAMES: dict[str, Any] = {
    "image": "my image.sif",
    "quote": 'it\'s "here"; rm -rf $HOME',
    "options": ["--nv", "--bind", "/a b:/c"],
    "empty": [],
    "number": 3,
    "table": {"key": "value"},
    "text": "x",
}


def look_up(text: str) -> Any:
    try:
        return eval(text, {"__builtins__": {"len": len}}, NAMES)  # noqa: S307
    except Exception as error:
        raise LookupError(text) from error


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  exec  a.sif\tls ", ["exec", "a.sif", "ls"]),
        ("'a b' \"c d\" e\\ f", ["a b", "c d", "e f"]),
        ("'' \"\"", ["", ""]),
        ("a'b c'd\"e f\"", ["ab cde f"]),
        # A value is one word, whatever it holds.
        ("exec {image} ls", ["exec", "my image.sif", "ls"]),
        ("exec $image ls", ["exec", "my image.sif", "ls"]),
        ("{quote}", [NAMES["quote"]]),
        ('"{quote}"', [NAMES["quote"]]),
        ("--env N={number}", ["--env", "N=3"]),
        ("{number + 1} {len(options)}", ["4", "3"]),
        ("{table[\"key\"]} {table['key']}", ["value", "value"]),
        # A list is several words, but only as a word of its own.
        ("{options} {image}", ["--nv", "--bind", "/a b:/c", "my image.sif"]),
        ("a {empty} b", ["a", "b"]),
        ('"{empty}"', ["[]"]),
        # What Python does not know is left alone.
        ("$HOME ${image} {nothing} {} {print $1}", ["$HOME", "${image}", "{nothing}", "{}", "{print", "$1}"]),
        ("awk '{print $number}'", ["awk", "{print $number}"]),
        ("{{image}} $$image", ["{image}", "$image"]),
        ("$image.nothing $5 $ {", ["$image.nothing", "$5", "$", "{"]),
        ('"a \\" \\$image \\{image} \\n"', ['a " $image {image} \\n']),
        ("$text/y $text-y", ["x/y", "x-y"]),
        ("# not a comment", ["#", "not", "a", "comment"]),
        ("é 'ü ö' 名", ["é", "ü ö", "名"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert split_line(line, look_up) == words


@pytest.mark.parametrize("line", ["'open", '"open', "a 'b' \"c"])
def test_an_open_quote_is_said(line: str) -> None:
    with pytest.raises(ValueError, match="not closed"):
        split_line(line, look_up)
