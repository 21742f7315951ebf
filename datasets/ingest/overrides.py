"""A table of what the user knows better than the headers, patient by patient: series to take, and values of the SUV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast, get_args

from survbench.datasets.dicom.patient import Request
from survbench.datasets.dicom.suv import DecayCorrection
from survbench.datasets.ingest.hospital_table import rows_by_patient
from survbench.errors import BenchError, UnknownNameError
from survbench.io.tables import Row, Table, number

SERIES = ("pet", "ct", "structures")
VALUES = ("weight_kg", "dose_bq", "half_life_s", "delay_s")
DECAY_CORRECTION = "decay_correction"
COLUMNS = (*SERIES, *VALUES, DECAY_CORRECTION)


def requests_by_patient(table: Table, id_column: str, request: Request) -> Mapping[str, Request]:
    """Return what is wanted of the patients in a table, by the id in lower case. Blank cells change nothing.

    Args:
        table: a row per patient; its columns besides that of the ids are some of :data:`COLUMNS`.
        id_column: the column of the ids that the images have.
        request: what is wanted of all.

    Raises:
        BenchError: an unknown column, two rows of one patient, a cell that is not a number above 0, or not a
            decay correction.
    """
    rows = rows_by_patient(table, id_column, called="The table of overrides")
    for column in table.columns:
        if column not in {*COLUMNS, id_column}:
            raise UnknownNameError("column of overrides", column, COLUMNS, see="docs/reference/dicom.md")
    return {patient: _request(row, request) for patient, row in rows.items()}


def _request(row: Row, request: Request) -> Request:
    filled = {column: cell for column in COLUMNS if (cell := row.cells.get(column, ""))}
    values: dict[str, Any] = {column: _positive(row, column, filled[column]) for column in VALUES if column in filled}
    if DECAY_CORRECTION in filled:
        values[DECAY_CORRECTION] = _decay_correction(row, filled[DECAY_CORRECTION])
    named: dict[str, Any] = {column: filled[column] for column in SERIES if column in filled}
    return replace(request, corrections=replace(request.corrections, **values), **named)


def _positive(row: Row, column: str, cell: str) -> float:
    value = number(cell)
    if value is None or value <= 0:
        raise BenchError(f"Line {row.line} of the table of overrides: {column} is {cell!r}. Give a number above 0.")
    return value


def _decay_correction(row: Row, cell: str) -> DecayCorrection:
    allowed = get_args(DecayCorrection)
    if cell.upper() not in allowed:
        what = f"Line {row.line} of the table of overrides: {DECAY_CORRECTION} is {cell!r}."
        raise BenchError(f"{what} Give one of {', '.join(allowed)}.")
    return cast("DecayCorrection", cell.upper())
