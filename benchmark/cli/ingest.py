"""``bench cohort ingest``: read a hospital's folder of DICOM into a cohort."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from survbench.cli.ingest_layout import MaskOn, Wanted
from survbench.cli.options import Workers, examples, first_of, say

if TYPE_CHECKING:
    from survbench.actions.ingest import Clinical, Ingested
    from survbench.datasets.dicom.regions import Wish
    from survbench.datasets.ingest.pseudonyms import Naming


IDS = "Patient"
"""Column of --overrides and --pseudonyms with the ids of the images."""
PRELOAD = ["survbench.jobs.reading_preload"]


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(
        "ingest",
        epilog=examples(
            "bench cohort ingest dicom/ --out our-cohort/ --region GTV --table clinical.xlsx --id Patient",
            "bench cohort ingest dicom/ --out our-cohort/ --region GTVp --region GTVn --unite",
            "bench cohort ingest dicom/ --out our-cohort/ --region gtvp=GTVp --region gtvn=GTVn --unite",
            "bench cohort ingest dicom/ --out our-cohort/ --regions contours.xlsx --region-column GTV",
            "bench cohort ingest Head-Neck-PET-CT/ --out hn/ --layout head-neck-pet-ct",
        ),
    )(ingest)


def ingest(
    source: Annotated[
        Path, typer.Argument(help="Folder with DICOM files, or an archive (.zip, .tar, .tar.gz).", exists=True)
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the cohort.", file_okay=False)],
    layout: Annotated[
        str | None,
        typer.Option(
            help="Name or YAML file of a layout, for --id, --sheet, --header-row, --keep (docs/reference/layouts.md)."
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of the tumour's region, with * and ?; A|B takes the first that is there. May repeat. "
            "gtvn=NAME makes it a structure of its own, called gtvn, which a patient may lack."
        ),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Clinical table: CSV, TSV, Parquet or .xlsx.")] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column of --table with the ids of the images (default: Patient).")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of --table (default: all).")] = None,
    header_row: Annotated[
        int | None, typer.Option(min=1, help="Row of the columns' names in a sheet (default: 1).")
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Column to keep though it may identify. May repeat.")] = None,
    regions: Annotated[Path | None, typer.Option(help="Table of each patient's regions, in place of --region.")] = None,
    region_id: Annotated[str | None, typer.Option(help="Column of --regions with the ids (default: Patient).")] = None,
    region_column: Annotated[
        list[str] | None,
        typer.Option(help="Column of --regions with names, separated by commas, or gtvn=COLUMN. May repeat."),
    ] = None,
    overrides: Annotated[
        Path | None,
        typer.Option(help="Table of series to take and values of the SUV, by patient (docs/reference/dicom.md)."),
    ] = None,
    mask_on: Annotated[
        MaskOn | None, typer.Option(help="Image whose contours to prefer where both have some (default: pet).")
    ] = None,
    pet: Annotated[str | None, typer.Option(help="PET series: number, description or UID.")] = None,
    ct: Annotated[str | None, typer.Option(help="CT series: number, description or UID.")] = None,
    structures: Annotated[str | None, typer.Option(help="RTSTRUCT or SEG: number, description or UID.")] = None,
    key: Annotated[Path | None, typer.Option(help="File of the pseudonyms' key (default: OUT.key).")] = None,
    pseudonyms: Annotated[
        Path | None, typer.Option(help="Table of ids (Patient) and pseudonyms (Pseudonym), in place of --key.")
    ] = None,
    workers: Workers = None,
    *,
    unite: Annotated[bool, typer.Option("--unite", help="Unite all regions that a name matches.")] = False,
) -> None:
    """Read PET in SUV, CT in HU and contours of all patients in a folder of DICOM, and write them as a cohort.

    Archives in the folder are unpacked for the time of reading.

    Patients get pseudonyms. One that cannot be read is listed with the reason, the others are written, and the command
    ends with 1. What is there from an earlier call is not read again.
    """
    from survbench.actions.ingest import ingest as read_folder
    from survbench.cli.ingest_layout import cards_and_clinical, filled_in, ingest_nifti
    from survbench.datasets.dicom.patient import Request
    from survbench.datasets.dicom.regions import Wish, by_structure, numbered
    from survbench.datasets.ingest.overrides import requests_by_patient
    from survbench.datasets.ingest.pseudonyms import refuse_inside
    from survbench.datasets.layouts.layout import load_layout
    from survbench.io.workbooks import read_any_table
    from survbench.jobs.process import process_context
    from survbench.work.process_limits import available_workers

    given = Wanted(tuple(region or ()), regions, region_id, tuple(region_column or ()), mask_on, structures, unite)
    if key is not None and pseudonyms is not None:
        raise typer.BadParameter("--pseudonyms takes the place of --key")
    if layout is not None and any((id_column, sheet, header_row, keep)):
        raise typer.BadParameter("--layout takes the place of --id, --sheet, --header-row and --keep")
    for path in (table, regions, overrides, pseudonyms):
        if path is not None:
            refuse_inside(path, out)
    chosen = None if layout is None else load_layout(layout)
    if chosen is not None and chosen.nifti is not None:
        if given != Wanted() or any((pet, ct, overrides, key, pseudonyms)):
            raise typer.BadParameter(f"{chosen.name} is a layout of NIfTI files, with which only --table is used")
        ingest_nifti(source, out, chosen, chosen.nifti, table)
        return
    wanted = given if chosen is None else filled_in(given, chosen, source)
    if wanted.regions is not None and (wanted.region or not wanted.columns):
        raise typer.BadParameter("--regions needs --region-column, and takes the place of --region")
    patterns, of = by_structure(wanted.region, "--region")
    wish = Wish(patterns, unite=wanted.unite, of=of, structures=numbered(of), may_lack=bool(of))
    request = Request(wish, (wanted.mask_on or MaskOn.PET).value, pet, ct, wanted.structures)
    single = None if overrides is None else requests_by_patient(read_any_table(overrides), IDS, request)
    if chosen is None:
        cards, clinical = None, _clinical(table, id_column or IDS, sheet, header_row, keep)
    else:
        cards, clinical = cards_and_clinical(chosen, source, table)
    process_context(PRELOAD)
    sys.stderr.write(f"Reading the headers in {source}\n")
    done = read_folder(
        source,
        out,
        request=request,
        naming=_naming(out, key, pseudonyms),
        regions=_regions(wanted),
        overrides=single,
        clinical=clinical,
        cards=cards,
        workers=workers or available_workers(),
        progress=_progress,
    )
    _show_read(done)
    _show_written(done, out)
    errors = any(finding.severity == "error" for finding in done.findings)
    if done.failed or done.contents.unreadable or done.refused or done.leaks or errors:
        raise typer.Exit(1)


def _regions(wanted: Wanted) -> Mapping[str, Wish] | None:
    from survbench.datasets.dicom.regions import by_structure
    from survbench.datasets.ingest.region_table import regions_by_patient
    from survbench.io.workbooks import read_any_table

    if wanted.regions is None:
        return None
    columns, of_columns = by_structure(wanted.columns, "--region-column")
    return regions_by_patient(read_any_table(wanted.regions), wanted.id_column or IDS, columns, of_columns)


def _naming(out: Path, key: Path | None, table: Path | None) -> Naming:
    from survbench.datasets.ingest.pseudonyms import by_key, by_table, read_or_make_key
    from survbench.io.workbooks import read_any_table

    if table is None:
        return by_key(read_or_make_key(key or out.with_name(f"{out.name}.key"), outside=out))
    return by_table(read_any_table(table), IDS)


def _clinical(
    table: Path | None, id_column: str, sheet: str | None, header_row: int | None, keep: list[str] | None
) -> Clinical | None:
    from survbench.actions.ingest import Clinical
    from survbench.io.workbooks import read_any_table

    if table is None:
        return None
    return Clinical(read_any_table(table, sheet=sheet, header_row=header_row or 1), id_column, tuple(keep or ()))


def _progress(done: int, total: int) -> None:
    sys.stderr.write(f"{done} of {total} patients\n")


def _show_read(done: Ingested) -> None:
    from survbench.findings import things

    contents, joined = done.contents, done.joined
    passed = [f"{things(contents.others, 'other file')}"] if contents.others else []
    passed += [things(contents.directories, "DICOMDIR")] if contents.directories else []
    rest = f"; passed over: {', '.join(passed)}" if passed else ""
    say(f"Found     {len(contents.series):,} series of {things(len(contents.by_patient()), 'patient')}{rest}")
    for archive, why in done.refused.items():
        say(f"Refused   {archive}: {why}")
    if contents.unreadable:
        count = things(len(contents.unreadable), "file")
        say(f"Left out  {count} that cannot be read: {first_of(map(str, contents.unreadable))}")
    for patient, what in done.failed.items():
        say(f"Failed    {patient or '(no id)'}: {what}")
    for note, patients in _by_note(done.notes).items():
        who = patients[0] if len(patients) == 1 else things(len(patients), "patient")
        say(f"Noted     {who}: {note}")
    if joined is not None:
        for column, why in joined.left_out.items():
            say(f"Left out  {column}: {why}")
        if joined.imageless:
            say(f"Left out  {things(joined.imageless, 'row')} of the table without images")
    if done.unused:
        say(f"Left out  {things(len(done.unused), 'override')} of ids that no patient has: {first_of(done.unused)}")


def _show_written(done: Ingested, out: Path) -> None:
    from survbench.cli.findings import show_findings
    from survbench.findings import grouped, things

    kept = f", {len(done.kept)} were there" if done.kept else ""
    say(f"Wrote     {things(len(done.written), 'patient')} to {out}{kept}")
    if done.leftover:
        who = f"{things(len(done.leftover), 'patient')} that this call did not write: {first_of(done.leftover)}"
        say(f"Leftover  {out} also holds {who}. To be rid of them, remove the folder and call again.")
    show_findings(grouped(done.findings))
    for leak in done.leaks:
        say(f"Leak      {leak.file} holds a value that may identify a patient: {leak.kind}. Do not pass the cohort on.")
    for line in done.todo or ():
        say(f"TODO      {line}")
    quoted = shlex.quote(str(out))
    then = "cohort init {} --table TABLE" if done.joined is None else "cohort check {}"
    if done.written or done.kept:
        say(f"Next      bench {then.format(quoted)}")


def _by_note(notes: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    patients: dict[str, list[str]] = {}
    for patient, noted in notes.items():
        for note in noted:
            patients.setdefault(note, []).append(patient)
    return patients
