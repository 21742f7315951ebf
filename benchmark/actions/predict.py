"""Predict patients who are in no cohort by the models of a study: no outcome is asked for, no board is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.actions.masks import write_mask
from survbench.actions.request import available_device
from survbench.actions.study_cohort import StudyCohort, contents_of, images_of, read_study_cohort
from survbench.cohort import Cohort, FeatureTable, Need
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.cards.template import Template
from survbench.datasets.checks.catalogue import of_voxels
from survbench.datasets.cohorts.compatible import refuse_different
from survbench.datasets.cohorts.facts_store import facts_key, read_facts
from survbench.datasets.cohorts.new_patients import NewPatients, needed_part
from survbench.datasets.cohorts.opened import Cohorts, centre_of, volume_names
from survbench.datasets.preprocessing.cache import volume_store
from survbench.datasets.preprocessing.grid import Grid, plan_grid
from survbench.datasets.readers.feature_table import table_keys
from survbench.errors import BenchError, UnknownNameError, message_of
from survbench.evaluation.learning import verdicts
from survbench.evaluation.new_patient import (
    PREDICTED_MASK,
    ModelPrediction,
    NewPatient,
    Placed,
    Predictor,
    Reference,
    Training,
)
from survbench.evaluation.standardised import standardised
from survbench.findings import Finding
from survbench.io.layout import Status
from survbench.jobs.prepared_files import subject_rows, write_unlabelled
from survbench.plan.job import FitJob
from survbench.plan.study import Entry, Study
from survbench.runs.store import Run, Store
from survbench.work.fold_models import Answer, FoldModel
from survbench.work.prepare import prepare
from survbench.work.prepared import PreparedCohort


@dataclass(frozen=True, slots=True)
class Failed:
    """A patient who cannot be predicted, and why."""

    id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models of a method, and what they need to see of a patient.

    Attributes:
        predictor: what predicts.
        cohort: of the study.
        models: by fold and seed.
        scales: the risks by which each model is standardised, by the key of its fit.
        needs: what the method, and the one whose features it takes, see of a patient.
        tested: the fold that tested each patient, by id.
        template: to which patients are registered; None where they are not, or no image is seen.
    """

    predictor: Predictor
    cohort: StudyCohort
    models: tuple[FoldModel, ...]
    scales: dict[str, NDArray[np.float64]]
    needs: frozenset[Need]
    tested: dict[str, int]
    template: Template | None = None

    @property
    def grid(self) -> Grid | None:
        """The common grid of the study; None without images."""
        view = self.cohort.card.field_of_view_mm
        return None if view is None else plan_grid(view, self.predictor.study.profile.voxels)


def fold_models(study: Study, store: Store, name: str, *, template: Path | None = None) -> Models:
    """Return the models of all folds and seeds of a method.

    Args:
        study: the study.
        store: its runs.
        name: of the method.
        template: file of the template to which patients are registered, where the output folder does not have it.

    Raises:
        UnknownNameError: the study has no such method.
        BenchError: it gives no risk, or is not complete; or the study does not say how images are read.
    """
    entry = _entry(study, name)
    folds = _folds(store, entry)
    return _models(study, store, entry, folds, [run for seed in folds for run in seed], template)


def refitted(study: Study, store: Store, name: str, fits: Sequence[Run], *, template: Path | None = None) -> Models:
    """Return the models of a method that were fitted on all patients, one for each seed.

    Args:
        study: the study.
        store: its runs.
        name: of the method.
        fits: see :func:`survbench.actions.refit.refit`.
        template: see :func:`fold_models`.
    """
    entry = _entry(study, name)
    return _models(study, store, entry, _folds(store, entry), fits, template, refit=True)


def _models(
    study: Study,
    store: Store,
    entry: Entry,
    folds: Sequence[Sequence[Run]],
    fits: Sequence[Run],
    template: Path | None,
    *,
    refit: bool = False,
) -> Models:
    """Return the models of ``fits``, placed among the out-of-fold risks of ``folds``."""
    reference = Reference.of(folds)
    jobs = [run.job for run in fits if isinstance(run.job, FitJob)]
    above = {need for job in jobs if job.upstream for need in job.upstream.needs_predict}
    own = {run.key: run.predictions()["risk"].to_numpy(dtype=np.float64) for run in fits} if refit else {}
    cohort = read_study_cohort(study, store.root)
    needs = frozenset({need for job in jobs for need in job.needs_predict} | above) - {"upstream"}
    registered = cohort.template is not None and bool(needed_part(cohort.card, needs).images)
    if template is not None and not registered:
        raise BenchError(f"{entry.name} sees no registered image. Leave out --template.")
    return Models(
        predictor=Predictor(
            study=study,
            entry=entry,
            reference=reference,
            refit=refit,
            models=len(jobs),
            verdicts=verdicts(run for seed in folds for run in seed),
            recognises=cohort.recognises,
        ),
        cohort=cohort,
        models=tuple(FoldModel(job, store, device=_device(job)) for job in jobs),
        scales={**reference.scales, **own},
        needs=needs,
        tested={i: n for n, fold in enumerate(study.protocol.folds) for i in fold},
        template=cohort.template.open(store.root, cohort.card, template) if cohort.template and registered else None,
    )


