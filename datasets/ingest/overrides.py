"""Read a table of the user's overrides by patient: series to use, and values for the SUV conversion."""

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
    """Return the request for each patient in a table of overrides, by lower-case id. Blank cells change nothing.

    Args:
        table: one row per patient; columns other than the id column must be among :data:`COLUMNS`.
        id_column: the column with the ids used in the images.
        request: the request for all patients.

    Raises:
        BenchError: a column is unknown, a patient has two rows, or a cell is neither a number above 0 nor, in its
            column, a decay correction.
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
        raise BenchError(f"Line {row.line} of the table of overrides: {column} is {cell!r}. Enter a number above 0.")
    return value


def _decay_correction(row: Row, cell: str) -> DecayCorrection:
    allowed = get_args(DecayCorrection)
    if cell.upper() not in allowed:
        what = f"Line {row.line} of the table of overrides: {DECAY_CORRECTION} is {cell!r}."
        raise BenchError(f"{what} Enter one of {', '.join(allowed)}.")
    return cast("DecayCorrection", cell.upper())
