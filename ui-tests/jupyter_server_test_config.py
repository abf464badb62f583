# SPDX-License-Identifier: BSD-3-Clause
"""The server of the browser tests: no token, a folder of its own with the example notebook in it."""

import os
import shutil
from pathlib import Path
from typing import Any

from jupyterlab.galata import configure_jupyter_server

c: Any = get_config()  # type: ignore[name-defined]  # noqa: F821

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
FOLDER = ROOT / ".cache" / "ui-root"

shutil.rmtree(FOLDER, ignore_errors=True)
(FOLDER / "images").mkdir(parents=True)
shutil.copy(EXAMPLES / "quickstart.ipynb", FOLDER)
if (EXAMPLES / "images" / "sample.sif").exists():
    os.link(EXAMPLES / "images" / "sample.sif", FOLDER / "images" / "sample.sif")

configure_jupyter_server(c)
c.ServerApp.root_dir = str(FOLDER)
c.ServerApp.port = int(os.environ["NBCONTAINER_UI_PORT"])
c.ServerApp.port_retries = 0
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.allow_root = True
c.Application.log_level = "ERROR"
