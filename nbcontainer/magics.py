# SPDX-License-Identifier: BSD-3-Clause
"""``%container`` and ``%%container``: the command line inside IPython, from 7.34 (Colab) on."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from IPython import get_ipython
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display
from IPython.utils.text import EvalFormatter

from .node import RuntimeMissingError, node_command
from .output import CappedOutput
from .process import run_streaming
from .progress import ProgressDisplay, ProgressFilter
from .request import Request, RequestError, cell_name, cell_words, parse_request
from .words import split_line

#: Commands that fetch or unpack images and so know `--progress json`.
_SHOW_PROGRESS = ("exec", "run", "pull")

HELP = """
In a notebook:
  %container COMMAND ...                      any command above, with the words of the command line
  %%container exec [options] IMAGE [args]     runs the cell as a shell script (or as its #! line says)

  --python       the cell is a Python script
  --stdin NAME   a Python variable (text, bytes or a Path) becomes standard input
  --no-raise     a failure is reported, and the notebook goes on

These come before the image. {expression} and $name are replaced by Python's value, inside quotes too but not inside
single quotes; a list becomes several words. Stop interrupts the container; Stop again ends it.
"""


class _ShortError(Exception):
    """Shown as one line: where it was raised inside the magic tells the user nothing."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31m{type(self).__name__}\x1b[0m: {self}"]


class ContainerError(_ShortError):
    """The container could not be started."""


class ContainerExit(_ShortError):
    """The program in the container failed; ``returncode`` is its exit status."""

    def __init__(self, returncode: int) -> None:
        super().__init__(describe_status(returncode))
        self.returncode = returncode


class ContainerInterrupt(KeyboardInterrupt):
    """Stop was pressed. A KeyboardInterrupt, so that the cells after it do not run."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31mKeyboardInterrupt\x1b[0m: {self}"]


class ContainerResult:
    """What a magic returns; shows nothing by itself in a notebook."""

    def __init__(self, returncode: int, log: Path | None) -> None:
        #: Exit status: 0 is success, 128 + N a signal, 255 a failure of nbcontainer itself.
        self.returncode = returncode
        #: The whole output, where it was too long to show.
        self.log = log

    def __repr__(self) -> str:
        return f"<ContainerResult returncode={self.returncode}>"

    def _ipython_display_(self) -> None:
        # The output was shown as it came. A terminal has printed "Out[1]: " by now, so there the repr follows.
        if not hasattr(get_ipython(), "kernel"):
            raise NotImplementedError


def describe_status(returncode: int) -> str:
    """``exit status 3``, with the signal's name where there was one."""
    text = f"exit status {returncode}"
    names = {130: "interrupted", 134: "aborted", 137: "killed", 139: "segmentation fault", 143: "terminated"}
    if returncode == 255:
        return f"{text} (if nbcontainer could not start it, the reason is above)"
    return f"{text} ({names[returncode]})" if returncode in names else text


