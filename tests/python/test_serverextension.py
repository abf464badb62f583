# SPDX-License-Identifier: BSD-3-Clause
"""The server extension answers its own users and nobody else."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemons import runtime_place
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.manager import ContentsManager
from jupyter_server.utils import JupyterServerAuthWarning
from tornado.httpclient import HTTPClientError

from nbcontainer.server.handlers import API_VERSION

PACKAGE = json.loads((Path(__file__).parents[2] / "package.json").read_text())


@pytest.fixture
def place() -> Iterator[Path]:
    """Where no daemon is."""
    with runtime_place() as folder:
        yield folder


async def test_version_is_that_of_the_package(place: Path, jp_fetch: Any, jp_root_dir: Path) -> None:
    response = await jp_fetch("nbcontainer", "api", "version")
    assert json.loads(response.body) == {
        "version": PACKAGE["version"],
        "api": API_VERSION,
        "root_dir": str(jp_root_dir),
        "shells": True,
        "daemon": False,
    }


async def test_contents_elsewhere_have_no_directory_here(place: Path, jp_fetch: Any, jp_serverapp: ServerApp) -> None:
    jp_serverapp.web_app.settings["contents_manager"] = ContentsManager()
    assert json.loads((await jp_fetch("nbcontainer", "api", "version")).body)["root_dir"] is None


async def test_no_token_no_answer(jp_fetch: Any) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("nbcontainer", "api", "version", headers={"Authorization": "token wrong"})
    assert caught.value.code == 403


def test_no_handler_is_open_to_all(jp_configurable_serverapp: Any) -> None:
    # The server itself looks through every handler as it is added and warns of those that do not ask who calls.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", JupyterServerAuthWarning)
        app: ServerApp = jp_configurable_serverapp(allow_unauthenticated_access=False)
    assert app.extension_manager.extensions["nbcontainer"].enabled
    assert [str(one.message) for one in caught if "/nbcontainer/" in str(one.message)] == []


async def test_an_authorizer_is_asked(jp_fetch: Any, jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(_handler: Any, _user: Any, action: str, resource: str) -> bool:
        asked.append((action, resource))
        return False

    monkeypatch.setattr(jp_serverapp.authorizer, "is_authorized", refuse)
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("nbcontainer", "api", "version")
    assert caught.value.code == 403
    assert asked == [("read", "nbcontainer")]
