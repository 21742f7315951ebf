"""Small tables of which a card is drafted."""

from __future__ import annotations

from pathlib import Path

import yaml
from survbench.datasets.drafting.draft import Draft, draft_card

N = 24
IDS = [f"P{n:03d}" for n in range(N)]
DAYS = [37 + (n * 397) % 2100 for n in range(N)]
MONTHS = [f"{days / 30.44:.1f}" for days in DAYS]
EVENTS = [int((n * 7) % 5 < 3) for n in range(N)]
AGES = [40 + (n * 11) % 39 for n in range(N)]


def coded(event, censored):
    """Return ``EVENTS`` in other codes."""
    return [event if e else censored for e in EVENTS]


def table(separator=",", **columns) -> str:
    """Return a table as text."""
    rows = [separator.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join([separator.join(columns), *rows]) + "\n"


def draft(folder: Path, text: str) -> Draft:
    """Draft the card of a folder that holds a table alone."""
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return draft_card(folder, folder / "t.csv")


def endpoint(drafted: Draft) -> dict[str, object]:
    """Return the endpoint of a drafted card, which may have TODO."""
    return yaml.safe_load(drafted.text)["endpoint"]
