"""The jobs of a method, and their keys.

A job's ``key`` hashes what changes its result and nothing else. External cohorts, horizons, the reference method and
the contrasts stand in no fit's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from survbench.api import MethodInfo, Selection
from survbench.cohort import Need
from survbench.io.hashing import digest
from survbench.io.layout import SCHEMA
from survbench.io.versions import installed_version
from survbench.plan.code_key import LIBRARIES, code_fingerprint
from survbench.plan.job import FitJob, JobKind, PredictJob, TuneJob, TuneSplit, Upstream
from survbench.plan.patients import Patients
from survbench.space import space_to_json
from survbench.training import Training


def fit_job(
    info: MethodInfo,
    patients: Patients,
    *,
    train: Sequence[str],
    test: Sequence[str],
    seed: int,
    fold: int,
    selection: Selection,
    training: Training,
    device: str,
    timeout_s: float,
    upstream: FitJob | None = None,
    tune_key: str | None = None,
) -> FitJob:
    """Return the job that fits a method on ``train`` and predicts ``test``.

    Args:
        info: the method.
        patients: the cohort.
        train: ids of the training fold, sorted.
        test: ids of the test fold, sorted.
        seed: seed of the run.
        fold: number of the fold.
        selection: checkpoint selection; in the key of methods that select only.
        training: budget of networks; in the key of methods that train by it only.
        device: ``cpu`` or ``cuda``.
        timeout_s: how long the job may take; not in the key.
        upstream: the fit whose features this one takes, of the same fold and seed.
        tune_key: of the job that chooses hyper-parameters for this one.
    """
    chosen: Selection = selection if info.selects else "last"
    where = _device(info, device)
    spec = {
        "kind": JobKind.FIT,
        **_identity(info, JobKind.FIT, training, where),
        "gives": sorted(info.gives),
        "seed": seed,
        "fold": fold,
        "selects": info.selects,
        "selection": chosen,
        "train": patients.digest(train, info.needs_fit),
        "test": patients.digest(test, info.needs_predict | _scored(info)),
        # its key covers the inputs of the features, and all that made them
        "upstream": upstream.key if upstream else None,
        # its key covers the space, the budget, and the patients on whom it chose
        "tune": tune_key,
    }
    return FitJob(
        key=digest(spec)[:32],
        spec=spec,
        method=info.name,
        target=info.target,
        params=info.params,
        seed=seed,
        fold=fold,
        cohort=patients.cohort,
        device=where,
        selects=info.selects,
        selection=chosen,
        training=training,
        train=tuple(train),
        test=tuple(test),
        gives=tuple(sorted(info.gives)),
        needs_fit=tuple(sorted(info.needs_fit)),
        needs_predict=tuple(sorted(info.needs_predict)),
        upstream=_reference(upstream),
        tune=tune_key,
        threads=info.resources.cpus,
        timeout_s=timeout_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Ids on which a tuning trial fits and is scored, and the fit whose features it takes there, if any."""

    train: Sequence[str]
    validation: Sequence[str]
    upstream: FitJob | None = None


def tune_job(
    info: MethodInfo,
    patients: Patients,
    *,
    splits: Sequence[Split],
    seed: int,
    fold: int | None,
    trials: int,
    training: Training,
    device: str,
    timeout_s: float,
) -> TuneJob:
    """Return the job that chooses hyper-parameters by the mean score over ``splits``.

    Args:
        info: the method, with a search space.
        patients: the cohort.
        splits: inner folds of one training fold (``nested``), or the folds themselves (``paper``).
        seed: seed of the run.
        fold: number of the fold that is tuned for; None for all at once.
        trials: how many sets of hyper-parameters are tried.
        training: budget of networks, in every trial.
        device: ``cpu`` or ``cuda``.
        timeout_s: how long one trial's fit may take; not in the key.
    """
    needs = info.needs_predict | _scored(info)
    where = _device(info, device)
    spec = {
        "kind": JobKind.TUNE,
        **_identity(info, JobKind.TUNE, training, where),
        "optuna": installed_version("optuna"),
        "space": space_to_json(info.space),
        "trials": trials,
        "seed": seed,
        "fold": fold,
        "splits": [
            {
                "train": patients.digest(split.train, info.needs_fit),
                "validation": patients.digest(split.validation, needs),
                "upstream": split.upstream.key if split.upstream else None,
            }
            for split in splits
        ],
    }
    return TuneJob(
        key=digest(spec)[:32],
        spec=spec,
        method=info.name,
        target=info.target,
        params=info.params,
        seed=seed,
        fold=fold,
        cohort=patients.cohort,
        device=where,
        space=space_to_json(info.space),
        trials=trials,
        training=training,
        splits=tuple(
            TuneSplit(train=tuple(s.train), validation=tuple(s.validation), upstream=_reference(s.upstream))
            for s in splits
        ),
        needs_fit=tuple(sorted(info.needs_fit)),
        needs_predict=tuple(sorted(info.needs_predict)),
        threads=info.resources.cpus,
        fit_timeout_s=timeout_s,
        timeout_s=timeout_s * trials * len(splits),
    )


def predict_job(fit: FitJob, patients: Patients, *, cohort_name: str) -> PredictJob:
    """Return the job that lets the model of ``fit`` predict every patient of an external cohort."""
    ids = sorted(patients.rows)
    above = fit.upstream.needs_predict if fit.upstream else ()
    scored: tuple[Need, ...] = ("mask",) if "segmentation" in fit.gives else ()
    spec = {
        "kind": JobKind.PREDICT,
        "schema": SCHEMA,
        "fit": fit.key,
        "code": _code(JobKind.PREDICT, fit.target),
        "cohort": cohort_name,
        "test": patients.digest(ids, {*fit.needs_predict, *above, *scored}),
    }
    return PredictJob(
        key=digest(spec)[:32],
        spec=spec,
        method=fit.method,
        seed=fit.seed,
        fold=fit.fold,
        cohort=patients.cohort,
        cohort_name=cohort_name,
        device=fit.device,
        fit=fit.key,
        test=tuple(ids),
        gives=fit.gives,
        needs_predict=fit.needs_predict,
        upstream=fit.upstream,
        threads=fit.threads,
        timeout_s=fit.timeout_s,
    )


def _identity(info: MethodInfo, kind: JobKind, training: Training, device: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "method": info.name,
        "target": info.target,
        "version": info.version,
        "code": _code(kind, info.target),
        "libraries": {name: installed_version(name) for name in LIBRARIES},
        "params": dict(info.params),
        # a setting at its default is not in the key: one that is added later changes no result
        "training": training.model_dump(mode="json", exclude_defaults=True) if info.trains else None,
        "device": device,
    }


def _device(info: MethodInfo, device: str) -> str:
    return device if info.resources.gpu else "cpu"


def _code(kind: JobKind, target: str) -> str:
    """Return the fingerprint of what runs in the job's process: the module of its kind, and that of the method."""
    return code_fingerprint(f"survbench.work.{kind}", target.partition(":")[0])


def _reference(upstream: FitJob | None) -> Upstream | None:
    if upstream is None:
        return None
    return Upstream(key=upstream.key, method=upstream.method, needs_predict=upstream.needs_predict)


def _scored(info: MethodInfo) -> frozenset[Need]:
    return frozenset({"mask"}) if "segmentation" in info.gives else frozenset()
