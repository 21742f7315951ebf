"""Find patients' files by the card's pattern, whatever Unicode form and leading zeros the file names use."""

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
        paths: each patient's file, relative to the cohort's folder; if there is none, the path by the pattern.
        findings: why no patient's file can be found by the pattern.
        strangers: files whose ids are not in the table.
        respelled: pairs of an id as written in the table and as written in file names.
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
        folder: the cohort's folder.
        pattern: pattern from the card, with a placeholder for the id.
        ids: the patients' ids.
        table: name of the table that contains the ids.
        others: all ids in the table, including rows that the card excludes; their files are not strangers.
    """
    paths = {name: file_of(pattern, name) for name in ids}
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts or not ids:
        return PatientFiles(paths)
    found = dict(fitting_files(folder, pattern))
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
            f"The files of {pattern!r} cannot be assigned: {' and '.join(joined.collision)} are the same id "
            f"except for leading zeros or Unicode forms."
        )
    elif any((folder / path).exists() or (folder / path).is_symlink() for path in paths.values()) or joined.of:
        return  # files of single patients that are missing are reported by patient
    elif names:
        differ = alike(ids, names)
        but = f"; they differ in {differ}" if differ else ""
        yield IdsDoNotJoin.finding(
            f"No id of {table} ({shown(ids)}) occurs in the files of {pattern!r} ({shown(names)}){but}."
        )
    else:
        yield MissingFile.finding(f"No file matches {pattern!r}.")


def fitting_files(folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the id in each path that matches a pattern, and the path."""
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
    """Return the id in the Unicode form of its file name; two files may differ in this form alone."""
    return found["id"] if unicodedata.is_normalized("NFC", entry) else unicodedata.normalize("NFD", found["id"])


def _regex(part: str) -> re.Pattern[str]:
    """Return a regex for one part of a pattern: text in any Unicode form, and the same id at all of its places."""
    pieces = [re.escape(unicodedata.normalize("NFC", piece)) for piece in _PLACE.split(part)[:: _PLACE.groups + 1]]
    places = ["(?P<id>.+)", *["(?P=id)"] * len(pieces)]
    return re.compile(pieces[0] + "".join(place + piece for place, piece in zip(places, pieces[1:], strict=False)))