def _device(job: FitJob) -> str:
    """Return where a model predicts: where it was fitted, or on the CPU of a machine without that."""
    return available_device("auto") if job.device == "cuda" else job.device


def _entry(study: Study, name: str) -> Entry:
    entries = {e.name: e for e in study.entries}
    if name not in entries:
        raise UnknownNameError("method of this study", name, entries, see="'bench status'")
    entry = entries[name]
    if entry.imported:
        raise BenchError(f"{name} was imported, so there is no model that could predict a patient.")
    if entry.members:
        raise BenchError(f"{name} has no models of its own. Predict by its members: {', '.join(entry.members)}.")
    if "risk" not in entry.gives:
        raise BenchError(f"{name} gives no risk. 'bench list {name}' says what it gives.")
    if entry.skipped:
        raise BenchError(f"{name} was not fitted in study {study.name}: {entry.skipped}.")
    return entry


def _folds(store: Store, entry: Entry) -> list[list[Run]]:
    """Return the fits of a method by seed and fold."""
    return [[_fit(store, entry, key) for key in seed] for seed in entry.fits]


def _fit(store: Store, entry: Entry, key: str) -> Run:
    run = store.read(key)
    if run is None or run.status != Status.OK or not store.is_done(key, with_model=True):
        raise BenchError(
            f"{entry.name} has no complete model in {store.folder(key)}. Run the same 'bench run' again; a packed "
            "study has models only if it was packed with --weights."
        )
    if isinstance(run.job, FitJob) and "truth" in run.job.needs_predict:
        raise BenchError(f"{entry.name} needs the true hazard, which only simulated cohorts have.")
    return run


def predict_patients(
    models: Models, patients: NewPatients, card: CohortCard, *, masks: Path | None = None
) -> Iterator[NewPatient | Failed]:
    """Yield the prediction of each patient, one after the other; nothing of a patient is kept.

    Args:
        models: of the method.
        patients: as read.
        card: by which they were read, whole.
        masks: folder for predicted masks, of a method that segments.

    Raises:
        BenchError: the patients as a whole cannot be predicted.
    """
    whole = [f for f in patients.errors if not f.subject]
    if whole:
        raise BenchError(" ".join(f"{f.what} {f.remedy}" for f in whole))
    _refuse_other_inputs(models, card, patients.source)
    wrong: dict[str, list[Finding]] = {}
    for finding in patients.errors:
        wrong.setdefault(finding.subject, []).append(finding)
    for name, findings in wrong.items():
        yield Failed(name, tuple(f"{f.code} {f.what} {f.remedy}".rstrip() for f in findings))
    for name in patients.source.cohort.ids:
        if name not in wrong:
            source = replace(patients.source, template=models.template)
            yield _predict_one(models, _only(source, name), patients.findings, masks)


def _refuse_other_inputs(models: Models, card: CohortCard, source: SourceCohort) -> None:
    """Refuse patients whose images, structures, clinical columns or features are declared otherwise than those of the
    study.
    """
    cohort = models.cohort
    # a mask that the method does not look at may be anything
    card = card.model_copy(update={"mask": source.card.mask})

    def declared(of: CohortCard, features: FeatureTable | None) -> SourceCohort:
        return SourceCohort(
            of, Cohort(subjects=(), channels=tuple(of.images), clinical_columns=of.model_columns, features=features)
        )

    if "structures" in models.needs and not card.structures:
        raise BenchError(
            f"The study's masks have structures {', '.join(cohort.card.structures)}, the patients' card names none. "
            "Give the same names under mask.labels."
        )
    features = source.cohort.features
    mine = FeatureTable(cohort.features, np.empty((0, len(cohort.features)))) if features is not None else None
    refuse_different(declared(cohort.card, mine), declared(card, features))
    if card.radiomics != cohort.card.radiomics:
        raise BenchError(
            f"The study uses radiomics set {cohort.card.radiomics!r}, the patients' card names {card.radiomics!r}. "
            "Name the same set."
        )


def _only(source: SourceCohort, name: str) -> SourceCohort:
    return replace(source, cohort=source.cohort.select([name]))


