"""Drafts a card from what lies in a folder. It asks nothing; what it guessed says so in a comment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from survbench.datasets.cards.card import ROW_NUMBER
from survbench.datasets.readers.nifti import read_header
from survbench.datasets.readers.patients import MISSING
from survbench.errors import BenchError
from survbench.io.tables import Table, canonical, number, read_table

SUFFIXES = (".nii.gz", ".nii")
MASK_WORDS = ("mask", "seg", "label", "gtv", "roi", "tumor", "tumour")
CHANNEL_WORDS = (
    ("PET", ("pet", "suv", "pt")),
    ("CT", ("ct",)),
    ("MR", ("mr", "mri", "t1", "t2", "flair", "adc", "dwi")),
)
TIME_WORDS = ("time", "days", "months", "weeks", "years", "duration", "follow")
EVENT_WORDS = ("event", "status", "progress", "relapse", "recurrence", "death", "dead", "died", "censor", "alive")
EVENT_CODES = ("dead", "d", "deceased", "event", "progression", "relapse", "recurrence")
SURVIVOR_WORDS = ("censor", "alive", "survivor")
ENDPOINTS = ("pfs", "os", "dfs", "rfs", "dmfs", "ttp", "efs", "mfs")
CENTRE_WORDS = ("centre", "center", "hospital", "institution")
ID_WORDS = ("id", "patient", "patientid", "subject", "case")
MAX_LEVELS = 10
MANY_NUMBERS = 20
"""From so many numeric columns on, a table without images is taken for one of features."""


@dataclass(frozen=True, slots=True)
class _Images:
    """File patterns by channel: (name, modality, pattern), the mask's pattern, and a file of each."""

    channels: tuple[tuple[str, str, str], ...]
    mask: str | None
    examples: tuple[Path, ...]


def draft_card(folder: Path, table: Path) -> str:
    """Return the YAML text of a card for a folder of NIfTI files and a table.

    Args:
        folder: where the images lie, and ``cohort.yaml`` will.
        table: one row per patient, inside ``folder``. Without images, many numeric columns become features.

    Raises:
        BenchError: the table lies elsewhere or cannot be read, or no column's values occur in the names of files.
    """
    try:
        relative = table.resolve().relative_to(folder.resolve())
    except ValueError:
        raise BenchError(
            f"{table} lies outside {folder}. Copy it there: a cohort is what lies in its folder."
        ) from None
    content = read_table(table)
    files = sorted(p for p in folder.rglob("*") if p.name.endswith(SUFFIXES) and p.is_file())
    key = _id_column(content, files, folder)
    images = _images(content, files, folder, key) if files else _Images((), None, ())
    time, event = _outcome(content, key)
    lines = [
        "# Drafted by 'bench cohort init'. Look at every line marked GUESS, then run 'bench cohort check'.",
        f"name: {_name(folder)}",
        f"title: {_quoted(folder.resolve().name)}",
        f"table: {_quoted(relative.as_posix())}",
        f"id: {_quoted(key)}" + ("  # GUESS: no column looks like one of ids" if key == ROW_NUMBER else ""),
    ]
    centre = next((c for c in content.columns if any(w in c.lower() for w in CENTRE_WORDS)), None)
    lines += [f"centre: {_quoted(centre)}  # GUESS"] if centre else []
    lines += [_endpoint_line(content, time, event), *_image_lines(images)]
    used = {key, time, event, centre or ""}
    features = [] if images.channels else _features(content, used)
    lines += _feature_lines(content, features, key)
    lines += _clinical_lines(content, used | set(features))
    lines += [
        "licence: unknown  # who may use the data",
        "citation: unpublished",
        "",
    ]
    return "\n".join(lines)


def _id_column(table: Table, files: Sequence[Path], folder: Path) -> str:
    """Return the column of which most values occur in the names of files. Without files it is the first unique one that
    holds text or is called like one of ids, or none: rows are then numbered.
    """
    paths = [f.relative_to(folder).as_posix() for f in files]
    best, most = "", 0
    for column in table.columns:
        values = {row.cells[column] for row in table.rows} - {""}
        if len(values) < len(table.rows):
            continue
        if not files and (_has(column, ID_WORDS) or not _is_numeric(table, column)):
            return column
        found = sum(any(value in path for path in paths) for value in values if len(value) > 1)
        if found > most:
            best, most = column, found
    if not files:
        return ROW_NUMBER
    if not best:
        raise BenchError(
            f"No column of the table names the files under {folder} (looked for {', '.join(SUFFIXES)}). Put each "
            "patient's id into the names of files or of folders."
        )
    return best


