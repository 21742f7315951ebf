"""The clinical table under pseudonyms, without the columns that may say who somebody is.

A column is kept if it is numbers or a few codes. Names, dates and free text are nearly all different, so that is what
they are told by, besides what their columns are called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from survbench.datasets.dicom.identifying import IdentifyingValue
from survbench.datasets.ingest.hospital_table import plain, require_columns
from survbench.datasets.vocabulary.words import without_accents
from survbench.errors import BenchError
from survbench.findings import things
from survbench.io.csv_text import csv_text
from survbench.io.files import write_text
from survbench.io.numerals import mostly_numerals
from survbench.io.tables import Table

CLINICAL, ID = "clinical.csv", "id"
_IDENTIFYING = re.compile(
    r"name|vorname|prenom|nombre|cognome|birth|dob\b|geburt|naissance|nascita|nacimiento|address|adresse|street|strasse|"
    r"zip|postal|plz|phone|telefon|email|e-mail|mrn|ssn|insurance|versicher|accession|physician|arzt|doctor|"
    r"comment|remark|note|bemerkung|kommentar",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"((patient|pat|full|last|first|sur|family|given|middle|birth|nach|vor)\w*[\s_.-]*)?name|nom|prenom|nombre|apellidos?|"
    r"cognome|nome"
)
"""Columns of persons' names, not of hospitals'."""
_KIND = "a cell of the clinical table"
_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}|(19|20)\d{6}")
_SHOWN = 5
_SHORTEST, _FEWEST_DIGITS = 3, 6
"""Letters of a part of a name that is looked for in cells, and digits of a number: shorter ones are measured, too."""


@dataclass(frozen=True, slots=True)
class JoinedTable:
    """The table of a cohort.

    Attributes:
        columns: those that are kept, without the ids.
        rows: cells by id of the images, in the table's order.
        left_out: why each other column was left out.
        imageless: how many rows have no images.
        secret: cells of the ids and of the columns that are left out, also of the rows without images.
        ids: of all rows.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]
    imageless: int
    secret: frozenset[IdentifyingValue]
    ids: tuple[str, ...]

    @property
    def cells(self) -> frozenset[str]:
        """The cells that are passed on."""
        return frozenset(cell for cells in self.rows.values() for cell in cells)

    def alike(self, patient: str) -> str:
        """Return the id of a row that differs from a patient's in leading zeros, which Excel drops; "" if none."""
        return next((one for one in self.ids if plain(one).lstrip("0") == plain(patient).lstrip("0")), "")


def join(
    table: Table,
    column: str,
    patients: Collection[str],
    identifying: Collection[str],
    keep: Collection[str] = (),
    holds_secret: Callable[[str], bool] = lambda _: False,
) -> JoinedTable:
    """Return the rows of the patients that have images, and the columns that may be passed on.

    Args:
        table: as the hospital has it.
        column: its column of the ids that the images have, compared without regard to case.
        patients: ids of the images.
        identifying: values that name patients; a column with one of them in a cell is left out, also if it is to be
            kept.
        keep: columns to keep whatever they hold otherwise.
        holds_secret: says whether a cell is a value of the headers that may tell of a patient, such as an institution.

    Raises:
        BenchError: no such column, or two rows of one patient.
    """
    require_columns(table, (column, *keep), called="The table")
    ids = {plain(patient): patient for patient in patients}
    found = [(ids[key], row) for row in table.rows if (key := plain(row.cells[column])) in ids]
    lines: dict[str, list[int]] = {}
    for patient, row in found:
        lines.setdefault(patient, []).append(row.line)
    twice = [" and ".join(map(str, of)) for of in lines.values() if len(of) > 1]
    if twice:
        shown = "; ".join(twice[:_SHOWN]) + ("; ..." if len(twice) > _SHOWN else "")
        raise BenchError(
            f"{things(len(twice), 'patient')} with images {'has' if len(twice) == 1 else 'have'} more than one row in "
            f"the clinical table: lines {shown}. Keep one row of each."
        )
    words = {plain(word) for word in identifying if len(word.strip()) >= _SHORTEST}
    words = {word for word in words if not word.isdecimal() or len(word) >= _FEWEST_DIGITS}
    left_out: dict[str, str] = {}
    for name in table.columns:
        cells = [row.cells[name] for _, row in found if row.cells[name]]
        if name == column:
            continue
        if cells and all(plain(row.cells[name]) in {"", plain(p)} for p, row in found):
            left_out[name] = "holds the ids of the images"
        elif reason := _reason(name, cells, words, kept=name in keep):
            left_out[name] = reason
        elif any(map(holds_secret, cells)) and name not in keep:
            left_out[name] = "holds what the headers say of a patient"
    columns = tuple(name for name in table.columns if name != column and name not in left_out)
    rows = {patient: tuple(row.cells[name] for name in columns) for patient, row in found}
    secret = frozenset(
        IdentifyingValue(
            _KIND, row.cells[name], person=name == column or _NAME.fullmatch(without_accents(name)) is not None
        )
        for name in (column, *left_out)
        for row in table.rows
    )
    listed = tuple(row.cells[column] for row in table.rows)
    return JoinedTable(columns, rows, left_out, len(table.rows) - len(found), secret, listed)


def write_clinical(cohort: Path, joined: JoinedTable, pseudonyms: Mapping[str, str]) -> Path:
    """Write the rows of the patients that have a pseudonym, sorted by it, which also hides the order of the table."""
    rows = sorted([pseudonyms[p], *cells] for p, cells in joined.rows.items() if p in pseudonyms)
    path = cohort / CLINICAL
    write_text(path, csv_text([ID, *joined.columns], rows))
    return path


def _reason(name: str, cells: list[str], words: Collection[str], *, kept: bool) -> str:
    """Return why a column is left out; "" where it is not."""
    if any(word in re.split(r"[\s,;^]+", plain(cell)) for cell in cells for word in words):
        return "holds a name or id of the images"
    if kept:
        return ""
    if _IDENTIFYING.search(without_accents(name)):
        return "called like what identifies a patient, or like free text"
    if any(_DATE.search(cell) for cell in cells):
        return "holds dates"
    if not mostly_numerals(cells) and len(set(cells)) > max(2, len(cells) / 2):
        return "text that differs from patient to patient"
    return ""
