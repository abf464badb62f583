# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

import re
import subprocess

import pytest

from nbcontainer.node import RuntimeMissingError, node_command
from nbcontainer.request import PYTHON_DRIVER, VALUE_OPTIONS, RequestError, cell_words, parse_request


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["images"], {"command": "images"}),
        (["--debug", "exec", "a.sif", "ls"], {"leading": ["--debug"], "command": "exec", "target": ["a.sif", "ls"]}),
        # Ours are taken out before the image only: after it they belong to the program.
        (
            ["exec", "--no-raise", "--nv", "a.sif", "tool", "--no-raise", "--python", "--help"],
            {"check": False, "options": ["--nv"], "target": ["a.sif", "tool", "--no-raise", "--python", "--help"]},
        ),
        (["--no-raise", "pull", "x"], {"check": False, "command": "pull", "options": ["x"], "target": []}),
        # The value of an option is neither an option of ours nor the image.
        (
            ["exec", "--env", "--python", "-B", "/a:/b", "--env=A=1", "a.sif"],
            {"python": False, "options": ["--env", "--python", "-B", "/a:/b", "--env=A=1"], "target": ["a.sif"]},
        ),
        (["exec", "--stdin", "text", "a.sif", "cat"], {"stdin": "text", "options": [], "target": ["a.sif", "cat"]}),
        (["exec", "--stdin=text", "--", "--odd", "cat"], {"stdin": "text", "target": ["--odd", "cat"]}),
        (["exec", "-h"], {"help": True, "command": "exec"}),
        ([], {"command": ""}),
    ],
)
def test_requests(words: list[str], expected: dict[str, object]) -> None:
    request = parse_request(words)
    assert {name: getattr(request, name) for name in expected} == expected


def test_cell_words() -> None:
    words = cell_words(parse_request(["exec", "--nv", "a.sif", "one"]), "echo", "/tmp/d/cell.sh")  # noqa: S108
    bind = "/tmp/d/cell.sh:/tmp/d/cell.sh:ro"  # noqa: S108
    assert words == ["exec", "--nv", "--bind", bind, "a.sif", "sh", "/tmp/d/cell.sh", "one"]  # noqa: S108


@pytest.mark.parametrize(
    ("options", "cell", "interpreter"),
    [
        ([], "echo", ["sh"]),
        ([], "#!/bin/bash -eu\necho", ["/bin/bash", "-eu"]),
        ([], "#! /usr/bin/env  perl -w\n1", ["/usr/bin/env", "perl -w"]),
        ([], "#!\necho", ["sh"]),
        ([], "# comment\n#!/bin/bash", ["sh"]),
        (["--python"], "#!/bin/bash\n1", ["python3", "-u", "-c", PYTHON_DRIVER]),
    ],
)
def test_interpreters(options: list[str], cell: str, interpreter: list[str]) -> None:
    words = cell_words(parse_request(["exec", *options, "a.sif"]), cell, "/f")
    assert words[words.index("a.sif") + 1 : -1] == interpreter


@pytest.mark.parametrize("words", [["run", "a.sif"], ["pull", "x"], [], ["exec"], ["exec", "--nv"]])
def test_cells_need_exec_and_an_image(words: list[str]) -> None:
    with pytest.raises(RequestError, match=r"%%container exec \[options\] IMAGE"):
        cell_words(parse_request(words), "echo", "/f")


def test_stdin_needs_a_name() -> None:
    with pytest.raises(RequestError, match="--stdin"):
        parse_request(["exec", "--stdin"])


@pytest.mark.parametrize("command", ["exec", "run", "shell", "test"])
def test_value_options_are_those_of_the_command_line(command: str) -> None:
    # An option that we took for a switch would make its value the image.
    try:
        words = [*node_command(), command, "--help"]
    except RuntimeMissingError as error:
        pytest.fail(f"npm run build comes first: {error}")
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^  ((?:-\w, )?--[\w-]+) <", text, re.MULTILINE)
    assert lines
    assert {name for line in lines for name in line.split(", ")} <= VALUE_OPTIONS