def _images(table: Table, files: Sequence[Path], folder: Path, key: str) -> _Images:
    ids = sorted((row.cells[key] for row in table.rows), key=len, reverse=True)
    counts: dict[str, list[Path]] = {}
    for file in files:
        path = file.relative_to(folder).as_posix()
        owner = next((i for i in ids if i and i in path), None)
        if owner is not None:
            counts.setdefault(path.replace(owner, "{id}"), []).append(file)
    patterns = sorted(counts, key=lambda p: (-len(counts[p]), p))
    mask = next((p for p in patterns if _has(p, MASK_WORDS)), None)
    channels: list[tuple[str, str, str]] = []
    for modality, words in CHANNEL_WORDS:
        found = [p for p in patterns if not _has(p, MASK_WORDS) and _has(p, words)]
        for pattern in found[:1] if modality != "MR" else found:
            name = modality.lower() if modality != "MR" else next(w for w in words if _has(pattern, (w,)))
            if name not in {c[0] for c in channels}:
                channels.append((name, modality, pattern))
    examples = tuple(counts[p][0] for _, _, p in channels)
    return _Images(tuple(channels), mask, examples)


def _has(pattern: str, words: Sequence[str]) -> bool:
    parts = re.split(r"[^a-z0-9]+", pattern.replace("{id}", " ").lower())
    return any(part == word or (len(word) > 2 and word in part) for part in parts for word in words)


def _image_lines(images: _Images) -> list[str]:
    if not images.channels:
        return ["# No images were recognised; methods that need them are skipped. Declare them as", "# images:",
                '#   pet: {modality: PET, file: "images/{id}_PET.nii.gz"}']  # fmt: skip
    lines = ["images:"]
    lines += [f"  {name}: {{modality: {modality}, file: {_quoted(p)}}}" for name, modality, p in images.channels]
    lines += (
        [f"mask: {{file: {_quoted(images.mask)}}}"] if images.mask else ["# mask: no file looks like a tumour mask"]
    )
    headers = [read_header(path) for path in images.examples]
    extents = [np.abs(h.affine[:3, :3] @ np.array(h.shape)) for h in headers]
    x, y, z = (float(np.round(v)) for v in np.min(extents, axis=0))
    lines += [
        f"field_of_view_mm: [{x:g}, {y:g}, {z:g}]  # GUESS: the extent of one patient's images; one box for all",
        "reference: image-centre",
    ]
    return lines


def _features(table: Table, used: set[str]) -> list[str]:
    """Return the columns that may be features: many numbers of more than two values, none called like an outcome."""
    words = {*TIME_WORDS, *EVENT_WORDS, *ENDPOINTS}
    found = [
        column
        for column in table.columns
        if column not in used
        and _is_numeric(table, column)
        and len(set(_values(table, column))) > 2
        and not words & set(re.split(r"[^a-z]+", column.lower()))
    ]
    return found if len(found) >= MANY_NUMBERS else []


def _feature_lines(table: Table, features: Sequence[str], key: str) -> list[str]:
    if not features:
        return []
    others = [c for c in table.columns if c not in features and c != key]
    guess = f"# GUESS: {len(features)} columns; see that none tells the outcome"
    return [f'features: {{columns: ["*"], exclude: {_flow(others)}}}  {guess}']


def _outcome(table: Table, key: str) -> tuple[str, str]:
    """Return the columns of time and event."""
    numeric = [c for c in table.columns if c != key and _is_numeric(table, c)]
    times = [c for c in numeric if _score(c, TIME_WORDS) and not _is_binary(table, c)]
    binary = [c for c in table.columns if c != key and _is_binary(table, c)]
    time = min(times, key=lambda c: _order(c, TIME_WORDS), default=None)
    if time is None:
        time = next((c for c in numeric if not _is_binary(table, c)), "time")
    stem = next((e for e in ENDPOINTS if e in re.split(r"[^a-z]+", time.lower())), None)
    related = [c for c in binary if stem and stem in re.split(r"[^a-z]+", c.lower())]
    events = related or [c for c in binary if _score(c, EVENT_WORDS)] or binary
    return time, events[0] if events else "event"


