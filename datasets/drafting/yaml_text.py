"""Texts as YAML that means them."""

from __future__ import annotations

from collections.abc import Sequence

import yaml


def flow(values: Sequence[str]) -> str:
    """Return texts as a YAML list in one line."""
    return "[" + ", ".join(quoted(v) for v in values) + "]"


def quoted(text: str) -> str:
    """Return text as a YAML string that means itself; a number as code or level stays text."""
    return yaml.safe_dump(text, default_style='"', width=10_000, allow_unicode=True).strip()


def quoted_key(name: str) -> str:
    """Return a clinical name, quoted where YAML would read something else, as ``no`` or ``1``."""
    return name if isinstance(yaml.safe_load(name), str) else quoted(name)
