"""Search for identifying values in what was written: in file names, in texts, and inside images.

Values and texts are compared as sequences of words, without regard to case, accents and separators between words:
``Doe^Jane`` is found in ``doe_jane.nii.gz``. Some values are not searched, or ``CT``, ``F`` and ``070`` would be found
everywhere; the rule is in docs/reference/dicom.md and in :func:`_is_searched`.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from survbench.datasets.dicom.identifying import IdentifyingValue
from survbench.datasets.readers.nifti import DAMAGE
from survbench.datasets.vocabulary.words import without_accents

Words = tuple[str, ...]

_WORD = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
"""A word, or a number with dots such as a UID."""
_BETWEEN = 3
"""Largest number of characters between two words of one value."""
_YEAR = r"((?:18|19|20)\d\d)"
_DATE = re.compile(rf"{_YEAR}[-./]?(\d\d)[-./]?(\d\d)(?:\D.*)?|(\d{{1,2}})[-./ ](\d{{1,2}})[-./ ]{_YEAR}")
_EMBEDDED = re.compile(r"data:[\w/+.-]+;base64,([A-Za-z0-9+/=]*)")
_FEWEST_LETTERS, _FEWEST_LETTERS_OF_A_NAME, _FEWEST_DIGITS, _FEWEST_IN_BINARY = 4, 3, 6, 6
_BLOCK = 2**24


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """An identifying value that was written.

    Attributes:
        file: path in the cohort; if the file name itself contains the value, only its folder.
        kind: the kind of value; the value itself is not named.
    """

    file: str
    kind: str


@dataclass(slots=True)
class SecretValues:
    """The values to search for.

    Attributes:
        by_first: kinds of values by their words, grouped by the first word.
    """

    by_first: dict[str, dict[Words, str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, values: Iterable[IdentifyingValue], *, ordinary: Collection[str], allowed: Iterable[str] = ()
    ) -> SecretValues:
        """Return the values to search for.

        Args:
            values: all values that may identify a person.
            ordinary: lower-case words that occur in the files of every cohort.
            allowed: texts that are written on purpose, such as region names. A value that is one of them, or consists
                of their words, is not searched unless it names a person.
        """
        searched = cls()
        kept = {_words(text) for text in allowed}
        kept_words = {word for words in kept for word in words}
        for value in sorted(values, key=lambda value: (not value.person, value.kind, value.text)):
            for words in _forms(value):
                written = words in kept or (kept_words.issuperset(words) and not "".join(words).isdigit())
                if _is_searched(words, ordinary, person=value.person) and (value.person or not written):
                    searched.by_first.setdefault(words[0], {}).setdefault(words, value.kind)
        return searched

    def holds(self, text: str) -> bool:
        """Return whether a whole text is one of the values."""
        words = _words(unicodedata.normalize("NFC", text))
        return bool(words) and words in self.by_first.get(words[0], {})

    def kinds_in(self, text: str, *, shortest: int = 0) -> set[str]:
        """Return the kinds of the values that occur in a text and have at least ``shortest`` letters and digits."""
        found = self._places(unicodedata.normalize("NFC", text))
        return {kind for _, _, words, kind in found if sum(map(len, words)) >= shortest}

    def without(self, text: str) -> str:
        """Return a text with each value replaced by three dots."""
        text = unicodedata.normalize("NFC", text)
        kept, last = [], 0
        for start, end, _, _ in sorted(self._places(text)):
            if start >= last:
                kept += [text[last:start], "..."]
            last = max(last, end)
        return "".join([*kept, text[last:]])

    def _places(self, text: str) -> Iterator[tuple[int, int, Words, str]]:
        """Yield start, end, words and kind of each value that occurs in a text."""
        found = [(m.start(), m.end(), _plain(m[0])) for m in _WORD.finditer(text)]
        for n, (start, end, word) in enumerate(found):
            for words, kind in self.by_first.get(word, {}).items():
                here = found[n : n + len(words)]
                if tuple(one[2] for one in here) == words and _together(text, here):
                    yield start, max(end, here[-1][1]), words, kind


def leaks_in(cohort: Path, files: Sequence[Path], searched: SecretValues) -> list[Leak]:
    """Return where values occur in files of a cohort, in their names or contents.

    Args:
        cohort: the cohort's folder.
        files: files in the folder.
        searched: the values to search for.
    """
    found: set[Leak] = set()
    for path in files:
        relative = path.relative_to(cohort)
        name_kinds = searched.kinds_in(relative.as_posix())
        name = (relative.parent / "(a file)").as_posix() if name_kinds else relative.as_posix()
        found |= {Leak(name, kind) for kind in name_kinds | _in_content(path, searched)}
    return sorted(found)


def ordinary_words(texts: Iterable[str]) -> frozenset[str]:
    """Return the words of texts that are not specific to a patient."""
    return frozenset(word for text in texts for word in _words(text) if word.isalpha())


def _in_content(path: Path, searched: SecretValues) -> set[str]:
    if path.suffix == ".gz":
        try:
            with gzip.open(path, "rb") as stream:
                return _in_binary(iter(lambda: stream.read(_BLOCK), b""), searched)
        except DAMAGE:
            pass  # a file that cannot be unpacked is searched as it is
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _in_binary([content], searched)
    if path.suffix == ".json":
        with suppress(ValueError):
            return {kind for one in _strings(json.loads(text)) for kind in searched.kinds_in(one)}
    if path.suffix == ".html":
        pictures = (base64.b64decode(found[1]) for found in _EMBEDDED.finditer(text))
        return searched.kinds_in(html.unescape(_EMBEDDED.sub("", text))) | _in_binary(pictures, searched)
    return searched.kinds_in(text)


def _in_binary(blocks: Iterable[bytes], searched: SecretValues) -> set[str]:
    """Return the kinds of values that occur as text in binary data; a value may extend across two blocks."""
    kinds: set[str] = set()
    rest = b""
    for block in blocks:
        kinds |= searched.kinds_in("\n".join(_texts(rest + block)), shortest=_FEWEST_IN_BINARY)
        rest = block[-1024:]
    return kinds


def _texts(data: bytes) -> Iterator[str]:
    """Yield runs of printable characters in binary data that are long enough not to occur by chance."""
    values = np.frombuffer(data, dtype=np.uint8)
    printable = (values >= 0x20) & (values <= 0x7E)
    starts = printable[: len(values) - _FEWEST_IN_BINARY + 1].copy()
    for shift in range(1, _FEWEST_IN_BINARY):
        starts &= printable[shift : len(values) - _FEWEST_IN_BINARY + 1 + shift]
    inside = np.flatnonzero(starts)
    last = np.flatnonzero(np.diff(inside, append=-2) != 1)
    first = np.concatenate([[0], last[:-1] + 1])
    for a, b in zip(inside[first[: len(last)]].tolist(), inside[last].tolist(), strict=True):
        yield data[a : b + _FEWEST_IN_BINARY].decode("ascii")


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts in JSON; numbers are measurements and are skipped."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _together(text: str, places: Sequence[tuple[int, int, str]]) -> bool:
    gaps = (text[a[1] : b[0]] for a, b in pairwise(places))
    return all(len(gap) <= _BETWEEN and "\n" not in gap for gap in gaps)


def _words(text: str) -> Words:
    return tuple(_plain(word) for word in _WORD.findall(text))


def _plain(word: str) -> str:
    return word.casefold() if word.isascii() else without_accents(word)


def _forms(value: IdentifyingValue) -> Iterator[Words]:
    """Yield the ways to write a value: as it is, a date in its usual formats, and a name's parts."""
    whole = _words(value.text)
    if whole:
        yield whole
    yield from ((word,) for part in value.parts for word in _words(part))
    if date := _DATE.fullmatch(value.text.strip()):
        year, month, day = (date[1], date[2], date[3]) if date[1] else (date[6], date[5], date[4])
        yield (f"{year}{month:0>2}{day:0>2}",)
        for m, d in {(month, day), (f"{month:0>2}", f"{day:0>2}"), (str(int(month)), str(int(day)))}:
            yield from {(year, m, d), (d, m, year), (m, d, year), (f"{d}.{m}.{year}",), (f"{year}.{m}.{d}",)}


def _is_searched(words: Words, ordinary: Collection[str], *, person: bool) -> bool:
    """Return whether to search for a value: it must be too long to occur by chance, and not an ordinary word.

    Single words are searched if they are numbers of at least six digits, words of at least four letters (three for
    parts of names, two for ideographs), or at least four mixed letters and digits. Several words are searched if they
    have at least six characters, unless all of them are ordinary words or short numbers.
    """
    signs = sum(len(word.replace(".", "")) for word in words)
    if len(words) > 1:
        common = all(word in ordinary or (word[0].isdigit() and len(word) < _FEWEST_DIGITS) for word in words)
        date = len(words) == 3 and signs in range(6, 9) and any(len(w) == 4 for w in words) and "".join(words).isdigit()
        return date or (signs >= _FEWEST_DIGITS and (person or not common))
    (word,) = words
    if word.replace(".", "").isdigit():
        return signs >= _FEWEST_DIGITS
    if word.isalpha():
        ideographs = min(word) >= "\u2e80"
        fewest = 2 if ideographs else _FEWEST_LETTERS_OF_A_NAME if person else _FEWEST_LETTERS
        return signs >= fewest and word not in ordinary
    return signs >= _FEWEST_LETTERS
