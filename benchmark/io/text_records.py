"""Records of a text file as hospitals and spreadsheets export them: encodings, separators, lines before the names."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from survbench.errors import BenchError
from survbench.io.cells import PackedCells
from survbench.io.numerals import is_numeral

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_WESTERN = frozenset("äöüÄÖÜßéèêëÉÈÊËàâáåæãÀÂÁÅÆÃçÇîïìíÎÏÌÍñÑôòóøõœÔÒÓØÕŒùûúÙÛÚÿ€°µ²³±·–—‘’“”„…«»¿¡½¼×§ºª\xa0")
"""What cp1252 makes of the bytes that Western European exports hold; other letters speak for another encoding."""
_OF_POLISH = re.compile(r"[^\W\d_][³¿¹](?=[^\W\d_])|[a-zà-ÿ]{3,}³|(?<!\w)³(?=[^\W\d_])|¿(?![^\n]*\?)")
"""What cp1252 makes of Polish letters of cp1250: marks inside words, where no unit (cm³) and no question has them."""
_NO_TEXT = (
    (b"PK\x03\x04", "an Excel or OpenDocument workbook (or another zip archive)", "Name it .xlsx or save the sheet"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "Open it in Excel and save the sheet"),
    (b"$FL2", "an SPSS file (.sav)", "Open it in SPSS and export the data"),
    (b"$FL3", "an SPSS file (.sav)", "Open it in SPSS and export the data"),
    (b"%PDF", "a PDF", "Export the table"),
    (b"PAR1", "a Parquet file", "Name it .parquet or export the table"),
)
"""How files begin that are not text, what they are, and what to do."""
_HTML = re.compile(rb"\s*<(!doctype html|html|table|meta|\?xml)\b", re.IGNORECASE)
_SPACES = str.maketrans(dict.fromkeys("\xa0\u202f\u2007\u2009", " ") | dict.fromkeys("\ufeff\u200b"))
MOST_LINES = 250_000
LONGEST_LINE = 2**22
"""What is read of a table at most, unpacked: some megabytes may unpack to gigabytes of blank lines, or to one line."""
_PIECE = 2**20
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_LOOKED_AT = 6
"""Lines at the start of a file that a title and the names of columns take at most."""
_BYTES_OF_ANY, _CELLS_OF_ANY = 2**26, 10_000_000
_BYTES_OF_LARGE, _CELLS_OF_LARGE = 2**29, 2**25
_MOST_RATIO, _BYTES_PER_CELL = 10, 2


@dataclass(frozen=True, slots=True)
class Room:
    """How much is read of a table, unpacked, in proportion to its file: in memory, a cell takes four bytes beside its
    text, nine more where it is a feature, and a record some 150.

    A table of 64 MiB and 10,000,000 cells is read from any file. A larger one is read if its file is large, too: at
    most ten times the file's size, and a cell for each two bytes of the file, the least that a cell takes in plain
    text. Beyond what any file may take, memory is at most about 40 times the size of the file.
    """

    bytes: int
    cells: int

    @classmethod
    def of(cls, path: Path) -> Room:
        """Return the room of a table in a file."""
        size = path.stat().st_size
        return cls(
            bytes=min(max(_BYTES_OF_ANY, _MOST_RATIO * size), _BYTES_OF_LARGE),
            cells=min(max(_CELLS_OF_ANY, size // _BYTES_PER_CELL), _CELLS_OF_LARGE),
        )


Record = tuple[int, Sequence[str]]
"""The line on which a record ends, and its cells without outer white space."""


@dataclass(frozen=True, slots=True)
class Note:
    """What reading a file took for granted: a sentence that holds no cell, and where in the file."""

    what: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.what.rstrip('.')}: {self.where}." if self.where else self.what


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a file, the names of columns first; its separator; and what reading it took for granted."""

    records: list[Record]
    separator: str
    notes: tuple[Note, ...]


