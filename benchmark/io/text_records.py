"""Records of a text file as hospitals and spreadsheets export them: encodings, separators, lines before the names."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from survbench.errors import BenchError

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_WESTERN = frozenset("äöüÄÖÜßéèêëÉÈÊËàâáåæãÀÂÁÅÆÃçÇîïìíÎÏÌÍñÑôòóøõœÔÒÓØÕŒùûúÙÛÚÿ€°µ²³±·–—‘’“”„…«»¿¡½¼×§ºª\xa0")
"""What cp1252 makes of the bytes that Western European exports hold; other letters speak for another encoding."""
_SPACES = str.maketrans(dict.fromkeys("\xa0\u202f\u2007\u2009", " ") | dict.fromkeys("\ufeff\u200b"))
Record = tuple[int, list[str]]
"""The line on which a record ends, and its cells without outer white space."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a file, the names of columns first; its separator; and what reading it took for granted."""

    records: list[Record]
    separator: str
    notes: tuple[str, ...]


def read_records(path: Path) -> Records:
    """Read a comma-, semicolon- or tab-separated file in UTF-8, UTF-16 or cp1252, which may be gzipped.

    A spreadsheet's line ``sep=;`` and lines of comments (``#``) before the names of columns are passed over.

    Raises:
        BenchError: another encoding, a damaged file, or a title above the names of columns.
    """
    text, notes = _decoded(path, _content(path))
    lines = io.StringIO(text, newline="").readlines()
    named = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    skipped = 1 if named else _comment_lines(lines)
    lines = lines[skipped:]
    separator = named[1] if named else _separator(next((line for line in lines if line.strip()), ""))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        records = [(skipped + reader.line_num, [c.translate(_SPACES).strip() for c in record]) for record in reader]
    except csv.Error as error:
        raise BenchError(f"{path} is not a table: {error}. Save it again as CSV in UTF-8.") from error
    records = [record for record in records if any(record[1])]
    _refuse_title(path, records, lines)
    return Records(records, separator, notes)


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BenchError(f"{path} is damaged: {error}. Copy it again.") from error


def _decoded(path: Path, content: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text, and a note where it is not UTF-8."""
    encoding = _utf16(content) or "utf-8-sig"
    try:
        return content.decode(encoding), ()
    except UnicodeDecodeError as error:
        western = content.decode("cp1252", errors="replace")
        if encoding != "utf-8-sig" or any(ord(c) > 127 and c not in _WESTERN for c in western):
            raise BenchError(
                f"{path} is not UTF-8 text ({error.reason}), nor UTF-16 or Western European (cp1252). "
                "Save it as CSV in UTF-8."
            ) from error
        return western, ("The file is not UTF-8; it was read as Western European text (cp1252).",)


def _utf16(content: bytes) -> str | None:
    """Return the UTF-16 encoding that the mark or the zero bytes of the first characters show, if any."""
    if content[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return "utf-16"
    even, odd = content[:40:2].count(0), content[1:40:2].count(0)
    if max(even, odd) < 5:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _separator(header: str) -> str:
    return max(",;\t", key=re.sub(r'"[^"]*"', "", header).count)


def _comment_lines(lines: list[str]) -> int:
    """Return how many lines of comments stand above the names of columns; a first name may start with ``#`` itself."""
    count = next((n for n, line in enumerate(lines) if not line.startswith("#")), 0)
    if not count:
        return 0
    names = lines[count].split(_separator(lines[count]))
    return 0 if any(re.fullmatch(r'[\s"\d.,+-]*\d[\s"]*', name) for name in names) else count


def _refuse_title(path: Path, records: list[Record], lines: list[str]) -> None:
    """Refuse a first line that holds one cell above lines of several, as a report's title does."""
    if len(records) < 3:
        return
    filled = [sum(map(bool, cells)) for _, cells in records[:3]]
    by_separator = max(min(line.count(mark) for line in lines[1:4]) for mark in ",;\t")
    if filled[0] == 1 and (min(filled[1:]) > 1 or (by_separator and filled == [1, 1, 1])):
        line, cells = records[0]
        title = next(c for c in cells if c)
        raise BenchError(
            f"Line {line} of {path} holds {title!r} alone, above lines of several cells. Remove the lines above the "
            "names of columns."
        )