@magics_class
class ContainerMagics(Magics):
    """Registered by ``%load_ext nbcontainer``."""

    @no_var_expand
    @line_cell_magic
    def container(self, line: str, cell: str | None = None) -> ContainerResult | None:
        """Containers in a notebook: ``%container --help``."""
        try:
            request = parse_request(split_line(line, self._look_up))
            if request.help or not (request.command or request.leading):
                return self._help(request)
            if request.command == "shell":
                raise RequestError("a shell needs a terminal: use %%container exec here, or `nbcontainer shell` there")
            with self._standard_input(request) as stdin:
                if cell is None:
                    if request.python:
                        raise RequestError("--python is for cells: %%container exec --python IMAGE")
                    return self._run(request, request.words(), stdin)
                with _cell_file(cell_name(request), cell) as file:
                    return self._run(request, cell_words(request, cell, file), stdin)
        except (RequestError, ValueError) as error:
            raise UsageError(str(error)) from None

    def _look_up(self, text: str) -> Any:
        names = self.shell.user_ns
        if text.replace(".", "").isidentifier() and text.split(".")[0] not in names:
            raise LookupError(text)
        try:
            return eval(text, self.shell.user_global_ns, names)  # noqa: S307 (the user's own expression in their own kernel)
        except SyntaxError:
            pass
        except Exception as error:
            raise LookupError(text) from error
        try:
            # {x:.2f} and {x!r}, which IPython knows too.
            return EvalFormatter().vformat("{" + text + "}", (), names)
        except Exception as error:
            raise LookupError(text) from error

    @contextlib.contextmanager
    def _standard_input(self, request: Request) -> Iterator[IO[bytes] | None]:
        if request.stdin is None:
            yield None
            return
        if request.stdin not in self.shell.user_ns:
            raise RequestError(f"--stdin {request.stdin}: there is no Python variable of that name")
        value = self.shell.user_ns[request.stdin]
        if isinstance(value, os.PathLike):
            try:
                file: IO[bytes] = open(value, "rb")  # noqa: SIM115
            except OSError as error:
                raise RequestError(f"--stdin {request.stdin}: {value}: {error.strerror}") from None
        elif isinstance(value, (str, bytes, bytearray)):
            # A file and not a pipe: nobody has to feed it while the output is read.
            file = tempfile.TemporaryFile()  # noqa: SIM115
            file.write(value.encode() if isinstance(value, str) else value)
            file.seek(0)
        else:
            raise RequestError(f"--stdin {request.stdin} is a {type(value).__name__}; it must be text, bytes or a Path")
        with file:
            yield file

    def _run(self, request: Request, words: list[str], stdin: IO[bytes] | None) -> ContainerResult:
        try:
            command = node_command()
        except RuntimeMissingError as error:
            raise ContainerError(str(error)) from None
        in_notebook = hasattr(self.shell, "kernel")
        if in_notebook and request.command in _SHOW_PROGRESS and "--progress" not in request.options:
            at = words.index(request.command) + 1
            words = [*words[:at], "--progress", "json", *words[at:]]
        output = CappedOutput(_show)
        bar = ProgressDisplay(display)
        progress = ProgressFilter(bar.update)

        def on_text(stream: str, text: str) -> None:
            output.add(stream, progress.feed(text) if stream == "stderr" and in_notebook else text)

        try:
            returncode, interrupted = run_streaming(
                [*command, *words],
                on_text=on_text,
                on_tick=output.tick,
                env=_environment(),
                **({} if stdin is None else {"stdin": stdin}),
            )
        except OSError as error:
            raise ContainerError(f"{command[0]} cannot be started: {error.strerror}") from None
        finally:
            output.add("stderr", progress.close())
            output.close()
        bar.finish(returncode == 0)
        if interrupted:
            raise ContainerInterrupt(f"stopped with {describe_status(returncode)}") from None
        if returncode != 0:
            if request.check:
                raise ContainerExit(returncode)
            _show("stderr", f"{describe_status(returncode)}\n")
        return ContainerResult(returncode, output.log_path)

    def _help(self, request: Request) -> None:
        words = [*([request.command] if request.command else []), "--help"]
        request.check = True
        self._run(Request(command="help"), words, None)
        _show("stdout", HELP)


def _show(stream: str, text: str) -> None:
    # Looked up each time: IPython replaces both, for example under %%capture.
    file = getattr(sys, stream)
    file.write(text)
    file.flush()


def _environment() -> dict[str, str]:
    """Ours, as the command line passes it on to the container, less what is about this kernel only."""
    env = dict(os.environ)
    # Python in the container would hold its output back otherwise: it writes to a pipe, not to a terminal.
    env.setdefault("PYTHONUNBUFFERED", "1")
    if env.get("MPLBACKEND", "").startswith("module://"):
        # ipykernel's plotting backend, which is a package of this environment and not of the image.
        del env["MPLBACKEND"]
    for name in ("JPY_PARENT_PID", "JPY_SESSION_NAME", "JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN", "JUPYTER_TOKEN"):
        env.pop(name, None)
    return env


@contextlib.contextmanager
def _cell_file(name: str, cell: str) -> Iterator[str]:
    """The cell as a file in a directory nobody else can enter; readable, since the container may be another user."""
    parent = tempfile.gettempdir()
    if shlex.quote(parent) != parent or ":" in parent or "," in parent:
        # --bind has no way to write such a name.
        parent = "/tmp"  # noqa: S108 (mkdtemp makes a private directory in it)
    with tempfile.TemporaryDirectory(prefix="nbcontainer-cell-", dir=parent) as folder:
        file = Path(folder) / name
        file.write_text(cell if cell.endswith("\n") else cell + "\n", encoding="utf-8", errors="surrogatepass")
        file.chmod(0o444)
        yield str(file)
