# SPDX-License-Identifier: BSD-3-Clause
"""Splits a magic's line into words, as a POSIX shell would, with IPython's variables.

The line is split first and variables are put in afterwards, so a value with spaces or quotes stays one word and can
never become a second one. No shell is involved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

#: Given the text between braces or after a dollar; raises LookupError when it means nothing in Python.
Lookup = Callable[[str], Any]

_ESCAPABLE_IN_QUOTES = '"\\$`{}'


def split_line(line: str, lookup: Lookup) -> list[str]:
    """The words of a line.

    ``{expression}`` and ``$name`` (with ``.attribute``) become the value, also inside double quotes; a word that is
    nothing but one of them becomes several words when the value is a list or a tuple. What means nothing in Python
    stays as it is: ``$HOME`` is left for the container, ``${HOME}`` always. ``{{``, ``}}`` and ``$$`` stand for the
    character itself. Nothing is replaced inside single quotes.

    Raises ValueError for a quote that is not closed.
    """
    return _Splitter(line, lookup).words()


class _Splitter:
    def __init__(self, line: str, lookup: Lookup) -> None:
        self._line = line
        self._lookup = lookup
        self._at = 0
        #: Parts of the word being read; None between words. A part is text or a value.
        self._parts: list[Any] | None = None
        self._quoted = False

    def words(self) -> list[str]:
        found: list[str] = []
        while self._at < len(self._line):
            char = self._line[self._at]
            if char.isspace():
                found.extend(self._take())
                self._at += 1
            elif char == "'":
                self._single_quoted()
            elif char == '"':
                self._double_quoted()
            elif char == "\\" and self._at + 1 < len(self._line):
                self._add(self._line[self._at + 1])
                self._at += 2
            else:
                self._plain()
        found.extend(self._take())
        return found

    def _add(self, part: Any) -> None:
        if self._parts is None:
            self._parts = []
        self._parts.append(part)

    def _take(self) -> Iterator[str]:
        parts, self._parts = self._parts, None
        quoted, self._quoted = self._quoted, False
        if parts is None:
            return
        if len(parts) == 1 and isinstance(parts[0], (list, tuple)) and not quoted:
            yield from map(str, parts[0])
        else:
            yield "".join(part if isinstance(part, str) else str(part) for part in parts)

    def _single_quoted(self) -> None:
        end = self._line.find("'", self._at + 1)
        if end < 0:
            raise ValueError("a single quote (') is not closed")
        self._quoted = True
        self._add(self._line[self._at + 1 : end])
        self._at = end + 1

    def _double_quoted(self) -> None:
        self._quoted = True
        self._add("")
        self._at += 1
        while self._at < len(self._line):
            char = self._line[self._at]
            if char == '"':
                self._at += 1
                return
            following = self._line[self._at + 1 : self._at + 2]
            if char == "\\" and following and following in _ESCAPABLE_IN_QUOTES:
                self._add(following)
                self._at += 2
            else:
                self._plain()
        raise ValueError('a double quote (") is not closed')

    def _plain(self) -> None:
        """One character, or one variable."""
        rest = self._line[self._at :]
        if rest[:2] in ("{{", "}}", "$$"):
            self._add(rest[0])
            self._at += 2
        elif rest.startswith("${"):
            self._add("${")
            self._at += 2
        elif rest[0] == "{" and (end := _closing_brace(rest)) is not None:
            self._variable(rest[1:end], end + 1)
        elif rest[0] == "$" and (name := _dotted_name(rest[1:])):
            self._variable(name, len(name) + 1)
        else:
            self._add(rest[0])
            self._at += 1

    def _variable(self, text: str, length: int) -> None:
        try:
            self._add(self._lookup(text))
            self._at += length
        except LookupError:
            self._add(self._line[self._at])
            self._at += 1


def _dotted_name(text: str) -> str:
    length = 0
    for part in text.split("."):
        name = ""
        for char in part:
            if not (name + char).isidentifier():
                break
            name += char
        if not name:
            break
        length += len(name) + (1 if length else 0)
        if name != part:
            break
    return text[:length]


def _closing_brace(text: str) -> int | None:
    """Where the brace that opens ``text`` is closed; braces and quotes inside are Python's."""
    depth = 0
    quote = ""
    for index, char in enumerate(text):
        if quote:
            if char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return index if index > 1 else None
    return None
