# SPDX-License-Identifier: BSD-3-Clause
"""The magics in IPython, with a stand-in for the command line (fake_runtime.mjs). Runs on IPython 7.34 too."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from nbcontainer.magics import ContainerExit, ContainerResult, _cell_file

FAKE = Path(__file__).with_name("fake_runtime.mjs")


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NBCONTAINER_RUNTIME", str(FAKE))
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "nbcontainer")
    return shell


def shown(capture: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Output and errors, less what a terminal shows of a result."""
    out, err = capture.readouterr()
    return re.sub(r"Out\[\d+\]: <ContainerResult returncode=\d+>\n+", "", out), err


def words(shell: Any, capsys: pytest.CaptureFixture[str], line: str) -> list[str]:
    shell.run_cell(f"%container words {line}").raise_error()
    return list(json.loads(shown(capsys)[0]))


def test_words_reach_the_command_line_as_they_are(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.user_ns.update(image="a b'\".sif", options=["--nv", "x y"], number=2.5)
    assert words(shell, capsys, "{options} $image 'c d' $HOME ; rm * {number:.2f} {number!r}") == [
        *["--nv", "x y", "a b'\".sif", "c d", "$HOME", ";", "rm", "*", "2.50", "2.5"]
    ]


def test_an_expression_that_fails_is_left_alone(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.user_ns.update(n=0)
    assert words(shell, capsys, "{1/n} {nothing}") == ["{1/n}", "{nothing}"]


def test_a_cell_is_a_shell_script_with_arguments(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    result = shell.run_cell("%%container exec IMAGE 'one two'\nx='$HOME {y}'\necho \"$x|$1\"\necho oh >&2\n")
    result.raise_error()
    out, err = shown(capfd)
    assert (out, err) == ("$HOME {y}|one two\n", "oh\n")
    assert isinstance(result.result, ContainerResult)
    assert result.result.returncode == 0


def test_a_python_cell_imports_from_here_and_has_a_file(
    shell: Any, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.py").write_text("value = 'from beside'")
    cell = "import beside, sys\nprint(beside.value, sys.argv[1:], __name__)\ndef f():\n    1 / 0\nf()\n"
    result = shell.run_cell(f"%%container exec --python --no-raise IMAGE a b\n{cell}")
    out, err = shown(capfd)
    assert out == "from beside ['a', 'b'] __main__\n"
    # The traceback shows the cell's own lines.
    assert 'cell.py", line 4, in f\n    1 / 0' in err
    assert err.endswith("exit status 1\n")
    assert result.result.returncode == 1


def test_a_shebang_names_the_interpreter(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%%container exec IMAGE\n#!/bin/bash -e\nfalse\necho not reached\n")
    assert "not reached" not in shown(capfd)[0]


@pytest.mark.parametrize("value", ["a\nb\n", b"a\nb\n", bytearray(b"a\nb\n")])
def test_standard_input(shell: Any, capfd: pytest.CaptureFixture[str], value: object) -> None:
    shell.user_ns["text"] = value
    shell.run_cell('%%container exec --stdin text IMAGE\nread first; echo "<$first>"; cat\n').raise_error()
    assert shown(capfd)[0] == "<a>\nb\n"


def test_standard_input_from_a_file(shell: Any, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "in").write_text("inside")
    shell.user_ns["path"] = tmp_path / "in"
    shell.run_cell("%container exec --stdin=path IMAGE cat").raise_error()
    assert shown(capfd)[0] == "inside"


def test_without_it_standard_input_is_empty(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%container exec IMAGE wc -c").raise_error()
    assert shown(capfd)[0].strip() == "0"


def test_a_failure_is_raised_in_one_line(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    result = shell.run_cell("%%container exec IMAGE\necho before; exit 3\n")
    out = shown(capfd)[0]
    assert isinstance(result.error_in_exec, ContainerExit)
    assert result.error_in_exec.returncode == 3
    assert out.startswith("before\n")
    assert out.splitlines()[1:] == ["\x1b[31mContainerExit\x1b[0m: exit status 3"]


def test_no_raise_reports_and_goes_on(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    call = "get_ipython().run_cell_magic('container', 'exec --no-raise IMAGE', 'exit 3').returncode"
    result = shell.run_cell(call)
    assert result.result == 3
    assert shown(capfd)[1] == "exit status 3\n"


def test_a_result_can_be_kept_and_shows_nothing(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("r = %container exec IMAGE true").raise_error()
    assert shell.user_ns["r"].returncode == 0
    assert repr(shell.user_ns["r"]) == "<ContainerResult returncode=0>"
    assert shown(capfd)[0] == ""


def test_bytes_that_are_no_text_and_text_in_pieces(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    # One letter of two bytes, with a pause between them; then a byte that is no UTF-8.
    shell.run_cell("%%container exec IMAGE\nprintf '\\303'; sleep 0.2; printf '\\251'; printf '\\377.'\n").raise_error()
    assert shown(capfd)[0] == "é\ufffd."


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("%container exec 'a", "a single quote (') is not closed"),
        ("%container shell IMAGE", "a shell needs a terminal"),
        ("%container exec --python IMAGE x", "--python is for cells"),
        ("%container exec --stdin nothing IMAGE cat", "there is no Python variable of that name"),
        ("%container exec --stdin In IMAGE cat", "must be text, bytes or a Path"),
        ("%%container run IMAGE\nls", "a cell is run with exec, not with run"),
        ("%%container exec\nls", "no image is named"),
    ],
)
def test_a_wrong_line_gets_one_sentence(shell: Any, capfd: pytest.CaptureFixture[str], source: str, said: str) -> None:
    result = shell.run_cell(source)
    assert not result.success
    out, err = shown(capfd)
    assert said in out + err
    assert "Traceback" not in out + err


def test_no_runtime_is_one_sentence(
    shell: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBCONTAINER_RUNTIME", "/nowhere")
    assert not shell.run_cell("%container images").success
    out = shown(capfd)[0]
    assert out.count("\n") == 1
    assert "the runtime /nowhere does not exist" in out


def test_what_is_of_this_kernel_only_stays_here(
    shell: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    monkeypatch.setenv("KEPT", "yes")
    shell.run_cell("%container exec IMAGE env").raise_error()
    lines = shown(capfd)[0].splitlines()
    assert {"KEPT=yes", "PYTHONUNBUFFERED=1"} <= set(lines)
    assert not [line for line in lines if line.startswith(("MPLBACKEND=", "JUPYTER_TOKEN="))]


def test_the_cell_is_private_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "a:b,c"
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    with _cell_file("cell.sh", "echo \ud800") as file:
        # A name that --bind cannot write is not used.
        assert ":" not in file
        assert "," not in file
        folder = os.stat(os.path.dirname(file))
        assert (folder.st_mode & 0o777, os.stat(file).st_mode & 0o777) == (0o700, 0o444)
        assert Path(file).read_bytes().endswith(b"\n")
    assert not os.path.exists(os.path.dirname(file))


def test_unloading(shell: Any) -> None:
    shell.run_line_magic("unload_ext", "nbcontainer")
    assert shell.find_line_magic("container") is None
