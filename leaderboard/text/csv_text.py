"""The common form of all CSV files of a board."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from survbench.io.files import rounded

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Characters that start a formula in a spreadsheet; the last four are full-width forms."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Return rows as CSV: numbers with six significant digits, None as an empty cell, lines that end in ``\n``.

    >>> csv_text(("name", "value"), [("=A1", 2 / 3), ("b", None)])
    "name,value\n'=A1,0.666667\nb,\n"
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_harmless(value) for value in rounded(list(row))] for row in (header, *rows))
    return stream.getvalue()


def _harmless(value: Any) -> Any:
    """Return text on one line, with an apostrophe if a spreadsheet would read a formula; other values as they are."""
    if not isinstance(value, str):
        return value
    one_line = " ".join(value.split())
    return f"'{one_line}" if one_line.startswith(FORMULA) else one_line