def _predict_one(
    models: Models, source: SourceCohort, findings: Sequence[Finding], masks: Path | None
) -> NewPatient | Failed:
    (subject,) = source.cohort.subjects
    of_centre = _of_centre(models, subject.centre)
    if of_centre and not models.cohort.card.reference_centre:
        return Failed(subject.id, (of_centre,))
    with TemporaryDirectory(prefix="survbench-predict-") as folder:
        made = _prepared(models, source, Path(folder))
        if isinstance(made, Failed):
            return made
        prepared, row, found = made
        training = Training(
            by_id=models.tested.get(subject.id),
            by_content=models.cohort.folds_with(contents_of(row)),
            of="images" if models.cohort.folds_with(images_of(row)) else "features",
        )
        by_model: list[ModelPrediction] = []
        probabilities: list[NDArray[np.float32]] = []
        for model in models.models:
            try:
                answer = model.predict(prepared, subject.id)
            except (OSError, MemoryError):
                raise  # the model is damaged, or memory is short: not the patient's fault
            except Exception as problem:  # a method is foreign code, and one patient must not end the others
                missing = ", ".join(_missing(source))
                unknown = f" Not known: {missing}." if missing else ""
                reason = f"{models.predictor.entry.name} cannot predict this patient ({message_of(problem)}).{unknown}"
                return Failed(subject.id, (reason,))
            by_model.append(_prediction(models, model, answer, training))
            if answer.probability is not None and masks is not None:
                probabilities.append(answer.probability)
        result = _placed(models, subject.id, by_model, training)
        notes = [f"{f.code} {f.what}" for f in (*findings, *found) if f.subject in {"", subject.id}]
        notes += [of_centre] if of_centre else []
        result = replace(result, missing=_missing(source), notes=tuple(notes))
        if not probabilities or masks is None or models.grid is None:
            return result
        channel = source.cohort.channels[0]
        native, on_grid = subject.volumes[channel], volume_store(Path(folder)).open(row["volumes"][channel])
        path = masks / f"{subject.id}{PREDICTED_MASK}"
        mean = np.mean([p.astype(np.float64) for p in probabilities], axis=0)
        inside = write_mask(path, mean, on_grid.affine, native)
        return replace(result, mask=str(path), tumour_ml=float(inside.sum()) * native.voxel_volume_ml)


def _of_centre(models: Models, centre: str) -> str:
    """Return what speaks against the centre of a patient, for a method that looks at it, or ""."""
    known, reference = models.cohort.centres, models.cohort.card.reference_centre
    if "centres" not in models.needs or (known is not None and centre in known):
        return ""
    if known is None and not reference:
        return ""  # the model refuses a centre that it does not know
    if known is None:
        return (
            f"The study does not say whether it was fitted on patients of centre {centre}. If it was not, the values "
            f"of this patient are not brought to the scale of {reference} and stay as they are."
        )
    new = f"{models.predictor.entry.name} was fitted on patients of centres {', '.join(sorted(known))}, not {centre}"
    if not reference:
        return f"{new}, and the cohort's card names no reference_centre."
    return f"{new}: the values of this patient are not brought to the scale of {reference} and stay as they are."


def _prepared(
    models: Models, source: SourceCohort, out: Path
) -> tuple[PreparedCohort, dict[str, Any], list[Finding]] | Failed:
    """Preprocess a patient as a run does; return the prepared patient, its row, and what the checks find in it."""
    (subject,) = source.cohort.subjects
    grid = models.grid if source.card.images else None
    cohorts = Cohorts([source], grid)
    if "radiomics" in models.needs and source.card.features is None:
        cohorts.ask_for_radiomics(per_structure="structures" in models.needs)
    keys = cohorts.keys(source, subject)
    found: list[Finding] = []
    if grid is not None:
        work = [(subject, centre_of(source, subject))]
        names = volume_names(source)
        radiomics = {subject.id: keys.radiomics}
        wrong = prepare(source.card, work, names, grid, cohorts.features, radiomics, (), str(out), source.template)
        if wrong:
            return Failed(subject.id, tuple(f"{f.code} {f.what} {f.remedy}".rstrip() for f in wrong))
        facts = read_facts(out, facts_key(source.card, subject, source.template))
        if facts is not None:
            checked = of_voxels(source, {subject.id: facts})
            found = [f for f in checked if f.subject == subject.id and f.severity == "warning"]
    (row,) = rows = subject_rows(source, {subject.id: keys}, table_keys(source))
    return write_unlabelled(out, source, rows), row, found


def _prediction(models: Models, model: FoldModel, answer: Answer, training: Training) -> ModelPrediction:
    job = model.job
    # a model that ranks no patients says nothing of this one
    risk = float(np.nan_to_num(standardised(np.array([answer.risk]), models.scales[job.key]))[0])
    trained = bool(training.folds) and (models.predictor.refit or job.fold not in training.folds)
    return ModelPrediction(
        fold=job.fold,
        seed=job.seed,
        trained=trained,
        risk=answer.risk,
        standardised=risk,
        survival=answer.survival,
        source=answer.source,
    )


def _placed(models: Models, name: str, by_model: Sequence[ModelPrediction], training: Training) -> NewPatient:
    reference = models.predictor.reference
    unseen = [one for one in by_model if not one.trained]
    return NewPatient(
        id=name,
        by_model=tuple(by_model),
        all_models=Placed.of(by_model, reference),
        honest=Placed.of(unseen, reference) if 0 < len(unseen) < len(by_model) else None,
        training=training,
    )


def _missing(source: SourceCohort) -> tuple[str, ...]:
    (subject,) = source.cohort.subjects
    return tuple(c.name for c in source.cohort.clinical_columns if subject.clinical.get(c.name) is None)
