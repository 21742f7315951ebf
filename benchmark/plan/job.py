"""Jobs: the units that are cached, run in their own process and may fail alone.

A job is a JSON object whose ``key`` hashes what changes its result and nothing else. External cohorts, horizons,
the reference method and the contrasts stand in no fit's key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from survbench.api import MethodInfo, Selection
from survbench.cohort import Need
from survbench.io.hashing import digest
from survbench.io.layout import SCHEMA
from survbench.io.versions import installed_version
from survbench.plan.code_key import LIBRARIES, code_fingerprint
from survbench.plan.patients import Patients
from survbench.space import space_to_json
from survbench.training import Training

Kind = Literal["tune", "fit", "predict"]
Job = Mapping[str, Any]
"""``{"kind", "key", "spec", ...}``; ``spec`` is what the key hashes, the rest says where to find things."""


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
    upstream: Job | None = None,
    tune_key: str | None = None,
) -> dict[str, Any]:
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
    spec = {
        "kind": "fit",
        **_identity(info, "fit"),
        "gives": sorted(info.gives),
        "seed": seed,
        "fold": fold,
        "selects": info.selects,
        "selection": selection if info.selects else "last",
        "training": training.model_dump(mode="json") if info.trains else None,
        "device": device if info.resources.gpu else "cpu",
        "train": patients.digest(train, info.needs_fit),
        "test": patients.digest(test, info.needs_predict | _scored(info)),
        # its key covers the inputs of the features, and all that made them
        "upstream": upstream["key"] if upstream else None,
        # its key covers the space, the budget, and the patients on whom it chose
        "tune": tune_key,
    }
    return {
        "kind": "fit",
        "key": digest(spec)[:32],
        "spec": spec,
        "method": info.name,
        "seed": seed,
        "fold": fold,
        "cohort": patients.cohort,
        "training": training.model_dump(mode="json"),
        "train": list(train),
        "test": list(test),
        "gives": sorted(info.gives),
        "needs_fit": sorted(info.needs_fit),
        "needs_predict": sorted(info.needs_predict),
        "upstream": _reference(upstream),
        "tune": tune_key,
        "threads": info.resources.cpus,
        "timeout_s": timeout_s,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Ids on which a tuning trial fits and is scored, and the fit whose features it takes there, if any."""

    train: Sequence[str]
    validation: Sequence[str]
    upstream: Job | None = None


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
) -> dict[str, Any]:
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
    spec = {
        "kind": "tune",
        **_identity(info, "tune"),
        "optuna": installed_version("optuna"),
        "space": space_to_json(info.space),
        "trials": trials,
        "seed": seed,
        "fold": fold,
        "training": training.model_dump(mode="json") if info.trains else None,
        "device": device if info.resources.gpu else "cpu",
        "splits": [
            {
                "train": patients.digest(split.train, info.needs_fit),
                "validation": patients.digest(split.validation, needs),
                "upstream": split.upstream["key"] if split.upstream else None,
            }
            for split in splits
        ],
    }
    return {
        "kind": "tune",
        "key": digest(spec)[:32],
        "spec": spec,
        "method": info.name,
        "seed": seed,
        "fold": fold,
        "cohort": patients.cohort,
        "training": training.model_dump(mode="json"),
        "splits": [
            {"train": list(s.train), "validation": list(s.validation), "upstream": _reference(s.upstream)}
            for s in splits
        ],
        "needs_fit": sorted(info.needs_fit),
        "needs_predict": sorted(info.needs_predict),
        "threads": info.resources.cpus,
        "fit_timeout_s": timeout_s,
        "timeout_s": timeout_s * trials * len(splits),
    }


def required_keys(job: Job) -> set[str]:
    """Return the keys of the jobs whose results a job takes."""
    if job["kind"] == "tune":
        return {split["upstream"]["key"] for split in job["splits"] if split["upstream"]}
    required = {job["upstream"]["key"]} if job["upstream"] else set()
    if job["kind"] == "predict":
        return required | {job["fit"]}
    return required | ({job["tune"]} if job["tune"] else set())


def predict_job(fit: Job, patients: Patients, *, cohort_name: str) -> dict[str, Any]:
    """Return the job that lets the model of ``fit`` predict every patient of an external cohort."""
    ids = sorted(patients.rows)
    above = fit["upstream"]["needs_predict"] if fit["upstream"] else ()
    needs = {*fit["needs_predict"], *above, *(("mask",) if "segmentation" in fit["gives"] else ())}
    spec = {
        "kind": "predict",
        "schema": SCHEMA,
        "fit": fit["key"],
        "code": _code("predict", fit["spec"]["target"]),
        "cohort": cohort_name,
        "test": patients.digest(ids, needs),
    }
    kept = {k: fit[k] for k in ("method", "seed", "fold", "gives", "needs_predict", "upstream", "threads", "timeout_s")}
    return {
        **kept,
        "kind": "predict",
        "key": digest(spec)[:32],
        "spec": spec,
        "fit": fit["key"],
        "device": fit["spec"]["device"],
        "cohort": patients.cohort,
        "cohort_name": cohort_name,
        "test": ids,
    }


def _identity(info: MethodInfo, kind: Kind) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "method": info.name,
        "target": info.target,
        "version": info.version,
        "code": _code(kind, info.target),
        "libraries": {name: installed_version(name) for name in LIBRARIES},
        "params": dict(info.params),
    }


def _code(kind: Kind, target: str) -> str:
    """Return the fingerprint of what runs in the job's process: the module of its kind, and that of the method."""
    return code_fingerprint(f"survbench.work.{kind}", target.partition(":")[0])


def _reference(upstream: Job | None) -> dict[str, Any] | None:
    return None if upstream is None else {"key": upstream["key"], "needs_predict": upstream["needs_predict"]}


def _scored(info: MethodInfo) -> frozenset[Need]:
    return frozenset({"mask"}) if "segmentation" in info.gives else frozenset()


def label(job: Job) -> str:
    """Return a job in words."""
    what = {"tune": " tuning", "fit": "", "predict": " external", "import": " imported"}[job["kind"]]
    return f"{job['method']} {place(job)}{what}"


def place(job: Job) -> str:
    """Return which seed and fold a job is of; one search may be for all folds."""
    fold = "all folds" if job["fold"] is None else f"fold {job['fold']}"
    return f"seed {job['seed']} {fold}"
