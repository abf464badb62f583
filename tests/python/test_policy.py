# SPDX-License-Identifier: BSD-3-Clause
"""What an admin permits."""

from __future__ import annotations

from typing import Any

import pytest

from nbcontainer.server.policy import is_allowed, parse_body, refusal, registry_name


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("docker://alpine", "docker.io/library/alpine"),
        ("docker://alpine:3.20@sha256:00", "docker.io/library/alpine"),
        ("DOCKER://org/name", "docker.io/org/name"),
        ("docker://index.docker.io/alpine", "docker.io/library/alpine"),
        ("docker://registry-1.docker.io/a/b", "docker.io/a/b"),
        ("docker://ghcr.io/org/name:1", "ghcr.io/org/name"),
        ("docker://localhost/x", "localhost/x"),
        ("docker://localhost:5000/x:y", "localhost:5000/x"),
        ("docker://Host/x", "Host/x"),
        ("oras://ghcr.io/a/b:1", "ghcr.io/a/b"),
        ("library://a/b", "library://a/b"),
        ("https://x.test/a.sif", "x.test/a.sif"),
        ("HTTPS://X.test:8443/a/bwa:1--h5?download=1", "x.test:8443/a/bwa:1--h5"),
        ("https://x.test@evil.test/a.sif", "https://x.test@evil.test/a.sif"),
        ("https://x.test/a/../b.sif", "https://x.test/a/../b.sif"),
        ("https://x.test/a/%2e%2e/b.sif", "https://x.test/a/%2e%2e/b.sif"),
        ("https://x.test/../b.sif", "https://x.test/../b.sif"),
        ("https://x.test/a/.?b", "https://x.test/a/.?b"),
        ("https:\\\\x.test/a", "https:\\\\x.test/a"),
        ("/srv/a.sif", None),
        ("./docker://x", None),
        ("alpine", None),
        ("alpine:3.20", None),
        ("oci:dir:tag", None),
        ("file:///a.sif", None),
    ],
)
def test_registry_name(image: str, name: str | None) -> None:
    assert registry_name(image) == name


@pytest.mark.parametrize(
    ("image", "allowed", "permitted"),
    [
        ("docker://alpine", [], True),
        ("docker://alpine", ["docker.io"], True),
        ("docker://alpine", ["docker.io/library/*"], True),
        ("docker://someone/alpine", ["docker.io/library/*"], False),
        ("docker://ghcr.io/lab/x", ["ghcr.io/lab/*"], True),
        ("docker://ghcr.io/lab2/x", ["ghcr.io/lab/*"], False),
        ("docker://ghcr.io.evil.test/lab/x", ["ghcr.io", "ghcr.io/*"], False),
        ("docker://a.example.org/x", ["*.example.org"], True),
        ("docker://evil.test/a.example.org", ["*.example.org"], False),
        ("https://x.test/a.sif", ["docker.io"], False),
        ("https://x.test/a.sif", ["x.test"], True),
        ("https://x.test/lab/a.sif", ["x.test/lab/*"], True),
        ("https://x.test/lab/../a.sif", ["x.test", "x.test/lab/*", "*.test"], False),
        ("https://evil.test\\@x.test/a.sif", ["x.test", "*.test"], False),
        ("https://x.test:x@evil.test/a.sif", ["x.test", "x.test:*"], False),
        ("mine.sif", ["docker.io"], True),
    ],
)
def test_is_allowed(image: str, allowed: list[str], permitted: bool) -> None:
    assert is_allowed(image, allowed) is permitted


@pytest.mark.parametrize(
    ("method", "path", "body", "refused"),
    [
        ("POST", "/jobs", {"kind": "pull", "source": "docker://quay.io/x"}, True),
        ("POST", "/jobs", {"kind": "run", "image": "docker://quay.io/x"}, True),
        ("POST", "/shells", {"image": "docker://quay.io/x"}, True),
        ("POST", "/shells", {"image": "x.sif"}, True),
        ("PATCH", "/shells/a", {"name": "x"}, True),
        ("GET", "/shells", None, False),
        ("POST", "/jobs", {"kind": "run", "image": "x.sif"}, False),
        ("POST", "/jobs", ["docker://quay.io/x"], False),
        ("DELETE", "/jobs/a", None, False),
    ],
)
def test_refusal(method: str, path: str, body: Any, refused: bool) -> None:
    answer = refusal(method, path, body, shells=False, allowed=["ghcr.io"])
    assert (answer is not None) is refused
    if answer is not None:
        assert answer["error"]["code"] == "refused"


@pytest.mark.parametrize("text", [b"{", b'{"a": NaN}', b"\xff"])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_body(text)
