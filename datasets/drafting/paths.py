"""Where patients' images are: path patterns with ``{id}`` in place of the id, and ids that occur in no path."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations

from survbench.datasets.cards.file_pattern import PLACE
from survbench.datasets.vocabulary.words import tokens

MASK_WORDS = ("mask", "masks", "seg", "label", "labels", "labelstr", "gtv", "roi", "tumor", "tumour", "contour")
CHANNEL_WORDS = (
    ("PET", ("pet", "suv", "pt")),
    ("CT", ("ct",)),
    ("MR", ("mr", "mri", "t1", "t2", "flair", "adc", "dwi")),
)
_WIDEST = 9
_MOST_SPOTS = 4
"""If an id occurs at most this often in a path, every combination of its places is tried as a pattern."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path pattern, and the path of each patient's file by id."""

    text: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Places:
    """Where images are: channels as (name, modality, pattern), the mask, and patterns named like neither."""

    channels: tuple[tuple[str, str, Pattern], ...]
    mask: Pattern | None
    others: tuple[Pattern, ...]


def patterns(ids: Sequence[str], paths: Sequence[str]) -> list[Pattern]:
    """Return the patterns that give patients a file of their own, most patients first.

    Each path counts for one pattern: of the ways to insert the id, the one that gives most patients a file.

    Args:
        ids: the patients' ids.
        paths: paths of the files, relative to the folder, with ``/``.
    """
    ways: dict[str, dict[str, str]] = defaultdict(dict)
    known = set(ids) - {""}
    for path in paths:
        for way, patient in _ways(path, known):
            ways[way][patient] = path
    found: list[Pattern] = []
    taken: set[str] = set()
    # of two patterns with equally many patients, the one that repeats the id more often separates patients best
    for way in sorted(ways, key=lambda p: (-len(ways[p]), -len(re.findall(PLACE, p)), _zeros(p), p)):
        files = {patient: path for patient, path in ways[way].items() if path not in taken}
        if files:
            found.append(Pattern(way, files))
            taken |= set(files.values())
    return sorted(found, key=lambda p: (-len(p.files), p.text))


def _zeros(pattern: str) -> bool:
    return "{id:" in pattern


def _ways(path: str, ids: AbstractSet[str]) -> list[tuple[str, str]]:
    """Return the patterns that fit a path, each with the patient whose file it would be."""
    spots: dict[tuple[str, str], list[int]] = defaultdict(list)
    for start, end in combinations(_borders(path), 2):
        piece = path[start:end]
        if piece in ids:
            spots[piece, "{id}"].append(start)
        elif piece.isdecimal() and len(piece) <= _WIDEST and piece.lstrip("0") in ids:
            spots[piece, f"{{id:0{len(piece)}d}}"].append(start)
    found = []
    for (piece, place), starts in spots.items():
        patient = piece if place == "{id}" else piece.lstrip("0")
        for size in range(1, len(starts) + 1 if len(starts) <= _MOST_SPOTS else 2):
            found += [(_replaced(path, c, len(piece), place), patient) for c in combinations(starts, size)]
    return found


def _borders(path: str) -> list[int]:
    """Return the positions where an id may begin or end: never inside a number or a word."""
    inner = range(1, len(path))
    between = [n for n in inner if not (_kind(path[n - 1]) == _kind(path[n]) != "mark")]
    return [0, *between, len(path)]


def _kind(character: str) -> str:
    return "digit" if character.isdigit() else "letter" if character.isalpha() else "mark"


def _replaced(path: str, starts: Sequence[int], length: int, place: str) -> str:
    for start in reversed(starts):
        path = path[:start] + place + path[start + length :]
    return path


def places(patterns: Sequence[Pattern]) -> Places:
    """Return which patterns are named like channels and masks; of several, the one with most patients."""
    masks = [p for p in patterns if _called(p.text, MASK_WORDS)]
    channels: list[tuple[str, str, Pattern]] = []
    for modality, words in CHANNEL_WORDS:
        own = [p for p in patterns if p not in masks and _called(p.text, words)]
        for pattern in own if modality == "MR" else own[:1]:
            name = (
                next(word for word in words if _called(pattern.text, (word,))) if modality == "MR" else modality.lower()
            )
            if name not in {channel[0] for channel in channels}:
                channels.append((name, modality, pattern))
    used = {p.text for p in masks} | {c[2].text for c in channels}
    return Places(tuple(channels), masks[0] if masks else None, tuple(p for p in patterns if p.text not in used))


def _called(pattern: str, words: Sequence[str]) -> bool:
    parts = re.split(r"[^a-z0-9]+", re.sub(PLACE, " ", pattern).lower())
    return any(part == word or (len(word) > 2 and word in part) for part in parts for word in words)


def near_ids(ids: Sequence[str], paths: Sequence[str]) -> str:
    """Return, in one sentence, how ids that occur in no path differ from the nearest text in paths, or ``""``."""
    parts = {part for path in paths for part in re.split(r"[/\\]|\.nii(?:\.gz)?$", path) if part}
    pieces = {piece: piece for part in parts for piece in _runs(part)}
    kinds: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("in another Unicode form of the same letters", lambda x: unicodedata.normalize("NFC", x)),
        ("in upper and lower case", lambda x: unicodedata.normalize("NFC", x).casefold()),
        ("in leading zeros", lambda x: re.sub(r"\d+", lambda m: str(int(m[0])), x.casefold())),
        ("in trailing decimals", lambda x: re.sub(r"\.0+$", "", x)),
        ("in punctuation between letters and digits", lambda x: "".join(tokens(x))),
        ("in punctuation and leading zeros", lambda x: "".join(t.lstrip("0") for t in tokens(x))),
    )  # fmt: skip
    for what, same in kinds:
        there = {same(piece): piece for piece in pieces}
        pairs = [(name, there[same(name)]) for name in ids if name and there.get(same(name), name) != name]
        if pairs:
            table, files = pairs[0]
            return f"Ids differ {what}: the table has {table!r}, the files have {files!r}."
    return ""


def _runs(part: str) -> list[str]:
    """Return the pieces of a file name that may be an id: each starts at a word and ends at a separator or the end."""
    marks = [m.start() for m in re.finditer(r"[_\-. ]", part)]
    starts = [0, *(m + 1 for m in marks)]
    return [part[a:b] for a in starts for b in [*marks, len(part)] if b > a]
