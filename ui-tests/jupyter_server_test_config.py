# SPDX-License-Identifier: BSD-3-Clause
"""The server of the browser tests: no token, and a place of its own (place.mjs) with the example notebook in it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from jupyterlab.galata import configure_jupyter_server

c: Any = get_config()  # type: ignore[name-defined]  # noqa: F821

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
PLACE = Path(os.environ["NBCONTAINER_UI_PLACE"])
FOLDER = PLACE / "root"

# A run that was killed leaves its daemon, too: it would keep what it knows of a store that is gone.
if (PLACE / "run").exists():
    subprocess.run(["nbcontainer", "daemon", "stop"], check=False, capture_output=True)
shutil.rmtree(PLACE, ignore_errors=True)
(FOLDER / "images").mkdir(parents=True)
(PLACE / "run").mkdir(mode=0o700)
shutil.copy(EXAMPLES / "quickstart.ipynb", FOLDER)
if (EXAMPLES / "images" / "sample.sif").exists():
    shutil.copy(EXAMPLES / "images" / "sample.sif", FOLDER / "images" / "sample.sif")

configure_jupyter_server(c)
c.ServerApp.root_dir = str(FOLDER)
c.ServerApp.port = int(os.environ["NBCONTAINER_UI_PORT"])
c.ServerApp.port_retries = 0
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.allow_root = True
# Notebook 7, which the same server shows at /tree.
c.JupyterNotebookApp.expose_app_in_browser = True
c.Application.log_level = "ERROR"
