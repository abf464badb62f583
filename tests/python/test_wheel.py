# SPDX-License-Identifier: BSD-3-Clause
"""What the package carries, and that a wheel of it works in an environment with nothing else on PATH."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "nbcontainer" / "runtime"
VERSION = json.loads((ROOT / "package.json").read_text())["version"]
LAUNCHERS = [f"launcher/{machine}/nbcontainer-launcher" for machine in ("x86_64", "aarch64")]
TERMINALS = [f"prebuilds/linux-{machine}/pty.node" for machine in ("x64", "arm64")]
SAMPLE = ROOT / "examples" / "images" / "sample.sif"


def test_the_manifest_names_every_file_and_its_hash() -> None:
    manifest = json.loads((RUNTIME / "manifest.json").read_text())
    files = {
        path.relative_to(RUNTIME).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in RUNTIME.rglob("*")
        if path.is_file() and path.name != "manifest.json" and path.suffix != ".stamp"
    }
    assert manifest == {"algorithm": "sha256", "files": files}
    assert {"nbcontainer.cjs", "start.cjs", "main.mjs", "THIRD_PARTY_LICENSES.txt", *LAUNCHERS, *TERMINALS} <= set(
        files
    )


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("aarch64", 183)])
def test_launchers_are_static_programs_of_their_machine(machine: str, number: int) -> None:
    data = (RUNTIME / "launcher" / machine / "nbcontainer-launcher").read_bytes()
    assert data[:4] == b"\x7fELF"
    # e_machine; and no PT_INTERP, the name of a dynamic loader.
    assert int.from_bytes(data[18:20], "little") == number
    assert b"/ld-linux" not in data
    assert b"/ld-musl" not in data


def test_licences_of_the_bundled_packages_are_there() -> None:
    text = (RUNTIME / "THIRD_PARTY_LICENSES.txt").read_text()
    assert "commander " in text
    assert "Permission is hereby granted" in text
    # Copied beside the bundle, and a package whose licence lies in another one.
    assert "node-pty 1.2.0" in text
    assert "The xterm.js authors" in text


@pytest.mark.parametrize("word", ["pty.node", "xterm.js"])
def test_terminals_are_loaded_by_a_daemon_with_a_shell_only(word: str) -> None:
    """What `exec` loads at its start is the entry and what it imports statically."""
    seen: set[str] = set()
    waiting = ["main.mjs"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        text = (RUNTIME / name).read_text()
        assert word not in text
        waiting += re.findall(r'(?:from|import)"\./(chunk-[A-Z0-9]+\.mjs)"', text)
    assert len(seen) > 1
    assert any(word in path.read_text() for path in RUNTIME.glob("*.mjs"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the tree as it was just built. The build from nothing is test_build_from_nothing's."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "NBCONTAINER_SKIP_BUILD": "1"}, check=True)
    (file,) = folder.glob("*.whl")
    return file


def test_the_wheel_has_everything_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    info = f"nbcontainer-{VERSION}.dist-info"
    data = f"nbcontainer-{VERSION}.data/data"
    assert {
        "nbcontainer/magics.py",
        "nbcontainer/runtime/nbcontainer.cjs",
        "nbcontainer/runtime/manifest.json",
        *(f"nbcontainer/runtime/{name}" for name in [*LAUNCHERS, *TERMINALS]),
        f"{info}/licenses/LICENSE",
        f"{info}/licenses/nbcontainer/runtime/THIRD_PARTY_LICENSES.txt",
        f"{data}/share/jupyter/labextensions/nbcontainer/package.json",
        f"{data}/share/jupyter/labextensions/nbcontainer/install.json",
        f"{data}/etc/jupyter/jupyter_server_config.d/nbcontainer.json",
    } <= names
    assert all(modes[f"nbcontainer/runtime/{name}"] & 0o111 for name in LAUNCHERS)
    strangers = ("tests/", "lib-runtime/", "src/", "scripts/", "node_modules/", ".cache/", ".venv/")
    assert [
        name for name in names if name.startswith(strangers) or name.endswith((".sif", ".ts", ".tsbuildinfo"))
    ] == []
    # This machine is nowhere in it.
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in names if str(ROOT).encode() in archive.read(name)] == []


class Environment:
    """A fresh environment whose PATH is its own programs and coreutils, and whose user has nothing yet."""

    def __init__(self, folder: Path, packages: list[str]) -> None:
        self.bin = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=True)
        install = [str(self.bin / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(install, check=True)
        tools = folder / "tools"
        tools.mkdir()
        listed = subprocess.run(["dpkg", "-L", "coreutils"], capture_output=True, text=True, check=True).stdout
        for name in {Path(line).name for line in listed.splitlines() if "/bin/" in line}:
            program = shutil.which(name, path="/usr/bin:/bin")
            if program:
                (tools / name).symlink_to(program)
        home = folder / "home"
        home.mkdir()
        self.env = {"PATH": f"{self.bin}:{tools}", "HOME": str(home), "LANG": "C.UTF-8", "USER": "root"}
        self.cwd = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / words[0]), *words[1:]],
            env=self.env,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("clean"), [str(wheel), "jupyterlab", "nbconvert", "ipykernel"])


@pytest.mark.slow
def test_the_command_line_of_a_clean_environment(installed: Environment) -> None:
    result = installed.run("nbcontainer", "--version")
    assert (result.stdout, result.stderr, result.returncode) == (f"nbcontainer version {VERSION}\n", "", 0)
    assert installed.run("python", "-m", "nbcontainer", "version").stdout == f"{VERSION}\n"


@pytest.mark.slow
def test_jupyter_sees_both_extensions(installed: Environment) -> None:
    lab = installed.run("jupyter", "labextension", "list")
    server = installed.run("jupyter", "server", "extension", "list")
    # Both are written to standard error, with colours between the words.
    lines = [line for line in (lab.stdout + lab.stderr).splitlines() if f"nbcontainer v{VERSION}" in line]
    assert len(lines) == 1
    assert "enabled" in lines[0]
    assert "OK" in lines[0]
    lines = [line for line in (server.stdout + server.stderr).splitlines() if f"nbcontainer {VERSION}" in line]
    assert len(lines) == 1
    assert "OK" in lines[0]


@pytest.mark.slow
def test_the_quickstart_runs_in_a_clean_environment(installed: Environment) -> None:
    assert SAMPLE.is_file(), "node scripts/sample-image.mjs comes first"
    examples = installed.cwd / "examples"
    (examples / "images").mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "quickstart.ipynb", examples)
    (examples / "images" / "sample.sif").symlink_to(SAMPLE)
    notebook = "examples/quickstart.ipynb"
    result = installed.run("jupyter", "nbconvert", "--to", "notebook", "--execute", "--output", "done.ipynb", notebook)
    assert result.returncode == 0, result.stderr
    cells = json.loads((examples / "done.ipynb").read_text())["cells"]
    text = "".join(
        "".join(output.get("text", output.get("data", {}).get("text/plain", "")))
        for cell in cells
        for output in cell.get("outputs", [])
    )
    assert "PRETTY_NAME=" in text
    assert "exit status 3" in text
    assert "apple\nfig\npear" in text
    assert "it's a *nice* day, made from Debian packages" in text


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_build_from_nothing(tmp_path: Path) -> None:
    """`pip wheel .` in a fresh clone with no Node.js on PATH: the build environment brings all of it."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    folder = Path(sys.prefix) / "bin"
    path = [part for part in os.environ["PATH"].split(os.pathsep) if not (Path(part) / "node").exists()]
    env = {**os.environ, "PATH": os.pathsep.join(part for part in path if part != str(folder))}
    env.pop("NBCONTAINER_SKIP_BUILD", None)
    builder = tmp_path / "builder"
    venv.create(builder, with_pip=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh", "env"):
        program = shutil.which(name)
        assert program
        (tools / name).symlink_to(program)
    env["PATH"] = f"{builder / 'bin'}:{tools}:{env['PATH']}"
    assert shutil.which("node", path=env["PATH"]) is None
    command = [str(builder / "bin" / "pip"), "wheel", "-q", "--no-deps", "-w", str(tmp_path / "dist"), str(clone)]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (file,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        assert {f"nbcontainer/runtime/{name}" for name in LAUNCHERS} <= set(archive.namelist())
