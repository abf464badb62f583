# SPDX-License-Identifier: BSD-3-Clause
"""nbcontainer: any SIF or Docker image in any notebook.

Kept light: the command line imports this package before it hands over to Node.js.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import: type checkers know the name
if TYPE_CHECKING:
    from typing import Any

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["__version__", "load_ipython_extension"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("nbcontainer")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """``%load_ext nbcontainer``: registers ``%container`` and ``%%container``."""
    from .magics import ContainerMagics

    ipython.register_magics(ContainerMagics)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """``%unload_ext nbcontainer``."""
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("container", None)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "nbcontainer"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "nbcontainer.serverextension"}]
