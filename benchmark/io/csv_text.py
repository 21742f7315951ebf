"""The one form of every CSV file that is written: a spreadsheet that opens it computes nothing."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from survbench.io import files

_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the start of a formula, also in full width."""
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+([eE][+-]?[0-9]+)?%?|[^\w]{1,2}")
"""A number, or a sign or two such as ``+`` and ``--``: a spreadsheet shows them, and software reads them."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]], *, rounded: bool = True) -> str:
    r"""Return rows as CSV: None as nothing, text on one line and without formulas, lines that end in ``\n``.

    Args:
        header: the names of the columns.
        rows: their cells.
        rounded: whether numbers have six significant digits, as beside a board, or all of them.

    >>> csv_text(("name", "value"), [("=A1", 2 / 3), ("b", None)])
    "name,value\n'=A1,0.666667\nb,\n"
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    cells = files.rounded if rounded else list
    writer.writerows([_harmless(value) for value in cells(list(row))] for row in (header, *rows))
    return stream.getvalue()


def _harmless(value: Any) -> Any:
    """Return text on one line, with an apostrophe before what a spreadsheet takes for a formula; others as they are."""
    if not isinstance(value, str):
        return value
    one_line = " ".join(value.split())
    # a spreadsheet passes over invisible characters, and reads full-width ones as the others
    plain = "".join(c for c in unicodedata.normalize("NFKC", one_line) if unicodedata.category(c)[0] != "C").lstrip()
    return f"'{one_line}" if plain.startswith(_FORMULA) and not _NUMBER.fullmatch(plain) else one_line
