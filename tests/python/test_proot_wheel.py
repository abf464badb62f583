# SPDX-License-Identifier: BSD-3-Clause
"""The companion wheel of PRoot: what its recipe makes of Debian's packages, and that nbcontainer runs with it."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "packaging" / "proot" / "build_wheel.py"
SAMPLE = ROOT / "examples" / "images" / "sample.sif"


def installed(name: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    result = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Abbrev}", name], capture_output=True, text=True, check=False
    )
    return result.stdout.startswith("ii")


needs_packages = pytest.mark.skipif(
    not (installed("proot") and installed("libtalloc2")), reason="Debian's proot is not installed"
)


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_wheel", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_wheel"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(recipe: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recipe.build([], tmp_path_factory.mktemp("wheel"), installed=True)


@needs_packages
def test_wheel_carries_program_licence_and_source_offer(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert files["nbcontainer_proot/bin/proot"] == Path("/usr/bin/proot").read_bytes()
    assert modes["nbcontainer_proot/bin/proot"] == 0o100755
    assert modes["nbcontainer_proot/lib/libtalloc.so.2"] == 0o100644
    licence = files["nbcontainer_proot/LICENSE"].decode()
    assert "GNU GENERAL PUBLIC LICENSE" in licence
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in licence
    source = files["nbcontainer_proot/SOURCE"].decode()
    assert re.search(r"^    proot \d\S*$", source, re.MULTILINE)
    assert re.search(r"^    talloc \d\S*$", source, re.MULTILINE)
    assert b"proot-me" not in files["nbcontainer_proot/__init__.py"]


@needs_packages
def test_record_names_every_file_with_its_hash(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [record] = [name for name in archive.namelist() if name.endswith("RECORD")]
        rows = list(csv.reader(archive.read(record).decode().splitlines()))
        assert {row[0] for row in rows} == set(archive.namelist())
        for name, digest, size in rows:
            if name == record:
                continue
            data = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={expected}", len(data))


@needs_packages
def test_a_build_can_be_repeated(recipe: ModuleType, wheel: Path, tmp_path: Path) -> None:
    assert recipe.build([], tmp_path, installed=True).read_bytes() == wheel.read_bytes()


@needs_packages
@pytest.mark.skipif(not SAMPLE.exists(), reason="npm test makes the sample image")
def test_nbcontainer_runs_with_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    proot = site / "nbcontainer_proot" / "bin" / "proot"
    assert os.access(proot, os.X_OK)
    node = ROOT / ".venv" / "bin" / "node"
    main = ROOT / "lib-runtime" / "cli" / "main.ts"
    environment = {**os.environ, "NBCONTAINER_PROOT": str(proot), "NBCONTAINER_HOME": str(tmp_path / "store")}
    words = [str(node), str(main), "exec", "--engine", "ptrace", str(SAMPLE), "sh", "-c", "env; exit 7"]
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 7, result.stderr
    # The library's folder is for PRoot alone.
    assert "LD_LIBRARY_PATH=" + str(site) not in result.stdout
    plan = subprocess.run(
        [*words[:3], "--dry-run", *words[3:]], env=environment, capture_output=True, text=True, check=True
    )
    assert f"{proot} -r " in plan.stdout


@pytest.mark.parametrize(
    ("version", "expected"),
    [("5.1.0-1.3", "5.1.0.post103"), ("5.4.0-1+b2", "5.4.0.post1"), ("5.1.0-1.10", "5.1.0.post110")],
)
def test_version_follows_debians(recipe: ModuleType, version: str, expected: str) -> None:
    deb = recipe.Deb(f"Package: proot\nVersion: {version}\nArchitecture: amd64\nSource: \n", Path("/"))
    assert recipe.wheel_version(deb) == expected


def test_glibc_decides_on_the_tag(recipe: ModuleType) -> None:
    assert recipe.glibc_needed(b"GLIBC_2.2.5\0GLIBC_2.9\0", b"GLIBC_2.16\0") == (2, 16)


def test_recipe_says_what_is_wrong(recipe: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(recipe.RecipeError, match="dpkg-deb"):
        recipe.build([tmp_path / "missing.deb"], tmp_path / "out")
    assert not list(tmp_path.rglob("*.whl"))
