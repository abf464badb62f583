#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the wheel of the companion package ``nbcontainer-proot`` from Debian's packages of PRoot and libtalloc.

    python packaging/proot/build_wheel.py [--installed | --deb proot.deb --deb libtalloc2.deb] [--output DIRECTORY]

With ``--installed`` they are taken as they are installed; without either both are fetched with ``apt-get download``
(from the machine's own Debian or Ubuntu, signatures checked by apt). The program is not changed; its licence (GPL-2 or
later; libtalloc: LGPL-3 or later) and the offer of its source travel with it. Only Python's standard library and
dpkg-deb are needed.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "nbcontainer_proot"
HERE = Path(__file__).parent
#: Debian's architectures with those of wheel tags.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
#: Oldest date that a zip file can hold: the wheel is the same on every build.
EPOCH = (1980, 1, 1, 0, 0, 0)

FIELDS = ("Package", "Version", "Architecture", "Source")

SUMMARY = "PRoot for nbcontainer, from Debian's package: containers where neither mounts nor namespaces are permitted"

MODULE = '''"""PRoot for nbcontainer: {name} {version} of Debian, unchanged. Licence: GPL-2 or later, see LICENSE."""

from pathlib import Path

#: Path of the program.
PROGRAM = str(Path(__file__).parent / "bin" / "proot")
'''

OFFER = """Source code of what this package holds

bin/proot    Debian package {proot}, version {proot_version}
lib/{soname}  Debian package {talloc}, version {talloc_version}

Both are the binaries that Debian built and signed; nothing was changed. The complete corresponding source is published
by Debian, in its archive of source packages and, for every version that ever was, in its snapshot archive, under these
names and versions, for everybody and at no charge:

    {proot_source} {proot_source_version}
    {talloc_source} {talloc_source_version}

On a Debian system with deb-src lines: apt-get source {proot_source}={proot_source_version}
{talloc_source}={talloc_source_version}

Should it not be found there within three years of your having received this package, open an issue at the address in
its metadata and you will be sent it for no more than the cost of sending.
"""


class RecipeError(Exception):
    """What is missing, in one sentence."""


def run(*words: str, cwd: Path | None = None) -> str:
    try:
        return subprocess.run(words, check=True, capture_output=True, text=True, cwd=cwd).stdout
    except FileNotFoundError as error:
        raise RecipeError(f"{words[0]} was not found: this recipe runs on Debian and Ubuntu") from error
    except subprocess.CalledProcessError as error:
        raise RecipeError(f"{' '.join(words)} failed: {error.stderr.strip()}") from error


class Deb:
    """A Debian package with the fields that matter here: unpacked below `root`, or installed (then `root` is /)."""

    def __init__(self, fields: str, root: Path) -> None:
        values = dict(line.split(": ", 1) for line in fields.splitlines() if ": " in line)
        self.name = values["Package"]
        self.version = values["Version"]
        self.architecture = values["Architecture"]
        source, _, version = values.get("Source", self.name).partition(" ")
        self.source = source or self.name
        self.source_version = version.strip("()") or re.sub(r"\+b\d+$", "", self.version)
        self.root = root

    @classmethod
    def unpacked(cls, path: Path, folder: Path) -> Deb:
        deb = cls(run("dpkg-deb", "--field", str(path), *FIELDS), folder)
        deb.root = folder / deb.name
        run("dpkg-deb", "--extract", str(path), str(deb.root))
        return deb

    @classmethod
    def installed(cls, name: str) -> Deb:
        form = "".join(f"{field}: ${{{field}}}\n" for field in FIELDS)
        return cls(run("dpkg-query", "--show", f"--showformat={form}", name), Path("/"))

    def library(self, name: str) -> Path:
        folders = [self.root / "usr/lib", self.root / "lib"]
        multiarch = f"{MACHINES.get(self.architecture, '')}-linux-gnu"
        for path in (folder / multiarch / name for folder in folders):
            if path.exists():
                return path
        raise RecipeError(f"{self.name} holds no {name}")

    def copyright(self) -> str:
        return (self.root / "usr/share/doc" / self.name / "copyright").read_text(encoding="utf-8")


def fetch(folder: Path) -> list[Path]:
    run("apt-get", "download", "proot", "libtalloc2", cwd=folder)
    return sorted(folder.glob("*.deb"))