def read_records(path: Path) -> Records:
    """Read a comma-, semicolon- or tab-separated file in UTF-8, UTF-16 or cp1252, which may be gzipped.

    A spreadsheet's line ``sep=;``, lines of comments (``#``) and a title before the names of columns are passed over.

    Raises:
        BenchError: a file of another format, another encoding, a damaged file, one that is larger than a table of
            patients, or a line of one cell above the names that may be no title.
    """
    text, notes = _text(path)
    named = _SEPARATOR_LINE.fullmatch(next(_lines(text), ""))
    skipped = 1 if named else _comment_lines(text)
    filled = (line for line in islice(_lines(text), skipped, None) if line.strip())
    separator = named[1] if named else _separator([*islice(filled, _LOOKED_AT)])
    reader = csv.reader(islice(_lines(text), skipped, None), delimiter=separator, strict=True)
    try:
        found = ((skipped + reader.line_num, record) for record in reader if any(record))
        stripped = ((line, [cell and cell.translate(_SPACES).strip() for cell in record]) for line, record in found)
        records: list[Record] = [(line, PackedCells(cells)) for line, cells in stripped if any(cells)]
    except csv.Error as error:
        raise BenchError(f"{path} is not a table: {error}. Save it again as CSV in UTF-8.") from error
    titles = _titles(path, records)
    if titles:
        shown = "; ".join(f"{line} ({next(filter(None, cells))!r})" for line, cells in records[:titles])
        notes = (*notes, Note("Lines above the names of columns were passed over as a title.", f"line {shown}"))
    return Records(records[titles:], separator, notes)


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text, one at a time: all of them at once would take its memory again."""
    return (match[0] for match in _LINE.finditer(text))


def _text(path: Path) -> tuple[str, tuple[Note, ...]]:
    content = _content(path)
    _refuse_no_text(path, content)
    return _decoded(path, content)


def _content(path: Path) -> bytes:
    packed = path.suffix.lower() == ".gz"
    room = Room.of(path)
    content = bytearray()
    marks: Counter[bytes] = Counter()
    line = 0
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                content += piece
                marks.update({mark: piece.count(mark) for mark in (b"\n", b"\r", b",", b";", b"\t")})
                line = 0 if b"\n" in piece or b"\r" in piece else line + len(piece)
                _refuse_large(path, room, len(content), marks, line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BenchError(f"{path} is damaged: {error}. Copy it again.") from error
    return bytes(content)


def _refuse_large(path: Path, room: Room, size: int, marks: Counter[bytes], line: int) -> None:
    """Refuse what is larger than a table of patients.

    Args:
        path: of the table.
        room: how much is read of it.
        size: bytes read so far.
        marks: how often line ends and separators occurred in them.
        line: bytes since the last end of a line.
    """
    many = max(marks[b"\n"], marks[b"\r"]) > MOST_LINES or max(marks[b","], marks[b";"], marks[b"\t"]) > room.cells
    if many or size > room.bytes or line > LONGEST_LINE:
        raise BenchError(
            f"{path} is larger than what is read: for a file of {path.stat().st_size:,} bytes "
            f"{room.bytes // 2**20} MB unpacked, {MOST_LINES:,} lines, {room.cells:,} cells, "
            f"{LONGEST_LINE // 2**20} MB in a line. Remove rows and columns that are not needed."
        )


def _refuse_no_text(path: Path, content: bytes) -> None:
    """Refuse a workbook or another file that is only named like a table in text."""
    found = next(((what, remedy) for magic, what, remedy in _NO_TEXT if content.startswith(magic)), None)
    if _HTML.match(content.removeprefix(codecs.BOM_UTF8)[:1000]):
        found = ("a web page (HTML), as some systems name their exports", "Open it in a spreadsheet and save the sheet")
    if found is not None:
        raise BenchError(f"{path} is {found[0]}, not text. {found[1]} as CSV in UTF-8.")


def _decoded(path: Path, content: bytes) -> tuple[str, tuple[Note, ...]]:
    """Return the text, and a note where it is not UTF-8."""
    encoding = _utf16(content) or "utf-8-sig"
    try:
        return content.decode(encoding), ()
    except UnicodeDecodeError as error:
        western = content.decode("cp1252", errors="replace")
        strange = any(ord(c) > 127 and c not in _WESTERN for c in western) or _OF_POLISH.search(western)
        if encoding != "utf-8-sig" or strange:
            raise BenchError(
                f"{path} is not UTF-8 text ({error.reason}), nor UTF-16 or Western European (cp1252). "
                "Save it as CSV in UTF-8."
            ) from error
        return western, (Note("The file is not UTF-8; it was read as Western European text (cp1252)."),)


def _utf16(content: bytes) -> str | None:
    """Return the UTF-16 encoding that the mark or the zero bytes of the first characters show, if any."""
    if content[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return "utf-16"
    even, odd = content[:40:2].count(0), content[1:40:2].count(0)
    if max(even, odd) < 5:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _separator(lines: list[str]) -> str:
    """Return the mark between cells: that of the first line, unless it is a title and the lines below have another."""
    counts = [{mark: re.sub(r'"[^"]*"', "", line).count(mark) for mark in ",;\t"} for line in lines] or [{",": 0}]
    first, *others = counts
    best = max(first, key=first.__getitem__)
    if not others or min(count[best] for count in others):
        return best
    below = {mark: min(count[mark] for count in others) for mark in first}
    other = max(below, key=below.__getitem__)
    return other if below[other] else best


def _comment_lines(text: str) -> int:
    """Return how many lines of comments stand above the names of columns; a first name may start with ``#`` itself."""
    count, line = next(((n, line) for n, line in enumerate(_lines(text)) if not line.startswith("#")), (0, ""))
    if not count:
        return 0
    names = line.split(_separator([line]))
    return 0 if any(re.fullmatch(r'[\s"\d.,+-]*\d[\s"]*', name) for name in names) else count


def _may_be_title(cells: Sequence[str], width: int) -> bool:
    filled = [cell for cell in cells if cell]
    if len(filled) < 2:
        return True
    return 2 * len(filled) <= width and [*cells][: len(filled)] == filled and any(" " in cell for cell in filled)


def _titles(path: Path, records: list[Record]) -> int:
    """Return how many records at the start hold a title, above names of columns as wide as the rows: one cell alone,
    or a few from the first on, where the title itself has separators.

    Raises:
        BenchError: one cell stands alone above lines of several cells of which the first may not be one of names.
    """
    first = [cells for _, cells in records[: _LOOKED_AT + 1]]
    width = max((sum(map(bool, cells)) for cells in first), default=0)
    count = next((n for n, cells in enumerate(first) if not _may_be_title(cells, width)), 0)
    if not count:
        return 0
    names = [cell for cell in records[count][1] if cell]
    below = [cells for _, cells in records[count + 1 :]]
    widest = max((n for cells in below for n, cell in enumerate(cells, 1) if cell), default=0)
    certain = below and not any(is_numeral(name) for name in names) and widest <= len(names) and len(names) > 2
    if certain and all(cells[0] for _, cells in records[:count]):
        return count
    line, cells = records[0]
    if sum(map(bool, cells)) > 1:
        return 0
    raise BenchError(
        f"Line {line} of {path} holds {next(filter(None, cells))!r} alone, above lines of several cells. Remove the "
        "lines above the names of columns."
    )
