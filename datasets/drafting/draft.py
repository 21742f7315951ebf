"""Draft a card from the files in a folder. Nothing is asked: what the files do not say is marked TODO."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from survbench.datasets.cards.card import ROW_NUMBER, TODO
from survbench.datasets.drafting.columns import Column, columns_of
from survbench.datasets.drafting.features import other_features, own_features
from survbench.datasets.drafting.images import image_lines
from survbench.datasets.drafting.outcome import Endpoint, Outcome, find_outcome
from survbench.datasets.drafting.paths import near_ids, patterns, places
from survbench.datasets.drafting.roles import Roles, centre_column, id_column, roles, rows_apart
from survbench.datasets.drafting.yaml_text import flow, quoted, quoted_key
from survbench.datasets.vocabulary.words import without_accents
from survbench.errors import BenchError
from survbench.io.tables import Table, number, read_table

SUFFIXES = (".nii.gz", ".nii")
SHOWN = 5
"""Names or cells that a line lists at most."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted card.

    Attributes:
        text: the card in YAML.
        todo: what the user has to fill in: one sentence each, starting with the card's keys.
        left_out: columns that the card does not use, by reason.
        notes: assumptions made in reading the table, and what the user should check.
    """

    text: str
    todo: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


def draft_card(folder: Path, table: Path, *, labels: Mapping[str, int] | None = None) -> Draft:
    """Draft a card for a folder of NIfTI files and a table.

    Args:
        folder: folder of the images; ``cohort.yaml`` will be written to it.
        table: table inside ``folder`` with one row per patient. Without images, many numeric columns become features.
        labels: voxel values in the masks of structures whose names are known.

    Raises:
        BenchError: the table lies outside ``folder`` or cannot be read, or no column's values occur in the file names.
    """
    try:
        relative = table.resolve().relative_to(folder.resolve())
    except ValueError:
        raise BenchError(
            f"{table} lies outside {folder}. Copy it there: all files of a cohort belong in its folder."
        ) from None
    content = read_table(table)
    columns = columns_of(content)
    files = sorted(p for p in folder.rglob("*") if p.name.endswith(SUFFIXES) and p.is_file())
    paths = [p.relative_to(folder).as_posix() for p in files]
    key = _key(list(columns.values()), paths, folder)
    rest = [c for c in columns.values() if c.name != key]
    apart = rows_apart(columns[key], rest) if key in columns else None
    rest = [c for c in rest if c is not apart]
    outcome = find_outcome(rest)
    end = outcome.endpoint
    centre = centre_column(rest, [c.name for c in (end.time, end.event) if c] + list(outcome.revealing))
    choice = _choice(key, apart) if apart else ""
    of_ends = [c for each in (end, *outcome.others) for c in (each.time, each.event) if c]
    taken = {c.name for c in (*of_ends, centre, apart) if c} | {key}
    where = places(patterns(columns[key].cells, paths)) if paths else None
    found = roles(list(columns.values()), outcome.revealing, taken, images=bool(where and where.channels))
    images = image_lines(where, folder, len(content.rows), labels or {})
    features = own_features(content, found, key)
    if not features and not (where and where.channels) and key in columns:
        features = other_features(folder, table, columns[key].cells)
    notes = (
        *map(str, content.notes),
        *images.notes,
        *([] if apart else _id_notes(columns.get(key))),
        *_time_notes(content, end.time),
        *_sentinel_notes(found),
    )
    lines = [
        "# Drafted by 'bench cohort init'. Fill in each TODO, check each GUESS, then run 'bench cohort check'.",
        f"name: {_name(folder)}",
        f"title: {quoted(folder.resolve().name)}",
        f"table: {quoted(relative.as_posix())}",
        f"id: {quoted(key)}" + ("  # GUESS: no column looks like an id column" if key == ROW_NUMBER else ""),
        *([f"centre: {quoted(centre.name)}  # GUESS"] if centre else []),
        *([f"patients: {{where: {{{quoted(apart.name)}: [{TODO}]}}}}  # TODO: {choice}"] if apart else []),
        *_endpoint_lines(outcome),
        *_missing_lines([*found.clinical, *found.features, *of_ends], (end, *outcome.others)),
        *images.lines,
        *features,
        *_clinical_lines(found),
        "licence: unknown  # who may use the data",
        "citation: unpublished",
        *[f"# Note: {note}" for note in notes],
    ]
    left_out = _by_reason(found.left_out)
    lines += [*_left_out_lines(left_out, outcome), ""]
    several = [_which_endpoint(outcome)] if outcome.others else []
    todo = (*several, *end.open, *([choice] if choice else []), *images.open)
    if not features and not (where and where.channels):
        notes = (*notes, "No images were recognised; methods that need them will be skipped.")
    return Draft("\n".join(lines), todo, left_out, notes)


def _key(columns: Sequence[Column], paths: Sequence[str], folder: Path) -> str:
    found = id_column(columns, paths)
    if found is not None or not paths:
        return found or ROW_NUMBER
    near = next((hint for c in columns if (hint := near_ids(c.cells, paths)) and c.filled == 1), "")
    remedy = f"{near} Spell them the same way." if near else "Put each patient's id into the file or folder names."
    raise BenchError(
        f"No column of the table names the files under {folder} (looked for {', '.join(SUFFIXES)}). {remedy}"
    )


def _id_notes(key: Column | None) -> list[str]:
    if key is None:
        return []
    twice = sorted({cell for cell in key.cells if cell and key.cells.count(cell) > 1})
    some = ", ".join(twice[:SHOWN])
    remedy = (
        "Keep one row per patient. If the rows are lesions or sides of a patient, give each row its own id and name "
        "this column under 'group'."
    )
    return [f"{len(twice)} ids in {key.name!r} occur in several rows ({some}). {remedy}"] if twice else []


def _choice(key: str, apart: Column) -> str:
    """Return what the user has to choose if a patient's rows belong to several endpoints or visits."""
    counts = ", ".join(f"{code!r} ({n} rows)" for code, n in Counter(apart.values).most_common())
    return (
        f"patients: {key!r} has several rows per id, distinguished by {apart.name!r}. Name one of {counts} here. "
        f"If all rows are needed, as for lesions, give each its own id and name {key!r} under 'group' instead."
    )