def _is_outcome(column: str) -> bool:
    parts = set(re.split(r"[^a-z]+", column.lower()))
    return bool(parts & set(ENDPOINTS)) or _score(column, TIME_WORDS) or _score(column, EVENT_WORDS)


def _score(column: str, words: Sequence[str]) -> bool:
    return any(word in column.lower() for word in (*words, *(ENDPOINTS if words is TIME_WORDS else ())))


def _order(column: str, words: Sequence[str]) -> tuple[bool, str]:
    """Prefer columns that name an endpoint."""
    parts = re.split(r"[^a-z]+", column.lower())
    return (not any(e in parts for e in ENDPOINTS), column if not words else column.lower())


def _values(table: Table, column: str) -> list[str]:
    return [v for row in table.rows if (v := row.cells[column]).casefold() not in MISSING]


def _is_numeric(table: Table, column: str) -> bool:
    values = _values(table, column)
    return bool(values) and all(number(v) is not None for v in values)


def _is_binary(table: Table, column: str) -> bool:
    return len({canonical(v) for v in _values(table, column)}) == 2


def _endpoint(time: str, event: str) -> str:
    parts = re.split(r"[^a-z]+", f"{time} {event}".lower())
    return next((e.upper() for e in ENDPOINTS if e in parts), "event")


def _unit(table: Table, time: str) -> str:
    for unit in ("days", "weeks", "months", "years"):
        if unit[:-1] in time.lower():
            return unit
    if time not in table.columns:
        return "months"
    longest = max((number(v) or 0.0 for v in _values(table, time)), default=0.0)
    return "days" if longest > 400 else "months" if longest > 25 else "years"


def _coding(table: Table, event: str) -> tuple[list[str], list[str]]:
    """Return the codes of an event and those of a censored patient. Of 1 and 2, as R's survival package codes them, 2
    is the event; a column called after survivors or the censored counts them with 1.
    """
    codes = sorted(set(_values(table, event))) if event in table.columns else ["1", "0"]
    means = [canonical(code) for code in codes]
    positive = [c for c, m in zip(codes, means, strict=True) if m == "1" or m in EVENT_CODES]
    observed = positive if positive and set(means) != {"1", "2"} else codes[-1:]
    censored = [c for c in codes if c not in observed]
    turned = set(means) == {"0", "1"} and _score(event, SURVIVOR_WORDS)
    return (censored, observed) if turned else (observed, censored)


def _endpoint_line(table: Table, time: str, event: str) -> str:
    observed, censored = _coding(table, event)
    codes = f"observed: {_flow(observed)}, censored: {_flow(censored)}"
    guess = "# GUESS: columns, unit and coding"
    if event in table.columns:
        events = sum(value in observed for value in _values(table, event))
        guess += f", by which {events} of {len(table.rows)} had the event"
    name, unit = _endpoint(time, event), _unit(table, time)
    columns = f"time: {_quoted(time)}, event: {_quoted(event)}"
    return f"endpoint: {{name: {name}, {columns}, unit: {unit}, {codes}}}  {guess}"


def _clinical_lines(table: Table, used: set[str]) -> list[str]:
    lines = ["# Methods see a column only with 'model: true'. Order the levels of an ordinal column from low to high."]
    columns: list[str] = []
    names: set[str] = set()
    for column in table.columns:
        values = _values(table, column)
        # other endpoints are no predictors
        if column in used or not values or _is_outcome(column):
            continue
        name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_") or "column"
        if name in names:
            continue
        names.add(name)
        levels = sorted(set(values))
        if _is_numeric(table, column) and len(levels) > 2:
            columns.append(f"  - {{name: {name}, column: {_quoted(column)}, kind: numeric, model: false}}")
        elif 1 < len(levels) <= MAX_LEVELS:
            kind = f"kind: categorical, levels: {_flow(levels)}"
            columns.append(f"  - {{name: {name}, column: {_quoted(column)}, {kind}, model: false}}")
    return [*lines, "clinical:", *columns] if columns else lines


def _flow(values: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(v) for v in values) + "]"


def _quoted(text: str) -> str:
    """Return text as a YAML string that means itself; a number as code or level stays text."""
    return yaml.safe_dump(text, default_style='"', width=10_000, allow_unicode=True).strip()


def _name(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")
    return name or "my-cohort"
