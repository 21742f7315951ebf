"""Read a table that names each patient's tumour regions, such as the table of TCIA's Head-Neck-PET-CT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from survbench.datasets.ingest.hospital_table import require_columns, rows_by_patient
from survbench.io.tables import Table

SEPARATOR = ","


def regions_by_patient(table: Table, id_column: str, columns: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of each patient's regions, by lower-case id; empty for patients whose cells are blank.

    Args:
        table: one row per patient; a cell holds one name, or several separated by commas.
        id_column: the column with the ids used in the images.
        columns: the columns with region names; all regions of a patient are united.

    Raises:
        BenchError: there is no such column, or a patient has two rows.
    """
    require_columns(table, columns, called="The table of regions")
    return {
        patient: tuple(
            name.strip() for column in columns for name in row.cells[column].split(SEPARATOR) if name.strip()
        )
        for patient, row in rows_by_patient(table, id_column, called="The table of regions").items()
    }
