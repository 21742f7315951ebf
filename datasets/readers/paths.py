"""Where the files of patients lie: by the card's pattern, in whatever Unicode form and with whatever leading zeros the
names of files are spelled.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from survbench.datasets.cards.file_pattern import PLACE, file_of
from survbench.datasets.checks.images import MissingFile
from survbench.datasets.checks.table import IdsDoNotJoin
from survbench.datasets.readers.joining import Joined, alike, join, left_over, shown
from survbench.findings import Finding

_PLACE = re.compile(PLACE)


@dataclass(frozen=True, slots=True)
class PatientFiles:
    """The files of one pattern.

    Attributes:
        paths: of each patient, relative to the cohort's folder; that of the pattern where there is no file.
        findings: why the pattern leads to no patient's file.
        strangers: files of ids that the table does not have.
        respelled: ids that the names of files spell otherwise, and how.
    """

    paths: Mapping[str, str]
    findings: tuple[Finding, ...] = ()
    strangers: tuple[str, ...] = ()
    respelled: tuple[tuple[str, str], ...] = ()


def patient_files(
    folder: Path, pattern: str, ids: Sequence[str], *, table: str, others: Sequence[str] = ()
) -> PatientFiles:
    """Find each patient's file.

    Args:
        folder: of the cohort.
        pattern: of the card, with a place for the id.
        ids: of the patients.
        table: name of the table that has the ids.
        others: all ids of the table, also of rows that the card sets aside, whose files belong to somebody.
    """
    paths = {name: file_of(pattern, name) for name in ids}
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts or not ids:
        return PatientFiles(paths)
    found = dict(_fitting(folder, pattern))
    place = _PLACE.search(pattern)

    def spell(name: str) -> str:
        return file_of(place[0], name) if place else name

    spelled = {name: spell(name) for name in ids}
    joined = join(list(spelled.values()), list(found))
    there = {name: found[joined.of[own]] for name, own in spelled.items() if own in joined.of}
    strangers = tuple(sorted(found[name] for name in left_over(joined, list(found), [spell(name) for name in others])))
    findings = _unjoined(folder, pattern, paths, found, joined, table)
    respelled = tuple((own, joined.of[own]) for own in spelled.values() if joined.of.get(own, own) != own)
    return PatientFiles({**paths, **there}, tuple(findings), strangers, respelled)


def _unjoined(
    folder: Path, pattern: str, paths: Mapping[str, str], found: Mapping[str, str], joined: Joined, table: str
) -> Iterator[Finding]:
    ids, names = list(paths), sorted(found)
    if joined.collision:
        yield IdsDoNotJoin.finding(
            f"It is not clear whose files of {pattern!r} are whose: {' and '.join(joined.collision)} are the same id "
            f"but for leading zeros or Unicode forms."
        )
    elif any((folder / path).exists() or (folder / path).is_symlink() for path in paths.values()) or joined.of:
        return  # what single patients lack is said of them
    elif names:
        differ = alike(ids, names)
        but = f"; they differ in {differ}" if differ else ""
        yield IdsDoNotJoin.finding(
            f"No id of {table} ({shown(ids)}) occurs in the files of {pattern!r} ({shown(names)}){but}."
        )
    else:
        yield MissingFile.finding(f"No file fits {pattern!r}.")


def _fitting(folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the id in each path that fits a pattern, and the path."""
    yield from _below(folder, "", Path(pattern).parts, None)


def _below(folder: Path, path: str, parts: Sequence[str], name: str | None) -> Iterator[tuple[str, str]]:
    if not parts:
        if name is not None:
            yield name, path
        return
    here = folder / path
    if not here.is_dir():
        return
    part, rest = parts[0], parts[1:]
    if _PLACE.search(part) is None and (here / part).exists():
        yield from _below(folder, str(Path(path) / part), rest, name)
        return
    fits = _regex(part)
    for entry in sorted(child.name for child in here.iterdir()):
        found = fits.fullmatch(unicodedata.normalize("NFC", entry))
        if found is None:
            continue
        inside = _as_spelled(entry, found) if "id" in found.groupdict() else name
        if name is None or inside == name:
            yield from _below(folder, str(Path(path) / entry), rest, inside)


def _as_spelled(entry: str, found: re.Match[str]) -> str:
    """Return the id in the Unicode form of the file's name, in which another file's may differ from it."""
    return found["id"] if unicodedata.is_normalized("NFC", entry) else unicodedata.normalize("NFD", found["id"])


def _regex(part: str) -> re.Pattern[str]:
    """Return what fits a part of a pattern: its letters in any Unicode form, and one id at all its places."""
    pieces = [re.escape(unicodedata.normalize("NFC", piece)) for piece in _PLACE.split(part)[:: _PLACE.groups + 1]]
    places = ["(?P<id>.+)", *["(?P=id)"] * len(pieces)]
    return re.compile(pieces[0] + "".join(place + piece for place, piece in zip(places, pieces[1:], strict=False)))
