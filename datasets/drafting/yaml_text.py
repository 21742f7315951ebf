"""Text quoted so that YAML reads it back unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import yaml


def flow(values: Sequence[str]) -> str:
    """Return texts as a YAML list on one line."""
    return "[" + ", ".join(quoted(v) for v in values) + "]"


def quoted(text: str) -> str:
    """Return text as a YAML string that reads back unchanged; a code or level that looks like a number stays text."""
    return yaml.safe_dump(text, default_style='"', width=10_000, allow_unicode=True).strip()


def quoted_key(name: str) -> str:
    """Return a clinical name, quoted if YAML would read it as something else, such as ``no`` or ``1``."""
    return name if isinstance(yaml.safe_load(name), str) else quoted(name)
