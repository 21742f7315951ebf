"""``bench cohort ingest`` of a tree of NIfTI files by a layout: links to the files, clinical table and cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from survbench.datasets.cards.file_pattern import file_of
from survbench.datasets.ingest.clinical import CLINICAL, ID
from survbench.datasets.ingest.patient_files import IMAGES
from survbench.datasets.layouts.cards import cards_of, image_pattern, write_cards
from survbench.datasets.layouts.layout import Layout, Nifti
from survbench.datasets.layouts.outcome import LaidOut
from survbench.datasets.layouts.tables import same_patient
from survbench.datasets.layouts.tree import KINDS, tree_of
from survbench.errors import BenchError
from survbench.io.csv_text import csv_text
from survbench.io.files import write_text
from survbench.io.holding import held
from survbench.io.tables import Row


@dataclass(frozen=True, slots=True)
class Linked:
    """What came of a tree of NIfTI files.

    Attributes:
        patients: ids of the cohort's patients.
        failed: why other patients cannot be used, by id.
        without_outcome: ids of patients with images, for whom the source gives no outcome.
        without_row: ids of patients with images, and without a row in the tables.
        imageless: number of patients with an outcome and without images.
        others: number of files that belong to no patient.
    """

    patients: tuple[str, ...]
    failed: Mapping[str, str]
    without_outcome: tuple[str, ...]
    without_row: tuple[str, ...]
    imageless: int
    others: int


def link_cohort(source: Path, out: Path, layout: Layout, nifti: Nifti, laid_out: LaidOut) -> Linked:
    """Write a cohort whose images are links to the files of a tree. Ids stay as they are.

    Args:
        source: folder of the tree.
        out: folder of the cohort; links and table of an earlier call are replaced, cards are kept.
        layout: of the source.
        nifti: the layout's tree.
        laid_out: the clinical table.

    Raises:
        BenchError: one folder lies in the other, the source is not a folder, no patient has all files and an outcome,
            or a file of somebody else is where a link belongs.
    """
    source, out = source.resolve(), out.resolve()
    if source.is_relative_to(out) or out.is_relative_to(source):
        raise BenchError(f"{out} and {source} lie in each other. Give a folder elsewhere for the cohort.")
    if not source.is_dir():
        raise BenchError(
            f"{source} is not a folder. Unpack it, and give the folder: a cohort of NIfTI links to its files."
        )
    tree = tree_of(source, nifti)
    rows = {same_patient(row.cells[ID]): row for row in laid_out.table.rows}
    without = {same_patient(one): one for one in laid_out.without_outcome}
    wrong = {same_patient(one): (one, why) for one, why in laid_out.wrong.items()}
    chosen = {row.cells[ID]: tree.files[key] for key, row in rows.items() if key in tree.files}
    named = {key: row.cells[ID] for key, row in rows.items()}
    if not chosen:
        raise BenchError(
            f"No patient in {source} has {', '.join(KINDS)} and an outcome: {len(tree.files)} have the files, "
            f"{len(rows)} an outcome. The layout looks for {', '.join(nifti.pet)}."
        )
    with held(out):
        _link(out, layout, chosen)
        _write_table(out, laid_out, [row for row in rows.values() if row.cells[ID] in chosen])
        write_cards(out, cards_of(layout))
    failed = {named.get(key, key): why for key, why in tree.wrong.items() if key not in without}
    failed |= {one: why for key, (one, why) in wrong.items() if key in tree.files}
    return Linked(
        patients=tuple(sorted(chosen)),
        failed=dict(sorted(failed.items())),
        without_outcome=tuple(sorted(one for key, one in without.items() if key in tree.files)),
        without_row=tuple(sorted(tree.files.keys() - rows.keys() - without.keys() - wrong.keys())),
        imageless=len(rows.keys() - tree.files.keys() - tree.wrong.keys()),
        others=tree.others,
    )


def _link(out: Path, layout: Layout, files: Mapping[str, Mapping[str, Path]]) -> None:
    """Write the links of all patients, and remove those of an earlier call."""
    folder = out / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    there = sorted(folder.iterdir())
    foreign = [path for path in there if not path.is_symlink()]
    if foreign:
        raise BenchError(f"{foreign[0]} is not a link that an earlier call made. Give another folder by --out.")
    for path in there:
        path.unlink()
    for patient, of_patient in files.items():
        for kind, path in of_patient.items():
            (out / file_of(image_pattern(layout, kind), patient)).symlink_to(path)


def _write_table(out: Path, laid_out: LaidOut, rows: list[Row]) -> None:
    columns = laid_out.table.columns
    cells = sorted([row.cells[column] for column in columns] for row in rows)
    write_text(out / CLINICAL, csv_text(columns, cells))
