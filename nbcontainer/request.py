# SPDX-License-Identifier: BSD-3-Clause
"""What a magic's words ask for: ours taken out, the rest for the command line as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

#: Commands whose words after the image belong to the program in the container.
ACTIONS = ("exec", "run", "shell", "test")
#: Options of these that take the next word as their value; tests/python/test_request.py holds them to `exec --help`.
VALUE_OPTIONS = frozenset(
    (
        *("-B", "--bind", "--mount", "-o", "--overlay", "-S", "--scratch", "-W", "--workdir", "-H", "--home"),
        *("--no-mount", "--env", "--env-file", "--cwd", "--pwd", "--hostname", "--dns", "-s", "--shell"),
        *("--add-caps", "--drop-caps", "--memory", "--memory-swap", "--memory-reservation", "--cpus", "--cpu-shares"),
        *("--cpuset-cpus", "--cpuset-mems", "--pids-limit", "--app", "--security", "--apply-cgroups"),
        *("--authfile", "--runscript-timeout"),
        *("--as", "--gpu", "--device", "--cdi-dirs", "--engine", "--root", "--overlay-driver", "--progress"),
    )
)
#: Runs a file as `python FILE` would, but imports from the working directory (as -c does), like a notebook.
PYTHON_DRIVER = (
    "import sys; sys.argv = sys.argv[1:]; __file__ = sys.argv[0]; "
    "exec(compile(open(__file__, 'rb').read(), __file__, 'exec'))"
)


class RequestError(Exception):
    """The magic's line makes no sense; the text says what to write."""


@dataclass
class Request:
    """A magic's line, understood."""

    #: Options before the command: ``--debug``.
    leading: list[str] = field(default_factory=list)
    #: ``exec``, ``pull``, ...; empty when none is given.
    command: str = ""
    #: Words between the command and the image (of ACTIONS), or all words after the command.
    options: list[str] = field(default_factory=list)
    #: The image and what follows it (of ACTIONS).
    target: list[str] = field(default_factory=list)
    python: bool = False
    check: bool = True
    help: bool = False
    #: Name of the Python variable that becomes standard input.
    stdin: str | None = None

    def words(self) -> list[str]:
        """For the command line."""
        return [*self.leading, *([self.command] if self.command else []), *self.options, *self.target]


def parse_request(words: Sequence[str]) -> Request:
    """Sorts words. Raises RequestError."""
    request = Request()
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if not _take_own(request, word, rest):
            request.leading.append(word)
    if rest:
        request.command = rest.pop(0)
    is_action = request.command in ACTIONS
    while rest:
        word = rest.pop(0)
        if is_action and (word == "--" or not word.startswith("-")):
            request.target = ([] if word == "--" else [word]) + rest
            break
        if _take_own(request, word, rest):
            continue
        request.options.append(word)
        if is_action and word in VALUE_OPTIONS and rest:
            request.options.append(rest.pop(0))
    return request


def _take_own(request: Request, word: str, rest: list[str]) -> bool:
    name, equals, value = word.partition("=")
    if word == "--python":
        request.python = True
    elif word == "--no-raise":
        request.check = False
    elif word in ("--help", "-h"):
        request.help = True
    elif name == "--stdin":
        if not equals and not rest:
            raise RequestError("--stdin needs the name of a Python variable: --stdin text")
        request.stdin = value if equals else rest.pop(0)
    else:
        return False
    return True


def cell_name(request: Request) -> str:
    """Name of the cell's file; it shows in tracebacks and messages."""
    return "cell.py" if request.python else "cell.sh"


def cell_words(request: Request, cell: str, host_file: str) -> list[str]:
    """The words that run a cell, which lies in ``host_file``, in the image that the line names.

    Raises RequestError when the line is not ``exec [options] IMAGE [arguments]``.
    """
    if request.command != "exec":
        known = f"not with {request.command}" if request.command else "and the line names no command"
        raise RequestError(f"a cell is run with exec, {known}: %%container exec [options] IMAGE")
    if not request.target:
        raise RequestError("no image is named: %%container exec [options] IMAGE")
    image, *arguments = request.target
    return [
        *request.leading,
        "exec",
        *request.options,
        "--bind",
        # The same path inside: most images show the host's /tmp anyway, and nothing new is needed in their root.
        f"{host_file}:{host_file}:ro",
        image,
        *_interpreter(request, cell),
        host_file,
        *arguments,
    ]


def _interpreter(request: Request, cell: str) -> list[str]:
    if request.python:
        return ["python3", "-u", "-c", PYTHON_DRIVER]
    first = cell.split("\n", 1)[0]
    if first.startswith("#!") and first[2:].strip():
        # As the kernel reads it: the interpreter and at most one argument.
        return first[2:].strip().split(None, 1)
    return ["sh"]