def _time_notes(table: Table, time: Column | None) -> list[str]:
    """Name the cells of the time column that are not numbers."""
    if time is None:
        return []
    odd = [row for row in table.rows if number(row.cells[time.name]) is None or row.cells[time.name] in time.missing]
    shown = ", ".join(f"line {row.line}{f' {cell!r}' if (cell := row.cells[time.name]) else ''}" for row in odd[:SHOWN])
    more = f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
    remedy = "Write a number there (without thousands separators), or leave the patients out."
    return [f"No time in {time.name!r}: {shown}{more}. {remedy}"] if odd else []


def _sentinel_notes(found: Roles) -> list[str]:
    """Name common numbers for missing that other columns hold as values, so that ``missing`` cannot list them."""
    return [
        f"{column.name!r} holds {', '.join(unclear)}, often a code for missing; leave these cells blank if it is."
        for column in (*found.clinical, *found.features)
        if (unclear := column.sentinels)
    ]


def _endpoint_text(end: Endpoint) -> str:
    names = (
        f"time: {quoted(end.time.name) if end.time else TODO}, event: {quoted(end.event.name) if end.event else TODO}"
    )
    observed, censored = (flow(end.coding.observed), flow(end.coding.censored)) if end.coding.clear else (TODO, TODO)
    return f"{{name: {end.name}, {names}, unit: {end.unit.name or TODO}, observed: {observed}, censored: {censored}}}"


def _endpoint_lines(outcome: Outcome) -> list[str]:
    """Return the endpoint's line; if several endpoints are complete, return all of them as comments to choose from."""
    if not outcome.others:
        return [_endpoint_line(outcome.endpoint)]
    lines = [f"# {_endpoint_line(end)}" for end in (outcome.endpoint, *outcome.others)]
    return [f"endpoint: {TODO}  # TODO: {_which_endpoint(outcome)}", *lines]


def _which_endpoint(outcome: Outcome) -> str:
    first, *others = [f"{end.name} ({_events(end)}" for end in (outcome.endpoint, *outcome.others)]
    listed = ", ".join([f"{first} patients had the event)", *(f"{other})" for other in others)])
    return f"endpoint: the table has {listed}. Replace this line by one of the lines below."


def _events(end: Endpoint) -> str:
    event = end.event
    return f"{sum(x in end.coding.observed for x in event.values)} of {len(event.cells)}" if event else "nobody"


def _endpoint_line(end: Endpoint) -> str:
    remarks = [f"TODO: {' '.join(end.open).rstrip('.')}"] if end.open else []
    if end.event and end.coding.clear:
        reason = end.coding.reason
        why = f", judged {reason}" if reason.startswith("by ") else f": {reason}"
        remarks.append(f"{_events(end)} patients had the event{why}")
    remarks += [f"unit: {end.unit.reason}"] if end.unit.name and end.unit.reason else []
    return f"endpoint: {_endpoint_text(end)}  # {'; '.join(remarks)}"


def _missing_lines(columns: Sequence[Column], ends: Sequence[Endpoint]) -> list[str]:
    codes = {code for end in ends for code in (*end.coding.observed, *end.coding.censored)}
    cells = sorted({cell for column in columns for cell in column.missing} - codes)
    return [f"missing: {flow(cells)}  # cells that mean 'not known'"] if cells else []


def _clinical_lines(found: Roles) -> list[str]:
    lines = ["# Methods see a column only with 'model: true'. Order the levels of an ordinal column from low to high."]
    columns: list[str] = []
    names: set[str] = set()
    for column in found.clinical:
        stem = re.sub(r"[^a-z0-9]+", "_", without_accents(column.name)).strip("_") or "column"
        name = next(n for n in (stem, *(f"{stem}_{k}" for k in range(2, 1000))) if n not in names)
        names.add(name)
        numeric = column.numeric and len(column.codes) > 2
        kind = "kind: numeric" if numeric else f"kind: categorical, levels: {flow(sorted(set(column.values)))}"
        columns.append(f"  - {{name: {quoted_key(name)}, column: {quoted(column.name)}, {kind}, model: false}}")
    return [*lines, "clinical:", *columns] if columns else lines


def _by_reason(left_out: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for column, reason in left_out.items():
        by_reason[reason].append(column)
    return {reason: tuple(columns) for reason, columns in by_reason.items()}


def _left_out_lines(left_out: Mapping[str, tuple[str, ...]], outcome: Outcome) -> list[str]:
    lines = [f"#   {reason}: {', '.join(columns)}" for reason, columns in left_out.items()]
    lines = ["# Columns left out, and why:", *lines] if lines else []
    if set(left_out) & set(outcome.revealing.values()):
        lines.append(
            "# Outcome columns are not predictors. To use another endpoint, name its columns under 'endpoint'."
        )
    return lines


def _name(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")
    return name or "my-cohort"
