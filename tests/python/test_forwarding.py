# SPDX-License-Identifier: BSD-3-Clause
"""The server extension with the real daemon behind it: REST, events, and who is refused."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemons import kill, resident, runtime_place
from jupyter_server.serverapp import ServerApp
from kernels import until_gone
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from nbcontainer.server.activity import LAST_ACTIVITY, ActivityWatch
from nbcontainer.server.handlers import API_VERSION

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "images" / "sample.sif"
API = ("nbcontainer", "api", "daemon")


@pytest.fixture(autouse=True)
def place() -> Iterator[Path]:
    with runtime_place() as folder:
        yield folder


async def _refused(awaitable: Any) -> tuple[int, Any]:
    with pytest.raises(HTTPClientError) as caught:
        await awaitable
    response = caught.value.response
    body = response.body if response is not None else b""
    try:
        return caught.value.code, json.loads(body)
    except ValueError:
        return caught.value.code, body


def _version(response: Any) -> dict[str, Any]:
    return dict(json.loads(response.body))


async def _post(fetch: Any, *path: str, body: Any, **headers: str) -> Any:
    return await fetch(*API, *path, method="POST", body=json.dumps(body), headers=headers or None)


async def _log_of(fetch: Any, job: dict[str, Any]) -> str:
    for _try in range(600):
        if json.loads((await fetch(*API, "jobs", job["id"])).body)["state"] != "running":
            break
        await asyncio.sleep(0.05)
    log = json.loads((await fetch(*API, "jobs", job["id"], "log")).body)
    return str(log["head"] + log["tail"])


async def test_a_job_from_start_to_end(jp_fetch: Any, place: Path) -> None:
    assert not (place / "nbcontainer").exists()
    version = _version(await jp_fetch(*API, "version"))
    server = _version(await jp_fetch("nbcontainer", "api", "version"))
    assert (server["api"], server["daemon"]) == (version["api"], True)
    response = await _post(jp_fetch, "jobs", body={"kind": "run", "image": str(SAMPLE), "command": ["echo", "é '"]})
    assert response.headers["Content-Type"] == "application/json"
    job = json.loads(response.body)
    assert "é '" in await _log_of(jp_fetch, job)
    assert [one["id"] for one in json.loads((await jp_fetch(*API, "jobs")).body)["jobs"]] == [job["id"]]
    await jp_fetch(*API, "jobs", job["id"], method="DELETE")
    assert (await _refused(jp_fetch(*API, "jobs", job["id"])))[0] == 404
    assert _version(await jp_fetch(*API, "version"))["pid"] == version["pid"]


async def test_statuses_and_errors_are_the_daemons(jp_fetch: Any) -> None:
    status, body = await _refused(jp_fetch(*API, "nowhere"))
    assert (status, body["error"]["code"]) == (404, "not-found")
    status, body = await _refused(_post(jp_fetch, "jobs", body={"kind": "other"}))
    assert (status, body["error"]["code"]) == (400, "usage")
    status, _body = await _refused(jp_fetch(*API, "jobs", headers={"X-NBContainer-Api": "1"}))
    assert status == 409
    status, body = await _refused(jp_fetch(*API, "jobs", method="POST", body="{"))
    assert (status, body["error"]["message"]) == (400, "the request is not JSON")


async def test_secrets_of_the_server_stay_there(jp_fetch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = _version(await jp_fetch(*API, "version"))["pid"]
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert [word for word in environment if word.startswith(b"JPY_API_TOKEN")] == []


async def test_a_killed_daemon_is_followed_by_a_new_one(jp_fetch: Any) -> None:
    first = _version(await jp_fetch(*API, "version"))["pid"]
    kill(first)
    answers = await asyncio.gather(*(jp_fetch(*API, "version") for _ in range(5)))
    pids = {_version(answer)["pid"] for answer in answers}
    assert len(pids) == 1
    assert first not in pids
    kill(pids.pop())
    await asyncio.sleep(0.1)
    # What changes something is not asked twice, but nobody heard this one.
    response = await _post(jp_fetch, "jobs", body={"kind": "run", "image": str(SAMPLE), "command": ["true"]})
    assert response.code == 200


async def test_events_as_text(jp_fetch: Any, jp_ws_fetch: Any) -> None:
    socket = await jp_ws_fetch(*API, "events")
    job = json.loads((await _post(jp_fetch, "jobs", body={"kind": "run", "image": "nowhere.sif", "command": []})).body)
    states = []
    while not states or states[-1] == "running":
        message = await asyncio.wait_for(socket.read_message(), 30)
        assert isinstance(message, str)
        event = json.loads(message)
        if event["type"] == "job" and event["job"]["id"] == job["id"]:
            states.append(event["job"]["state"])
    assert states[-1] == "failed"
    kill(_version(await jp_fetch(*API, "version"))["pid"])
    while await asyncio.wait_for(socket.read_message(), 30) is not None:
        pass
    assert socket.close_code == 1012
    # The browser connects again, and that brings the next daemon.
    socket = await jp_ws_fetch(*API, "events")
    await _post(jp_fetch, "jobs", body={"kind": "run", "image": "nowhere.sif", "command": []})
    assert json.loads(await asyncio.wait_for(socket.read_message(), 30))["type"] == "job"
    socket.close()


async def test_a_daemon_that_cannot_start_is_503(
    jp_fetch: Any, jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    extension = jp_serverapp.web_app.settings["nbcontainer"]
    extension.daemon_command = ["sh", "-c", "echo 'FATAL:   no room: the disk is full' >&2; exit 255"]
    status, body = await _refused(jp_fetch(*API, "version"))
    assert (status, body["error"]["message"]) == (503, "no room: the disk is full")
    extension.daemon_command = ["/nowhere/node"]
    status, body = await _refused(jp_fetch(*API, "version"))
    assert (status, body["error"]["code"]) == (503, "internal")
    assert body["error"]["reason"] == "No such file or directory"
    extension.daemon_command = []
    assert (await jp_fetch(*API, "version")).code == 200


async def test_a_place_that_others_may_enter_is_not_used(jp_fetch: Any, jp_serverapp: ServerApp, place: Path) -> None:
    await jp_fetch(*API, "version")
    (place / "nbcontainer").chmod(0o755)
    # The command line mends it.
    await jp_fetch(*API, "version")
    assert (place / "nbcontainer").stat().st_mode & 0o077 == 0
    if os.geteuid() == 0:
        # A stranger's socket at that place gets no request.
        os.chown(place / "nbcontainer" / "daemon.sock", 12345, -1)
        status, body = await _refused(jp_fetch(*API, "version"))
        assert status == 503
        assert "not this user's own" in body["error"]["message"]
        os.chown(place / "nbcontainer" / "daemon.sock", 0, -1)


#: With the base_url of the tests' server.
JOBS = "/a%40b/nbcontainer/api/daemon/jobs"


class TestWhoIsRefused:
    @pytest.fixture
    def browser(
        self, jp_base_url: str, jp_serverapp: ServerApp, http_server_client: Any, jp_asyncio_loop: Any
    ) -> dict[str, str]:
        """Logged in as a browser is: the token once, cookies from then on."""

        async def log_in() -> dict[str, str]:
            cookies: list[str] = []
            for path in (f"api/me?token={jp_serverapp.identity_provider.token}", "login"):
                answer = await http_server_client.fetch(jp_base_url + path, follow_redirects=False, raise_error=False)
                cookies += [word.split(";", 1)[0] for word in answer.headers.get_list("Set-Cookie")]
            return {"Cookie": "; ".join(cookies)}

        headers: dict[str, str] = jp_asyncio_loop.run_until_complete(log_in())
        return headers

    async def test_no_token(self, jp_fetch: Any, jp_ws_fetch: Any, place: Path) -> None:
        wrong = {"Authorization": "token wrong"}
        for method, path in (("GET", "version"), ("GET", "jobs"), ("POST", "jobs"), ("DELETE", "jobs/x")):
            body = "{}" if method == "POST" else None
            assert (await _refused(jp_fetch(*API, *path.split("/"), method=method, body=body, headers=wrong)))[0] == 403
        for path in ("events", "shells/x/socket"):
            assert (await _refused(jp_ws_fetch(*API, *path.split("/"), headers=wrong)))[0] == 403
        # Nobody was asked: no daemon was started for them.
        assert not (place / "nbcontainer").exists()

    async def test_wrong_origin(self, browser: dict[str, str], http_server_client: Any, jp_http_port: int) -> None:
        # Another site's page has the cookies too, but not the token: with the token, Jupyter does not look at Origin.
        address = f"ws://127.0.0.1:{jp_http_port}/a%40b/nbcontainer/api/daemon"
        own, other = ({**browser, "Origin": f"http://{host}"} for host in (f"127.0.0.1:{jp_http_port}", "evil.example"))
        socket = await websocket_connect(HTTPRequest(f"{address}/events", headers=own))
        socket.close()
        for path in ("events", "shells/x/socket"):
            assert (await _refused(websocket_connect(HTTPRequest(f"{address}/{path}", headers=other))))[0] == 403
        assert (await _refused(http_server_client.fetch(JOBS, headers=other)))[0] == 404

    async def test_a_write_with_cookies_needs_the_xsrf_token(
        self, browser: dict[str, str], http_server_client: Any
    ) -> None:
        job = json.dumps({"kind": "run", "image": "nowhere.sif", "command": []})
        status, body = await _refused(http_server_client.fetch(JOBS, method="POST", body=job, headers=browser))
        assert status == 403
        assert "_xsrf" in json.dumps(body)
        token = re.findall("_xsrf=([^;]+)", browser["Cookie"])[0]
        headers = {**browser, "X-XSRFToken": token}
        assert (await http_server_client.fetch(JOBS, method="POST", body=job, headers=headers)).code == 200

    async def test_an_authorizer_is_asked(
        self, jp_fetch: Any, jp_ws_fetch: Any, jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def refuse(_handler: Any, _user: Any, action: str, resource: str) -> bool:
            asked.append((action, resource))
            return False

        monkeypatch.setattr(jp_serverapp.authorizer, "is_authorized", refuse)
        assert (await _refused(jp_fetch(*API, "jobs")))[0] == 403
        assert (await _refused(_post(jp_fetch, "jobs", body={})))[0] == 403
        assert (await _refused(jp_fetch(*API, "jobs", "x", method="DELETE")))[0] == 403
        assert (await _refused(jp_ws_fetch(*API, "events")))[0] == 403
        assert (await _refused(jp_ws_fetch(*API, "shells", "x", "socket")))[0] == 403
        assert asked == [(action, "nbcontainer") for action in ("read", "write", "write", "read", "execute")]


SHELLS_OFF = [{"ServerApp": {"terminals_enabled": False}}, {"NBContainer": {"enabled_shells": False}}]


class TestAdmin:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
        for name, values in request.param.items():
            jp_server_config.setdefault(name, {}).update(values)
        return jp_server_config

    @pytest.mark.parametrize("jp_server_config", SHELLS_OFF, indirect=True)
    async def test_no_shells_but_jobs(self, jp_fetch: Any, jp_ws_fetch: Any) -> None:
        assert json.loads((await jp_fetch("nbcontainer", "api", "version")).body)["shells"] is False
        status, body = await _refused(_post(jp_fetch, "shells", body={"image": str(SAMPLE)}))
        assert status == 403
        assert body["error"]["message"] == "shells in containers are switched off on this server"
        assert (await _refused(jp_ws_fetch(*API, "shells", "x", "socket")))[0] == 403
        job = await _post(jp_fetch, "jobs", body={"kind": "run", "image": str(SAMPLE), "command": ["echo", "still"]})
        assert "still" in await _log_of(jp_fetch, json.loads(job.body))

    @pytest.mark.parametrize(
        "jp_server_config", [{"NBContainer": {"allowed_registries": ["ghcr.io/lab/*"]}}], indirect=True
    )
    async def test_only_some_registries(self, jp_fetch: Any) -> None:
        for body in (
            {"kind": "pull", "source": "docker://alpine"},
            {"kind": "run", "image": "docker://ghcr.io/other/x", "command": []},
        ):
            status, answer = await _refused(_post(jp_fetch, "jobs", body=body))
            assert (status, answer["error"]["code"]) == (403, "refused")
        # Nothing began.
        assert json.loads((await jp_fetch(*API, "jobs")).body) == {"jobs": []}
        job = await _post(jp_fetch, "jobs", body={"kind": "run", "image": str(SAMPLE), "command": ["echo", "local"]})
        assert "local" in await _log_of(jp_fetch, json.loads(job.body))

    @pytest.mark.parametrize("jp_server_config", [{"NBContainer": {"daemon_idle": 1}}], indirect=True)
    async def test_the_daemon_ends_when_idle(self, jp_fetch: Any) -> None:
        pid = json.loads((await jp_fetch(*API, "version")).body)["pid"]
        assert until_gone([pid], 10) == []


async def test_what_runs_is_activity_and_looking_is_not(jp_fetch: Any, jp_serverapp: ServerApp, place: Path) -> None:
    settings = jp_serverapp.web_app.settings
    watch = ActivityWatch(settings["nbcontainer"].daemon, settings)
    await watch.look()
    assert list((place / "nbcontainer").glob("daemon.sock")) == []
    await jp_fetch(*API, "version")
    await watch.look()
    assert LAST_ACTIVITY not in settings
    assert "api_last_activity" not in settings
    command = ["sleep", "100"]
    job = await _post(jp_fetch, "jobs", body={"kind": "run", "image": str(SAMPLE), "command": command})
    await watch.look()
    first = settings[LAST_ACTIVITY]
    assert jp_serverapp.web_app.last_activity() >= first
    await watch.look()
    assert settings[LAST_ACTIVITY] > first
    await jp_fetch(*API, "jobs", json.loads(job.body)["id"], method="DELETE")
    ended = settings[LAST_ACTIVITY]
    await watch.look()
    assert settings[LAST_ACTIVITY] == ended


def test_the_api_is_that_of_the_daemon() -> None:
    source = (ROOT / "lib-runtime" / "api" / "routes.ts").read_text()
    assert re.findall(r"^export const API_VERSION = (\d+);$", source, re.MULTILINE) == [str(API_VERSION)]


class TestShell:
    """A terminal in a container, all the way from a window to `id`."""

    @staticmethod
    async def _until(socket: Any, text: bytes) -> bytes:
        """Reads until a text is seen, acknowledging as a terminal does."""
        seen = b""
        while text not in seen:
            message = await asyncio.wait_for(socket.read_message(), 30)
            assert isinstance(message, bytes), f"the shell ended after {seen!r}"
            if message[0] in (0, 3):
                seen += message[1:] if message[0] == 0 else message[5:]
            if message[0] == 0:
                await socket.write_message(b"\1" + (len(message) - 1).to_bytes(4, "big"), binary=True)
        return seen

    async def test_answers_and_is_still_there_after_a_reload(self, jp_fetch: Any, jp_ws_fetch: Any) -> None:
        shell = json.loads((await _post(jp_fetch, "shells", body={"image": str(SAMPLE), "cols": 80, "rows": 24})).body)
        path = (*API, "shells", shell["id"], "socket")
        socket = await jp_ws_fetch(*path)
        await socket.write_message(b"\2" + (80).to_bytes(2, "big") + (24).to_bytes(2, "big"), binary=True)
        await socket.write_message(b"\0echo made=$SAMPLE\r", binary=True)
        await self._until(socket, b"made=made from Debian packages")
        socket.close()
        # Another window of the same shell: its screen comes first.
        socket = await jp_ws_fetch(*path)
        await socket.write_message(b"\2" + (80).to_bytes(2, "big") + (24).to_bytes(2, "big"), binary=True)
        await self._until(socket, b"made=made from Debian packages")
        await jp_fetch(*API, "shells", shell["id"], method="DELETE")
        while await asyncio.wait_for(socket.read_message(), 30) is not None:
            pass
        gone = await jp_ws_fetch(*API, "shells", "nobody", "socket")
        assert await asyncio.wait_for(gone.read_message(), 30) is None
        assert gone.close_code == 4404

    async def test_a_flood_at_a_window_that_does_not_read(self, jp_fetch: Any, jp_ws_fetch: Any) -> None:
        body = {"image": str(SAMPLE), "command": ["yes", "0123456789" * 8]}
        shell = json.loads((await _post(jp_fetch, "shells", body=body)).body)
        pid = _version(await jp_fetch(*API, "version"))["pid"]
        socket = await jp_ws_fetch(*API, "shells", shell["id"], "socket")
        await socket.write_message(b"\2" + (80).to_bytes(2, "big") + (24).to_bytes(2, "big"), binary=True)
        await self._until(socket, b"0123456789")
        before = [resident(one) for one in ("self", pid)]
        # Nothing is read and nothing acknowledged: `yes` could write some 100 MB in this time.
        await asyncio.sleep(2)
        grown = [resident(one) - was for one, was in zip(("self", pid), before, strict=True)]
        assert max(grown) < 30 << 20
        await jp_fetch(*API, "shells", shell["id"], method="DELETE")
        socket.close()
