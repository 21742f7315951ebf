"""The jobs of a method, and their keys.

A job's ``key`` hashes what changes its result and nothing else. External cohorts, horizons, the reference method and
the contrasts stand in no fit's key.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from survbench.api import MethodInfo, Selection
from survbench.cohort import Need
from survbench.io.hashing import digest
from survbench.io.layout import SCHEMA
from survbench.io.versions import installed_version
from survbench.plan.code_key import code_fingerprint, library_versions
from survbench.plan.job import FitJob, JobKind, PredictJob, TuneJob, TuneSplit, Upstream
from survbench.plan.patients import Patients
from survbench.plan.profile import TuningBudget
from survbench.space import space_to_json
from survbench.training import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What all jobs share that fit a method with a seed.

    Attributes:
        info: the method.
        patients: the cohort.
        seed: seed of the run.
        training: budget of networks, in every fit; in the key of methods that train by it only.
        device: ``cpu`` or ``cuda``; methods that do not use the GPU are fitted on the CPU.
        timeout_s: how long one fit may take; not in the key.
    """

    info: MethodInfo
    patients: Patients
    seed: int
    training: Training
    device: str
    timeout_s: float

    @property
    def needs_score(self) -> frozenset[Need]:
        """What is seen of patients whom the method predicts, and who are compared with the truth."""
        return self.info.needs_predict | _scored(self.info.gives)

    def in_key(self, worker: str) -> dict[str, Any]:
        """Return what stands in the keys of all these jobs.

        Args:
            worker: of the job's class.
        """
        return {
            "schema": SCHEMA,
            "method": self.info.name,
            "target": self.info.target,
            "version": self.info.version,
            "code": _code(worker, self.info.target),
            "libraries": library_versions(),
            "params": dict(self.info.params),
            # a setting at its default is not in the key: one that is added later changes no result
            "training": self.training.model_dump(mode="json", exclude_defaults=True) if self.info.trains else None,
            "device": self._where,
            "seed": self.seed,
        }

    def fields(self) -> dict[str, Any]:
        """Return the fields that all these jobs have."""
        return {
            "method": self.info.name,
            "target": self.info.target,
            "params": self.info.params,
            "seed": self.seed,
            "cohort": self.patients.cohort,
            "device": self._where,
            "training": self.training,
            "needs_fit": tuple(sorted(self.info.needs_fit)),
            "needs_predict": tuple(sorted(self.info.needs_predict)),
            "threads": self.info.resources.cpus,
        }

    @property
    def _where(self) -> str:
        return self.device if self.info.resources.gpu else "cpu"


def fit_job(
    of: Fitting,
    *,
    train: Sequence[str],
    test: Sequence[str],
    fold: int,
    selection: Selection,
    upstream: FitJob | None = None,
    tune_key: str | None = None,
) -> FitJob:
    """Return the job that fits a method on ``train`` and predicts ``test``.

    Args:
        of: the method, the cohort, the seed and the budget.
        train: ids of the training fold, sorted.
        test: ids of the test fold, sorted.
        fold: number of the fold.
        selection: checkpoint selection; in the key of methods that select only.
        upstream: the fit whose features this one takes, of the same fold and seed.
        tune_key: of the job that chooses hyper-parameters for this one.
    """
    info = of.info
    chosen: Selection = selection if info.selects else "last"
    spec = {
        "kind": JobKind.FIT,
        **of.in_key(FitJob.worker),
        "gives": sorted(info.gives),
        "fold": fold,
        "selects": info.selects,
        "selection": chosen,
        "train": of.patients.digest(train, info.needs_fit),
        "test": of.patients.digest(test, of.needs_score),
        # its key covers the inputs of the features, and all that made them
        "upstream": upstream.key if upstream else None,
        # its key covers the space, the budget, and the patients on whom it chose
        "tune": tune_key,
    }
    return FitJob(
        key=digest(spec)[:32],
        spec=spec,
        **of.fields(),
        fold=fold,
        selects=info.selects,
        selection=chosen,
        train=tuple(train),
        test=tuple(test),
        gives=tuple(sorted(info.gives)),
        upstream=_reference(upstream),
        tune=tune_key,
        timeout_s=of.timeout_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Ids on which a tuning trial fits and is scored, and the fit whose features it takes there, if any."""

    train: Sequence[str]
    validation: Sequence[str]
    upstream: FitJob | None = None


def tune_job(of: Fitting, *, splits: Sequence[Split], fold: int | None, budget: TuningBudget) -> TuneJob:
    """Return the job that chooses hyper-parameters by the mean score over ``splits``.

    Args:
        of: the method, which has a search space, the cohort, the seed and the budget.
        splits: inner folds of one training fold (``nested``), or the folds themselves (``paper``).
        fold: number of the fold that is tuned for; None for all at once.
        budget: how many sets of hyper-parameters are tried, and proposed together.
    """
    space = space_to_json(of.info.space)
    spec = {
        "kind": JobKind.TUNE,
        **of.in_key(TuneJob.worker),
        "optuna": installed_version("optuna"),
        "space": space,
        "trials": budget.trials,
        # at its default it is not in the key, as for training
        **({} if budget.batch == 1 else {"batch": budget.batch}),
        "fold": fold,
        "splits": [
            {
                "train": of.patients.digest(split.train, of.info.needs_fit),
                "validation": of.patients.digest(split.validation, of.needs_score),
                "upstream": split.upstream.key if split.upstream else None,
            }
            for split in splits
        ],
    }
    return TuneJob(
        key=digest(spec)[:32],
        spec=spec,
        **of.fields(),
        fold=fold,
        space=space,
        trials=budget.trials,
        batch=budget.batch,
        splits=tuple(
            TuneSplit(train=tuple(s.train), validation=tuple(s.validation), upstream=_reference(s.upstream))
            for s in splits
        ),
        fit_timeout_s=of.timeout_s,
        timeout_s=of.timeout_s * budget.trials * len(splits),
    )


def predict_job(fit: FitJob, patients: Patients, *, cohort_name: str) -> PredictJob:
    """Return the job that lets the model of ``fit`` predict every patient of an external cohort."""
    ids = sorted(patients.rows)
    above = fit.upstream.needs_predict if fit.upstream else ()
    spec = {
        "kind": JobKind.PREDICT,
        "schema": SCHEMA,
        "fit": fit.key,
        "code": _code(PredictJob.worker, fit.target),
        "cohort": cohort_name,
        "test": patients.digest(ids, {*fit.needs_predict, *above, *_scored(fit.gives)}),
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


def _code(worker: str, target: str) -> str:
    """Return the fingerprint of what runs in the job's process: the module of its worker, and that of the method."""
    return code_fingerprint(*(name.partition(":")[0] for name in (worker, target)))


def _reference(upstream: FitJob | None) -> Upstream | None:
    if upstream is None:
        return None
    return Upstream(key=upstream.key, method=upstream.method, needs_predict=upstream.needs_predict)


def _scored(gives: Collection[str]) -> frozenset[Need]:
    """Return what is seen of predicted patients beside what the method sees."""
    return frozenset({"mask"}) if "segmentation" in gives else frozenset()
