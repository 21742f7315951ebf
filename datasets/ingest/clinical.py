"""Write the clinical table under pseudonyms, without columns that may identify patients.

A column is kept if it has numbers or a few codes. Names, dates and free text are recognised by the column's name, and
by the fact that nearly all their values differ.
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
"""Names of columns with personal names, not with names of hospitals."""
_KIND = "a cell of the clinical table"
_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}|(19|20)\d{6}")
_SHOWN = 5
_SHORTEST, _FEWEST_DIGITS = 3, 6
"""Fewest letters of a part of a name, and digits of a number, that are searched in cells; shorter ones match by chance.
"""


@dataclass(frozen=True, slots=True)
class JoinedTable:
    """The clinical table of a cohort.

    Attributes:
        columns: the columns that are kept, without the id column.
        rows: cells by image id, in the table's order.
        left_out: why each other column was left out, by column.
        imageless: number of rows without images.
        secret: cells of the id column and of columns left out, including rows without images.
        ids: ids of all rows.
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
        """Return the row id that equals a patient's id except for leading zeros, which Excel drops; "" if none does."""
        return next((one for one in self.ids if plain(one).lstrip("0") == plain(patient).lstrip("0")), "")


def join(
    table: Table,
    column: str,
    patients: Collection[str],
    identifying: Collection[str],
    keep: Collection[str] = (),
    holds_secret: Callable[[str], bool] = lambda _: False,
) -> JoinedTable:
    """Return the rows of the patients with images, and the columns that may be passed on.

    Args:
        table: the hospital's table.
        column: its column with the ids used in the images, compared without regard to case.
        patients: ids in the images.
        identifying: values that name patients; a column with one of them in a cell is left out even if it is in
            ``keep``.
        keep: columns to keep whatever else they contain.
        holds_secret: returns whether a cell is a header value that may identify a patient, such as an institution.

    Raises:
        BenchError: there is no such column, or a patient has two rows.
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
            f"the clinical table: lines {shown}. Keep one row per patient."
        )
    words = {plain(word) for word in identifying if len(word.strip()) >= _SHORTEST}
    words = {word for word in words if not word.isdecimal() or len(word) >= _FEWEST_DIGITS}
    left_out: dict[str, str] = {}
    for name in table.columns:
        cells = [row.cells[name] for _, row in found if row.cells[name]]
        if name == column:
            continue
        if cells and all(plain(row.cells[name]) in {"", plain(p)} for p, row in found):
            left_out[name] = "contains the ids of the images"
        elif reason := _reason(name, cells, words, kept=name in keep):
            left_out[name] = reason
        elif any(map(holds_secret, cells)) and name not in keep:
            left_out[name] = "contains values from the headers about a patient"
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
    """Write the rows of patients who have a pseudonym, sorted by it to hide the order of the hospital's table."""
    rows = sorted([pseudonyms[p], *cells] for p, cells in joined.rows.items() if p in pseudonyms)
    path = cohort / CLINICAL
    write_text(path, csv_text([ID, *joined.columns], rows))
    return path


def _reason(name: str, cells: list[str], words: Collection[str], *, kept: bool) -> str:
    """Return why a column is left out, or "" if it is kept."""
    if any(word in re.split(r"[\s,;^]+", plain(cell)) for cell in cells for word in words):
        return "contains a name or id from the images"
    if kept:
        return ""
    if _IDENTIFYING.search(without_accents(name)):
        return "its name suggests identifying data or free text"
    if any(_DATE.search(cell) for cell in cells):
        return "contains dates"
    if not mostly_numerals(cells) and len(set(cells)) > max(2, len(cells) / 2):
        return "text that differs from patient to patient"
    return ""
