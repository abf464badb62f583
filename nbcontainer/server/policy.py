# SPDX-License-Identifier: BSD-3-Clause
"""What an admin permits, as a pure function of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

_HUB = "docker.io"
_HUB_ALIASES = ("index.docker.io", "registry-1.docker.io")
#: Of a request that starts something: the keys that name an image.
_IMAGE_KEYS = ("source", "image")

#: An address that every reader splits alike: no user, no backslash, nothing that climbs up or is written in hex.
_PLAIN_ADDRESS = re.compile(
    r"//([A-Za-z0-9.-]+(?::[0-9]+)?)(?!.*/\.\.?(?:[/?]|$))/([A-Za-z0-9._~:@+=,/-]*)(?:\?[!-~]*)?"
)

SHELLS_OFF = "shells in containers are switched off on this server"


def registry_name(image: str) -> str | None:
    """``docker.io/library/alpine`` for ``docker://alpine:3``, as lib-runtime/registry/reference.ts reads it.

    Host and path for an address of the web. None for what lies on this machine; for a scheme that is not known here,
    all of the text.
    """
    match = re.match(r"([A-Za-z][A-Za-z0-9+-]*):(.*)", image, re.DOTALL)
    scheme, rest = (match[1].lower(), match[2]) if match else ("", image)
    if scheme in ("docker", "oras") and rest.startswith("//"):
        name = rest[2:].split("@", 1)[0]
        head, slash, path = name.partition("/")
        if not (slash and (re.search("[.:]", head) or head == "localhost" or head != head.lower())):
            head, path = _HUB, name
        if head in _HUB_ALIASES:
            head = _HUB
        path = path.split(":", 1)[0]
        return f"{head}/library/{path}" if head == _HUB and "/" not in path else f"{head}/{path}"
    if scheme in ("http", "https"):
        address = _PLAIN_ADDRESS.fullmatch(rest)
        return f"{address[1].lower()}/{address[2]}" if address else image
    if scheme in ("oci", "oci-archive", "docker-archive", "file") or not rest.startswith("//"):
        return None
    return image


def is_allowed(image: str, allowed: Sequence[str]) -> bool:
    """Whether a pattern names the registry (``*.example.org``) or registry and path (``ghcr.io/org/*``)."""
    name = registry_name(image)
    if name is None or not allowed:
        return True
    registry, _slash, path = name.partition("/")

    def fits(pattern: str) -> bool:
        # In two parts: a star that stands for hosts must not reach into the path.
        host, slash, rest = pattern.partition("/")
        return fnmatchcase(registry, host) and (not slash or fnmatchcase(path, rest))

    return any(map(fits, allowed))


def refusal(method: str, path: str, body: Any, *, shells: bool, allowed: Sequence[str]) -> dict[str, Any] | None:
    """Why a request to the daemon is not passed on, in the shape of the daemon's errors; None for one that is."""
    if not shells and path.split("/")[1:2] == ["shells"] and method != "GET":
        return _refused(SHELLS_OFF, "its administrator does not permit terminals", "Run a command as a job instead")
    if method != "POST" or not isinstance(body, dict):
        return None
    for key in _IMAGE_KEYS:
        image = body.get(key)
        if isinstance(image, str) and not is_allowed(image, allowed):
            return _refused(
                f"images from {(registry_name(image) or image).partition('/')[0]} are not permitted on this server",
                f"its administrator permits {', '.join(allowed)}",
                "Use an image from there, or ask the administrator (c.NBContainer.allowed_registries)",
            )
    return None


def parse_body(body: bytes) -> Any:
    """Raises ValueError for what is no JSON (NaN is none either)."""

    def no_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    return json.loads(body, parse_constant=no_constant) if body else None


def _refused(message: str, reason: str, fix: str) -> dict[str, Any]:
    return {"error": {"code": "refused", "step": "server", "message": message, "reason": reason, "fix": fix}}
