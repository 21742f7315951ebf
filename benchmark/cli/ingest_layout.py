"""``bench cohort ingest --layout``: what a layout says in place of options, and a tree of NIfTI files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from survbench.cli.options import first_of, say

if TYPE_CHECKING:
    from survbench.actions.ingest import Clinical
    from survbench.actions.ingest_nifti import Linked
    from survbench.datasets.cards.card import CohortCard
    from survbench.datasets.layouts.layout import Layout, Nifti
    from survbench.datasets.layouts.outcome import LaidOut


class MaskOn(StrEnum):
    """The image whose grid the mask prefers."""

    PET = "pet"
    CT = "ct"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options that say which regions are the tumour, and on which image.

    Attributes:
        region: names of regions.
        regions: table of each patient's regions.
        id_column: its column of ids.
        columns: its columns of names.
        mask_on: the image to prefer.
        structures: the series of regions.
        unite: whether to unite regions of one name.
    """

    region: tuple[str, ...] = ()
    regions: Path | None = None
    id_column: str | None = None
    columns: tuple[str, ...] = ()
    mask_on: MaskOn | None = None
    structures: str | None = None
    unite: bool = False


def filled_in(given: Wanted, layout: Layout, source: Path) -> Wanted:
    """Return the options with what a layout says where none was given.

    Args:
        given: the options as given.
        layout: of DICOM files.
        source: folder in which the layout's table of regions is looked for.

    Raises:
        BenchError: the table of regions is missing.
    """
    from survbench.datasets.layouts.tables import file_in

    dicom = layout.dicom
    if dicom is None:
        return given
    filled = replace(
        given,
        mask_on=given.mask_on or MaskOn(dicom.mask_on),
        structures=given.structures or dicom.structures,
        unite=given.unite or dicom.unite,
    )
    if given.region:
        return filled
    if dicom.regions is None:
        return replace(filled, region=dicom.region if given.regions is None else ())
    return replace(
        filled,
        regions=given.regions or file_in(source, dicom.regions.file, "--regions"),
        id_column=given.id_column or dicom.regions.id,
        columns=given.columns or dicom.regions.columns,
    )


def cards_and_clinical(layout: Layout, source: Path, table: Path | None) -> tuple[dict[str, CohortCard], Clinical]:
    """Return a layout's cards, and the clinical table of a folder of DICOM; all columns of a layout are kept."""
    from survbench.actions.ingest import Clinical
    from survbench.datasets.ingest.clinical import ID
    from survbench.datasets.ingest.hospital_table import plain
    from survbench.datasets.layouts.cards import cards_of
    from survbench.datasets.layouts.outcome import NO_OUTCOME

    laid_out = _laid_out(layout, source, table)
    rowless = dict.fromkeys(map(plain, laid_out.without_outcome), NO_OUTCOME)
    rowless |= {plain(one): why for one, why in laid_out.wrong.items()}
    keep = tuple(column for column in laid_out.table.columns if column != ID)
    return cards_of(layout), Clinical(laid_out.table, ID, keep, rowless)


def _laid_out(layout: Layout, source: Path, table: Path | None) -> LaidOut:
    from survbench.datasets.layouts.outcome import with_outcome
    from survbench.datasets.layouts.tables import read_rows

    return with_outcome(layout, read_rows(layout, source, table))


def ingest_nifti(source: Path, out: Path, layout: Layout, nifti: Nifti, table: Path | None) -> None:
    """Write a cohort of links to the files of a tree, and say what came of it; end with 1 if a patient failed."""
    from survbench.actions.ingest_nifti import link_cohort

    done = link_cohort(source, out, layout, nifti, _laid_out(layout, source, table))
    _show(done, layout, out)
    if done.failed:
        raise typer.Exit(1)


def _show(done: Linked, layout: Layout, out: Path) -> None:
    from survbench.findings import things

    for patient, why in done.failed.items():
        say(f"Failed    {patient}: {why}")
    for what, names in (("an outcome", done.without_outcome), ("a row in the tables", done.without_row)):
        if names:
            say(f"Left out  {things(len(names), 'patient')} without {what}: {first_of(names)}")
    if done.imageless:
        say(f"Left out  {things(done.imageless, 'row')} of the tables without images")
    if done.others:
        say(f"Left out  {things(done.others, 'other file')}")
    say(f"Wrote     {things(len(done.patients), 'patient')} to {out}, as links to the files of {layout.name}")
    say(f"Next      bench cohort check {shlex.quote(str(out))}")
