"""``bench predict``: predict patients who are in no cohort."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from survbench.actions.find_study import find_study
from survbench.cli.options import DEFAULT_OUT, AsJson, OutOrPack, StudyName, Workers, examples, say, study_line
from survbench.io.paths import expanded

if TYPE_CHECKING:
    from survbench.actions.predict import Failed, Models
    from survbench.datasets.cards.card import CohortCard
    from survbench.datasets.cohorts.new_patients import NewPatients
    from survbench.evaluation.new_patient import NewPatient, Predictor


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "predict",
        epilog=examples(
            "bench predict deepmts new-patients/",
            "bench predict clinical-cox --clinical stage=III",
            "bench predict deepmts --image pet=PET.nii.gz --image ct=CT.nii.gz --clinical stage=III",
            "bench predict radiomics-lasso-cox dicom-of-one-patient/ --region GTV --to report/",
        ),
    )(predict)


def predict(
    method: Annotated[str, typer.Argument(help="A method of the study that gives a risk.")],
    patients: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="One patient's NIfTI or DICOM; or many patients, as a cohort card lays them out; or a table.",
            exists=True,
        ),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", help="File of a channel of the card. May repeat.", metavar="NAME=FILE"),
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="Tumour mask, for a method that needs one.", dir_okay=False)] = None,
    clinical: Annotated[
        list[str] | None,
        typer.Option("--clinical", help="Clinical value of one patient. May repeat.", metavar="NAME=VALUE"),
    ] = None,
    name: Annotated[str | None, typer.Option("--id", help="Name of one patient in the report.")] = None,
    centre: Annotated[
        str, typer.Option(help="Centre of one patient, for a method that needs it (ComBat).", metavar="NAME")
    ] = "",
    region: Annotated[
        list[str] | None, typer.Option(help="Of DICOM: name of the tumour's region, as in 'bench cohort ingest'.")
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(help="Of a registered cohort: the template's image, where a pack is used.", dir_okay=False),
    ] = None,
    to: Annotated[
        Path, typer.Option("--to", help="Folder for the reports, the masks, and CSV and JSON.", file_okay=False)
    ] = Path("predictions"),
    out: OutOrPack = DEFAULT_OUT,
    study: StudyName = None,
    workers: Workers = None,
    *,
    refit: Annotated[
        bool, typer.Option("--refit", help="By one fit on all patients of the study, fitted once and kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Predict new patients by the models of a study. Research use only.

    No outcome is asked for, and no study or board is made. Exit codes: 0 all predicted, 1 some were not, 2 wrong usage.
    """
    from survbench.actions.new_patients import Given, places_of, read_given
    from survbench.leaderboard.writers.prediction_files import refuse_to_replace

    out, to = expanded(out, "--out").absolute(), expanded(to, "--to")
    models = _models(method, out, study, refit=refit, workers=workers, template=template, to_stderr=as_json)
    given = Given(
        folder=patients,
        images=_pairs("--image", image),
        mask=mask,
        clinical=_pairs("--clinical", clinical),
        id=name,
        centre=centre,
        regions=tuple(region or ()),
    )
    with read_given(given, models) as (card, found):
        refuse_to_replace(to, found.source.cohort.ids, given=places_of(given, card))
        failed = _write(models, card, found, to, as_json=as_json)
    if failed:
        raise typer.Exit(1)


def _models(
    method: str,
    out: Path,
    study: str | None,
    *,
    refit: bool,
    workers: int | None,
    template: Path | None,
    to_stderr: bool,
) -> Models:
    from survbench.actions.predict import fold_models, refitted
    from survbench.actions.refit import refit as fit_again
    from survbench.cli.progress import watching
    from survbench.runs.store import Store
    from survbench.work.process_limits import available_workers

    found = find_study(out, study)
    store = Store(out)
    models = fold_models(found, store, method, template=template)
    if not refit:
        return models
    workers = workers or available_workers()
    with watching(workers, out, to_stderr=to_stderr) as watcher:
        fits = fit_again(found, out, method, workers=workers, watcher=watcher)
    return refitted(found, store, method, fits, template=template)


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """Return ``NAME=VALUE`` options as a mapping."""
    from survbench.errors import BenchError

    found: dict[str, str] = {}
    for one in given or ():
        name, is_pair, value = one.partition("=")
        if not (is_pair and name and value):
            raise BenchError(f"{option} {one!r}: give a name and a value, as in {option} NAME=VALUE.")
        if name in found:
            raise BenchError(f"{option} {name!r} is given twice.")
        found[name] = value
    return found


def _write(models: Models, card: CohortCard, patients: NewPatients, to: Path, *, as_json: bool) -> int:
    """Predict and write all patients, and say of each what came out; return how many were not predicted."""
    from survbench.actions.predict import Failed, predict_patients
    from survbench.evaluation.new_patient import RESEARCH_ONLY
    from survbench.leaderboard.writers.prediction_files import CSV, JSON, PredictionFiles

    to.mkdir(parents=True, exist_ok=True)
    predictor = models.predictor
    count = failed = 0
    if not as_json:
        say(RESEARCH_ONLY)
        say(f"{study_line(predictor.study)}, method {predictor.entry.name}")
        say(predictor.rule)
        if predictor.caution:
            say(f"Note: {predictor.caution}")
    segments = "segmentation" in predictor.entry.gives
    with PredictionFiles(to, predictor) as files:
        for patient in predict_patients(models, patients, card, masks=to if segments else None):
            count += 1
            if isinstance(patient, Failed):
                failed += 1
                files.failed(patient.id, patient.reasons)
                typer.echo(_failed_line(patient), err=True)
                continue
            report = files.predicted(patient)
            if not as_json:
                for line in _lines(patient, report, predictor):
                    say(line)
    if as_json:
        with (to / JSON).open(encoding="utf-8") as written:  # of many patients it is large
            shutil.copyfileobj(written, sys.stdout)
        sys.stdout.flush()
    else:
        say(f"Files: {to / CSV}, {JSON} and a report of each patient: {count - failed} predicted, {failed} not.")
    return failed


def _failed_line(patient: Failed) -> str:
    return f"{patient.id}: not predicted. {' '.join(patient.reasons)}"


def _lines(patient: NewPatient, report: Path, predictor: Predictor) -> list[str]:
    """Return what the terminal says of a patient."""
    from survbench.evaluation.new_patient import RANGE

    placed = patient.all_models
    head = f"{patient.id}: risk {placed.risk:+.3f}, percentile {placed.percentile:.1f} of the study's out-of-fold risks"
    lines = [head]
    months = placed.at(predictor.months)
    if months:
        shown = ", ".join(f"{month}: {mean:.2f} ({low:.2f}–{high:.2f})" for month, mean, low, high in months)
        several = f" (in brackets {RANGE})" if placed.models > 1 else ""
        lines.append(f"  survival at months {shown}{several}")
    if placed.survival is not None and predictor.beyond:
        lines.append(f"  {predictor.beyond}")
    if patient.mask:
        lines.append(f"  mask {patient.mask}, {patient.tumour_ml:.1f} ml")
    lines += [f"  {warning}" for warning in patient.warnings]
    return [*lines, f"  report {report}"]
