"""Which code of a column of events means the event: as the user says, else by its name and its words, or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from survbench.datasets.vocabulary.events import Coding, coding
from survbench.datasets.vocabulary.words import is_sentinel, means_missing
from survbench.errors import BenchError
from survbench.io.tables import canonical, number

SHOWN = 5


def event_codes(column: str, cells: Sequence[str], code: str | None = None) -> Coding:
    """Return what the codes of a column mean; see :func:`~survbench.datasets.vocabulary.events.coding`.

    Args:
        column: the column's name.
        cells: its cells, none blank.
        code: what the user says is the event; all other codes are then censored, unless one of several means missing.

    Raises:
        BenchError: the codes do not say which is the event, ``code`` does not occur, or another means missing.
    """
    counts = Counter(cells)
    if code is not None:
        observed = tuple(cell for cell in counts if canonical(cell) == canonical(code))
        if not observed:
            raise BenchError(
                f"No cell of column {column!r} is {code!r} (--event-code). Its values are {_values(counts)}."
            )
        censored = tuple(cell for cell in counts if cell not in observed)
        unknown = [cell for cell in censored if _is_unknown(cell)]
        if unknown and len(counts) > 2:
            raise BenchError(
                f"Column {column!r} holds {_listed(unknown)} beside {code!r} (its values are {_values(counts)}): a "
                "usual code for missing, which is not censored. Leave these patients out, or recode the column to 0 "
                "(censored) and 1 (event)."
            )
        others = f"; {_listed(censored)} are all taken for censored" if len(censored) > 1 else ""
        return Coding(observed, censored, f"as --event-code says{others}")
    found = coding(column, cells, None)
    if not found.clear:
        raise BenchError(
            f"Column {column!r}: {found.reason} (its values are {_values(counts)}). "
            "Recode it to 0 (censored) and 1 (event), or name the code of the event with --event-code."
        )
    observed, censored = (tuple(c for c in side if c in counts) for side in (found.observed, found.censored))
    return Coding(observed, censored, found.reason)


def _is_unknown(cell: str) -> bool:
    value = number(cell)
    return means_missing(cell) or (value is not None and is_sentinel(value, among_codes=True))


def _listed(cells: Sequence[str]) -> str:
    return ", ".join(map(repr, cells[:SHOWN]))


def _values(counts: Counter[str]) -> str:
    listed = ", ".join(f"{cell!r} ({n})" for cell, n in counts.most_common(SHOWN))
    return f"{listed}{', ...' if len(counts) > SHOWN else ''}"
