"""A table that says which regions are the tumour of each patient, such as that of TCIA's Head-Neck-PET-CT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from survbench.datasets.ingest.hospital_table import require_columns, rows_by_patient
from survbench.io.tables import Table

SEPARATOR = ","


def regions_by_patient(table: Table, id_column: str, columns: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of each patient's regions, by the id in lower case; none for those whose cells are blank.

    Args:
        table: a row per patient; a cell holds a name, or several separated by commas.
        id_column: the column of the ids that the images have.
        columns: those of the names; all of a patient are united.

    Raises:
        BenchError: no such column, or two rows of one patient.
    """
    require_columns(table, columns, called="The table of regions")
    return {
        patient: tuple(
            name.strip() for column in columns for name in row.cells[column].split(SEPARATOR) if name.strip()
        )
        for patient, row in rows_by_patient(table, id_column, called="The table of regions").items()
    }
