"""Numbers as spreadsheets export them: decimal commas and separators of thousands, decided a column at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TIDY = str.maketrans({"\u2212": "-", "\u2019": "'"})
_NUMERAL = re.compile(r"[+-]?[\d.,' ]*\d[.,]?(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile(r"[+-]?\d+", re.ASCII)
_CERTAIN = {
    mark: re.compile(
        rf"[+-]?(\d*{re.escape(mark)}\d+(e[+-]?\d+)?"
        rf"|\d{{1,3}}({re.escape(other)}\d{{3}})+{re.escape(mark)}\d+"
        rf"|\d{{1,3}}({re.escape(other)}\d{{3}}){{2,}})",
        re.IGNORECASE | re.ASCII,
    )
    for mark, other in ((".", ","), (",", "."))
}
_UNDECIDED = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}", re.ASCII) for mark in (".", ",")}
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_GROUPED = {
    mark: re.compile(rf"[+-]?\d{{1,3}}({re.escape(other)}\d{{3}})+({re.escape(mark)}\d+)?")
    for mark, other in ((".", ","), (",", "."))
}
_SPACED = re.compile(r"[+-]?\d{1,3}([ ']\d{3})+([.,]\d+)?", re.ASCII)


def decimal_mark(cells: Sequence[str]) -> str:
    """Return the decimal mark that the cells of a column prove: ``"."``, ``","``, both, or ``""`` for none.

    ``12,5`` proves a comma, and so does ``1.234.567``; ``1,234`` proves nothing.

    >>> decimal_mark(["12,5", "7"]), decimal_mark(["1,234", "147"]), decimal_mark(["1,234", "147.5"])
    (',', '', '.')
    """
    return "".join(mark for mark in ".," if any(_proves(cell.translate(_TIDY), mark) for cell in cells))


def _proves(cell: str, mark: str) -> bool:
    if mark not in cell and cell.count("," if mark == "." else ".") < 2:
        return False
    return _UNDECIDED[mark].fullmatch(cell) is None and _CERTAIN[mark].fullmatch(cell) is not None


def may_be_unsettled(cells: Sequence[str]) -> bool:
    """Return whether a column may need a look: it has other marks than a decimal point, or its points prove nothing."""
    text = "\n".join(cells)
    if any(mark in text for mark in ",' \u2019\u2212"):
        return True
    return "." in text and not any(_proves(cell, ".") for cell in cells)


def is_numeral(cell: str) -> bool:
    """Return whether a cell is written in digits, in whatever convention."""
    return _NUMERAL.fullmatch(cell.translate(_TIDY)) is not None


def mostly_numerals(cells: Sequence[str]) -> bool:
    """Return whether more than half of the cells that are not empty are written in digits, in whatever convention."""
    filled = [cell for cell in cells if cell]
    return 2 * sum(map(is_numeral, filled)) > len(filled)


def ambiguous(cells: Sequence[str], *, commas_elsewhere: bool) -> list[str]:
    """Return the cells such as ``1.234`` that may mean 1234 or 1.234.

    They do where nothing in the column proves a decimal point, and whole numbers below 1000 stand beside them or other
    columns of the file have decimal commas.
    """
    dotted = [cell for cell in cells if _UNDECIDED["."].fullmatch(cell)]
    if not dotted or decimal_mark(cells):
        return []
    whole = [abs(int(cell)) for cell in cells if _PLAIN.fullmatch(cell)]
    return dotted if commas_elsewhere or (whole and max(whole) < 1000) else []


def with_decimal_points(cells: Sequence[str], *, comma: bool, thousands: bool = False) -> list[str]:
    """Return a column's cells as ``1234.5``, where its convention is certain; other cells stay what they are.

    Args:
        cells: a column, mostly of numerals.
        comma: whether a comma may be the decimal mark of this column where it proves nothing itself.
        thousands: whether ``1,234`` is 1234 where all numbers beside it are whole, and below 1000 without a comma.

    >>> with_decimal_points(["12,5", "1.234,5"], comma=True)
    ['12.5', '1234.5']
    >>> with_decimal_points(["1,234", "147"], comma=False)
    ['1,234', '147']
    >>> with_decimal_points(["1,234", "147"], comma=False, thousands=True)
    ['1234', '147']
    """
    if thousands and _in_thousands(cells):
        return [cell.replace(",", "") for cell in cells]
    mark = decimal_mark(cells) or ("," if comma else "")
    if len(mark) > 1 or (mark == "," and not comma):
        return list(cells)
    tidy = [cell.translate(_TIDY) for cell in cells]
    numerals = {cell for cell in tidy if _NUMERAL.fullmatch(cell)}
    spaced = any(_SPACED.fullmatch(c) for c in numerals) and not all(_SPACED.fullmatch(c) for c in numerals)
    return [_plain(new, mark, spaced=spaced) if new in numerals else old for old, new in zip(cells, tidy, strict=True)]


def _in_thousands(cells: Sequence[str]) -> bool:
    """Whether some numbers have commas, all before three digits, and the others, of which there are, are whole and
    below 1000.
    """
    numerals = [cell for cell in cells if is_numeral(cell)]
    plain = [cell for cell in numerals if not _THOUSANDS.fullmatch(cell)]
    below = all(_PLAIN.fullmatch(cell) and abs(int(cell)) < 1000 for cell in plain)
    return 0 < len(plain) < len(numerals) and below


def _plain(cell: str, mark: str, *, spaced: bool) -> str:
    if spaced and _SPACED.fullmatch(cell):
        cell = cell.replace(" ", "").replace("'", "")
    if not mark:
        return cell
    other = "," if mark == "." else "."
    if _GROUPED[mark].fullmatch(cell):
        cell = cell.replace(other, "")
    return cell.replace(mark, ".") if cell.count(mark) == 1 and other not in cell else cell
