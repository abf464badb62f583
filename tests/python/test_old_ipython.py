# SPDX-License-Identifier: BSD-3-Clause
"""The magics on what Colab has (IPython 7.34, ipykernel 6.17): the same tests in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COLAB = ["ipython==7.34.0", "ipykernel==6.17.1", "jupyter_client<8", "setuptools<81"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_magics_on_colabs_ipython(tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=True)
    python = tmp_path / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*install, *COLAB, "pytest", "pytest-timeout"], check=True)
    tests = [str(HERE / name) for name in ("test_magics.py", "test_kernel.py")]
    run = [str(python), "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", *tests]
    # Node comes from this environment, found on PATH as it is on Colab.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)]), "PATH": path}
    result = subprocess.run(run, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
