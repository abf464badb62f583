# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytest_jupyter.jupyter_server"]


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Our extension on, and no handler that lets anybody in unasked."""
    return {"ServerApp": {"jpserver_extensions": {"nbcontainer": True}, "allow_unauthenticated_access": False}}
