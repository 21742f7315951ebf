"""Read a table that names each patient's tumour regions, such as the table of TCIA's Head-Neck-PET-CT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from survbench.datasets.dicom.regions import Wish, numbered
from survbench.datasets.ingest.hospital_table import require_columns, rows_by_patient
from survbench.io.tables import Table

SEPARATOR = ","


def regions_by_patient(
    table: Table, id_column: str, columns: Sequence[str], structures: Sequence[str] = ()
) -> Mapping[str, Wish]:
    """Return the regions of each patient, by lower-case id; without a pattern for patients whose cells are blank.

    Args:
        table: one row per patient; a cell holds one name, or several separated by commas.
        id_column: the column with the ids used in the images.
        columns: the columns with region names.
        structures: the structure of each column; empty to unite all regions of a patient.

    Raises:
        BenchError: there is no such column, or a patient has two rows.
    """
    require_columns(table, columns, called="The table of regions")
    wishes = {}
    for patient, row in rows_by_patient(table, id_column, called="The table of regions").items():
        cells = [(n, name.strip()) for n, column in enumerate(columns) for name in row.cells[column].split(SEPARATOR)]
        named = [(n, name) for n, name in cells if name]
        wishes[patient] = Wish(
            patterns=tuple(name for _, name in named),
            of=tuple(structures[n] for n, _ in named) if structures else (),
            structures=numbered(structures),
        )
    return wishes
