"""survbench: compares survival models on 3-D medical images under one protocol."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    # not a constant: this file runs in every job, and a new version alone must not make all results stale
    if name == "__version__":
        from importlib.metadata import version

        return version("survbench")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
