"""survbench: compares survival models on 3-D medical images under one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from survbench.exports import *  # noqa: F403

    __version__: str
else:

    def __getattr__(name: str) -> object:
        # This file runs in every job and is in every job's key. What it offers is therefore listed elsewhere and loaded
        # on demand by name, which no key follows; and the version is not a constant, or a new one would make all
        # results stale.
        from importlib import import_module

        if name == "__version__":
            return import_module("importlib.metadata").version("survbench")
        if not name.startswith("_"):
            exports = import_module("survbench.exports")
            if name in exports.__all__:
                return getattr(exports, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        from importlib import import_module

        return sorted({*globals(), *import_module("survbench.exports").__all__})
