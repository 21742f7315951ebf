"""What stands around the patients of an exported table: a second line of names, and notes below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from survbench.io.numerals import is_numeral, mostly_numerals
from survbench.io.text_records import Note, Record

_FOOTNOTE = re.compile(
    r"[*\u2020\u2021#(]|(note|source|legend|anmerkung|quelle|nota|remarque|fonte|fuente)\b", re.IGNORECASE
)
_SUMMARY = re.compile(
    "total|sum|mean|median|average|n|sd|summe|gesamt|mittelwert|moyenne|somme|suma|media|totale|totaal|gemiddelde"
)

_MOST_FOOTNOTES = 30


def without_footnotes(records: Sequence[Record], width: int) -> tuple[list[Record], list[Note]]:
    """Return the records without footnotes and sums at the end of the file, and a note that names them.

    Args:
        records: below the names of columns.
        width: number of the columns.
    """
    kept = list(records)
    removed: list[Record] = []
    while len(kept) > 1 and len(removed) < _MOST_FOOTNOTES and _is_footnote(kept[-1], kept[:-1], width):
        removed.append(kept.pop())
    if not removed:
        return kept, []
    lines = ", ".join(str(line) for line, _ in reversed(removed))
    what = "Lines below the patients were passed over as footnotes."
    return kept, [Note(what, f"line {lines} ({removed[-1][1][0]!r})")]


def _is_footnote(record: Record, others: Sequence[Record], width: int) -> bool:
    """A footnote fills the first cell alone, with words unlike the other ids; a sum is called so in the first cell."""
    cells = record[1]
    if width < 2 or not cells[0]:
        return False
    if _SUMMARY.fullmatch(cells[0].casefold().rstrip(":")):
        return True
    if _more_than_first(cells):
        return False
    if _FOOTNOTE.match(cells[0]):
        return True
    spaced = any(re.search(r"\s", other[0]) for _, other in others if _more_than_first(other))
    return not spaced and bool(re.search(r"\s", cells[0]))


def _more_than_first(cells: Sequence[str]) -> bool:
    return any(islice(cells, 1, None))


def label_row(header: Sequence[str], body: Sequence[Record]) -> dict[str, str]:
    """Return the cells of a second line of names (units or descriptions) by column, or nothing where there is none.

    It is one where columns of numbers hold words in it and none holds a number, and where its first cell is blank or
    unlike an id: without a digit, while all others have one.

    Args:
        header: names of the columns.
        body: the records below them, each as long as the header.
    """
    if len(body) < 3:
        return {}
    (_, first), *rest = body
    words = False
    for n, name in enumerate(header):
        if name and first[n] and mostly_numerals(_column(rest, n)):
            if re.fullmatch(r"[+-]?\d+([.,]\d+)?", first[n]):
                return {}
            words = True
    if not words:
        return {}
    start = next(n for n, name in enumerate(header) if name)
    if not _unlike_ids(first[start], _column(rest, start)):
        return {}
    return {name: first[n] for n, name in enumerate(header) if name and first[n]}


def groups_above(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return what stands above names of columns in merged cells, each with the first name below it; the first whose
    names are there more than once comes first. Nothing where there is one line of names.

    There are two where cells of the first line are blank to the right of a group and have a name in the second, which
    is unlike a patient: it holds no number, but words above numbers, and its first cell is blank or unlike an id.

    Args:
        records: from the first line of names on.
    """
    if len(records) < 3:
        return []
    width = max(len(cells) for _, cells in records)
    above, names = ([*cells, *[""] * (width - len(cells))] for _, cells in records[:2])
    groups = [(above[n - 1], names[n - 1]) for n in range(1, width) if above[n - 1] and names[n] and not above[n]]
    body = records[2:]
    if not groups or any(map(is_numeral, [*above, *names])) or not _unlike_ids(names[0], _column(body, 0)):
        return []
    words_above_numbers = any(name and mostly_numerals(_column(body, n)) for n, name in enumerate(names))
    return sorted(groups, key=lambda group: names.count(group[1]) == 1) if words_above_numbers else []


def _column(records: Sequence[Record], n: int) -> list[str]:
    """Return the cells of a column; records that are too short have none there."""
    return [cells[n] for _, cells in records if n < len(cells)]


def _unlike_ids(cell: str, ids: Sequence[str]) -> bool:
    """Whether a cell is blank, or has no digit where all ids have one."""
    return not cell or (not re.search(r"\d", cell) and all(re.search(r"\d", other) for other in ids if other))