def glibc_needed(*programs: bytes) -> tuple[int, int]:
    """The newest version of glibc that any of the programs asks for: the manylinux tag follows from it (PEP 600)."""
    found = {(int(major), int(minor)) for data in programs for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", data)}
    return max(found, default=(2, 17))


def licence_texts(*debs: Deb) -> dict[str, str]:
    """Debian's copyright files refer to these texts instead of repeating them."""
    texts = {}
    for name in ("GPL-2", "GPL-3", "LGPL-3"):
        path = Path("/usr/share/common-licenses") / name
        if any(f"common-licenses/{name}" in deb.copyright() for deb in debs):
            if not path.exists():
                raise RecipeError(f"{path} is missing, and the licence has to travel with the program")
            texts[name] = path.read_text(encoding="utf-8")
    if "GPL-2" not in texts:
        raise RecipeError("the copyright file of proot does not name GPL-2 any more: look at it before building")
    return texts


def wheel_version(deb: Deb) -> str:
    """5.1.0-1.3 of Debian is 5.1.0.post103 here: digits of the revision, two for each part."""
    upstream, _, revision = deb.version.partition("-")
    parts = [int(part) for part in re.findall(r"\d+", re.sub(r"\+b\d+$", "", revision))]
    number = "".join(f"{part:02}" for part in parts).lstrip("0") or "0"
    return f"{re.sub(r'[^0-9.].*', '', upstream)}.post{number}"


def contents(proot: Deb, talloc: Deb, version: str) -> dict[str, bytes]:
    """Files of the wheel but its RECORD, by name."""
    soname = "libtalloc.so.2"
    library = talloc.library(soname)
    program = (proot.root / "usr/bin/proot").read_bytes()
    shared = library.read_bytes()
    major, minor = glibc_needed(program, shared)
    tag = f"py3-none-manylinux_{major}_{minor}_{MACHINES[proot.architecture]}"
    info = f"{PACKAGE}-{version}.dist-info"
    offer = OFFER.format(
        proot=proot.name,
        proot_version=proot.version,
        proot_source=proot.source,
        proot_source_version=proot.source_version,
        talloc=talloc.name,
        talloc_version=talloc.version,
        talloc_source=talloc.source,
        talloc_source_version=talloc.source_version,
        soname=soname,
    )
    licence = "\n".join(
        [
            *(
                f"==== {deb.name} {deb.version}: Debian's copyright file\n\n{deb.copyright()}"
                for deb in (proot, talloc)
            ),
            *(f"==== {name}\n\n{text}" for name, text in licence_texts(proot, talloc).items()),
        ]
    )
    metadata = "\n".join(
        [
            "Metadata-Version: 2.1",
            "Name: nbcontainer-proot",
            f"Version: {version}",
            f"Summary: {SUMMARY}",
            "License: GPL-2.0-or-later AND LGPL-3.0-or-later",
            "Requires-Python: >=3.8",
            "Description-Content-Type: text/markdown",
            "",
            (HERE / "README.md").read_text(encoding="utf-8"),
        ]
    )
    files = {
        f"{PACKAGE}/__init__.py": MODULE.format(name=proot.name, version=proot.version),
        f"{PACKAGE}/LICENSE": licence,
        f"{PACKAGE}/SOURCE": offer,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: nbcontainer\nRoot-Is-Purelib: false\nTag: {tag}\n",
        f"{info}/licenses/LICENSE": licence,
    }
    return {
        f"{PACKAGE}/bin/proot": program,
        f"{PACKAGE}/lib/{soname}": shared,
        **{name: text.encode() for name, text in files.items()},
    }


def write_wheel(files: dict[str, bytes], version: str, output: Path) -> Path:
    """Writes a wheel (PEP 427) and returns its path; nothing is left when that fails."""
    info = f"{PACKAGE}-{version}.dist-info"
    tag = files[f"{info}/WHEEL"].decode().split("Tag: ")[1].strip()
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={digest}", len(data)])
    rows.writerow([f"{info}/RECORD", "", ""])
    path = output / f"{PACKAGE}-{version}-{tag}.whl"
    temporary = path.with_suffix(".tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as wheel:
            for name, data in [*files.items(), (f"{info}/RECORD", record.getvalue().encode())]:
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (0o100755 if "/bin/" in name else 0o100644) << 16  # pip wants the kind, too
                wheel.writestr(entry, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def build(debs: list[Path], output: Path, *, installed: bool = False) -> Path:
    """The wheel's path. Raises RecipeError."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if installed:
            found = [Deb.installed(name) for name in ("proot", "libtalloc2")]
        else:
            found = [Deb.unpacked(path, folder) for path in debs or fetch(folder)]
        packages = {deb.name: deb for deb in found}
        if set(packages) != {"proot", "libtalloc2"}:
            given = ", ".join(packages)
            raise RecipeError(f"the packages proot and libtalloc2 are wanted, and these were given: {given}")
        proot, talloc = packages["proot"], packages["libtalloc2"]
        if proot.architecture != talloc.architecture or proot.architecture not in MACHINES:
            raise RecipeError(f"both packages must be of one architecture, {' or '.join(MACHINES)}")
        version = wheel_version(proot)
        output.mkdir(parents=True, exist_ok=True)
        return write_wheel(contents(proot, talloc, version), version, output)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deb", type=Path, action="append", default=[], help="a package, instead of downloading it")
    parser.add_argument("--installed", action="store_true", help="what is installed on this machine, no download")
    parser.add_argument("--output", type=Path, default=Path("dist"))
    options = parser.parse_args()
    try:
        print(build(options.deb, options.output, installed=options.installed))
    except RecipeError as error:
        print(f"build_wheel.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
