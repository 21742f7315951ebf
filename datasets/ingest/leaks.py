"""Whether identifying values stand in what was written: in names of files, in texts, and inside of images.

Values and texts are compared as sequences of words, without regard to case, accents and what stands between two words:
``Doe^Jane`` is found in ``doe_jane.nii.gz``. Not every value is looked for, or ``CT``, ``F`` and ``070`` would be found
everywhere; the rule stands in docs/reference/dicom.md and in :func:`_worth`.
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
"""Signs that may stand between two words of one value."""
_YEAR = r"((?:18|19|20)\d\d)"
_DATE = re.compile(rf"{_YEAR}[-./]?(\d\d)[-./]?(\d\d)(?:\D.*)?|(\d{{1,2}})[-./ ](\d{{1,2}})[-./ ]{_YEAR}")
_EMBEDDED = re.compile(r"data:[\w/+.-]+;base64,([A-Za-z0-9+/=]*)")
_FEWEST_LETTERS, _OF_A_NAME, _FEWEST_DIGITS, _OF_BINARY = 4, 3, 6, 6
_BLOCK = 2**24


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """An identifying value that was written.

    Attributes:
        file: in the cohort; only its folder where its name holds the value.
        kind: of the value, which itself is not named.
    """

    file: str
    kind: str


@dataclass(slots=True)
class SecretValues:
    """The values to look for.

    Attributes:
        by_first: kind by words, by the first word.
    """

    by_first: dict[str, dict[Words, str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, values: Iterable[IdentifyingValue], *, ordinary: Collection[str], allowed: Iterable[str] = ()
    ) -> SecretValues:
        """Return what to look for.

        Args:
            values: all that may identify somebody.
            ordinary: words, in lower case, that stand in every cohort's files.
            allowed: texts that are written on purpose, such as names of regions. A value that is one of them, or is
                made of their words, is not looked for unless it names a person.
        """
        searched = cls()
        kept = {_words(text) for text in allowed}
        of_kept = {word for words in kept for word in words}
        for value in sorted(values, key=lambda value: (not value.person, value.kind, value.text)):
            for words in _forms(value):
                written = words in kept or (of_kept.issuperset(words) and not "".join(words).isdigit())
                if _worth(words, ordinary, person=value.person) and (value.person or not written):
                    searched.by_first.setdefault(words[0], {}).setdefault(words, value.kind)
        return searched

    def holds(self, text: str) -> bool:
        """Say whether a whole text is one of the values."""
        words = _words(unicodedata.normalize("NFC", text))
        return bool(words) and words in self.by_first.get(words[0], {})

    def kinds_in(self, text: str, *, shortest: int = 0) -> set[str]:
        """Return the kinds of the values of at least so many letters and digits that stand in a text."""
        found = self._places(unicodedata.normalize("NFC", text))
        return {kind for _, _, words, kind in found if sum(map(len, words)) >= shortest}

    def without(self, text: str) -> str:
        """Return a text with three dots in place of each value."""
        text = unicodedata.normalize("NFC", text)
        kept, last = [], 0
        for start, end, _, _ in sorted(self._places(text)):
            if start >= last:
                kept += [text[last:start], "..."]
            last = max(last, end)
        return "".join([*kept, text[last:]])

    def _places(self, text: str) -> Iterator[tuple[int, int, Words, str]]:
        """Yield start, end, words and kind of each value that stands in a text."""
        found = [(m.start(), m.end(), _plain(m[0])) for m in _WORD.finditer(text)]
        for n, (start, end, word) in enumerate(found):
            for words, kind in self.by_first.get(word, {}).items():
                here = found[n : n + len(words)]
                if tuple(one[2] for one in here) == words and _together(text, here):
                    yield start, max(end, here[-1][1]), words, kind


def leaks_in(cohort: Path, files: Sequence[Path], searched: SecretValues) -> list[Leak]:
    """Return where values stand in some files of a cohort, in their names or in what they hold.

    Args:
        cohort: the folder.
        files: in it.
        searched: the values.
    """
    found: set[Leak] = set()
    for path in files:
        relative = path.relative_to(cohort)
        of_name = searched.kinds_in(relative.as_posix())
        name = (relative.parent / "(a file)").as_posix() if of_name else relative.as_posix()
        found |= {Leak(name, kind) for kind in of_name | _in_content(path, searched)}
    return sorted(found)


def ordinary_words(texts: Iterable[str]) -> frozenset[str]:
    """Return the words of texts that belong to no patient."""
    return frozenset(word for text in texts for word in _words(text) if word.isalpha())


def _in_content(path: Path, searched: SecretValues) -> set[str]:
    if path.suffix == ".gz":
        try:
            with gzip.open(path, "rb") as stream:
                return _in_binary(iter(lambda: stream.read(_BLOCK), b""), searched)
        except DAMAGE:
            pass  # what cannot be unpacked is looked at as it is
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
    """Return the kinds of values that stand as text in binary data; what two blocks share is read with the second."""
    kinds: set[str] = set()
    rest = b""
    for block in blocks:
        kinds |= searched.kinds_in("\n".join(_texts(rest + block)), shortest=_OF_BINARY)
        rest = block[-1024:]
    return kinds


def _texts(data: bytes) -> Iterator[str]:
    """Yield the runs of printable characters in binary data that are long enough not to be there by chance."""
    values = np.frombuffer(data, dtype=np.uint8)
    printable = (values >= 0x20) & (values <= 0x7E)
    starts = printable[: len(values) - _OF_BINARY + 1].copy()
    for shift in range(1, _OF_BINARY):
        starts &= printable[shift : len(values) - _OF_BINARY + 1 + shift]
    inside = np.flatnonzero(starts)
    last = np.flatnonzero(np.diff(inside, append=-2) != 1)
    first = np.concatenate([[0], last[:-1] + 1])
    for a, b in zip(inside[first[: len(last)]].tolist(), inside[last].tolist(), strict=True):
        yield data[a : b + _OF_BINARY].decode("ascii")


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts in JSON; its numbers were measured."""
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
    """Yield the ways to write a value: as it is, a date in the usual ways, a name by its parts."""
    whole = _words(value.text)
    if whole:
        yield whole
    yield from ((word,) for part in value.parts for word in _words(part))
    if date := _DATE.fullmatch(value.text.strip()):
        year, month, day = (date[1], date[2], date[3]) if date[1] else (date[6], date[5], date[4])
        yield (f"{year}{month:0>2}{day:0>2}",)
        for m, d in {(month, day), (f"{month:0>2}", f"{day:0>2}"), (str(int(month)), str(int(day)))}:
            yield from {(year, m, d), (d, m, year), (m, d, year), (f"{d}.{m}.{year}",), (f"{year}.{m}.{d}",)}


def _worth(words: Words, ordinary: Collection[str], *, person: bool) -> bool:
    """Say whether to look for a value: it must be long enough not to be there by chance, and no ordinary word.

    Of single words these are numbers from six digits on, words of four letters (parts of names three; one where they
    are of a script without an alphabet), and what mixes letters and digits from four signs on. Several words count from
    six signs on, unless all are ordinary words or short numbers.
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
        fewest = 2 if ideographs else _OF_A_NAME if person else _FEWEST_LETTERS
        return signs >= fewest and word not in ordinary
    return signs >= _FEWEST_LETTERS
