"""C of every learner beside a second implementation on the same columns and splits: ``related_learners.py DATA``.

DATA holds ``deepsurv`` (METABRIC with its published split), ``hn_petct`` and ``nsclc_pet`` (25 splits each, those of
``reference_cv.py``); a second argument chooses one of ``metabric``, ``hn_petct`` and
``nsclc_pet``, a third one learner. The second
implementation is the library's own estimator, called without survbench, or pycox's model with pycox's intervals for
networks. Ends with 1 where two mean C differ by more than 0.02.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from survbench.api import Context, Method, Seeds
from survbench.cohort import ClinicalColumn, Cohort, Subject
from survbench.datasets.cohorts.named import load_source
from survbench.metrics import concordance_index
from survbench.models.learners.design import Design
from survbench.models.learners.methods import LEARNERS, ROOM
from survbench.plan.profile import load_profile
from survbench.work.construct import construct

BOUND = 0.02
SPLITS = Path(__file__).parents[2] / "tests" / "reference" / "cross_validation"
REFERENCES = {"hn_petct": "hn_petct_hgj_pfs.json", "nsclc_pet": "nsclc_pet_os.json"}
PUBLISHED = {("metabric", "cox"): 0.631, ("metabric", "deepsurv"): 0.643, ("metabric", "rsf"): 0.624}
"""C that Katzman et al. (2018) report for this split."""


@dataclass(frozen=True, slots=True)
class Split:
    """Training and test patients, and the columns that learners get of them."""

    train: Cohort
    test: Cohort
    source: str
    seed: int

    def columns(self, screening: float | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the design's columns of both parts."""
        design = Design.fit(self.train, source=self.source, redundancy=0.7, screening=screening)
        return design.matrix(self.train), design.matrix(self.test)


def metabric(data: Path) -> Iterator[Split]:
    """Yield the published split, three times for the seeds of networks."""
    with h5py.File(data / "deepsurv" / "metabric_IHC4_clinical_train_test.h5") as file:
        train, test = (_part(file, part) for part in ("train", "test"))
    for seed in range(3):
        yield Split(train, test, "clinical", seed)


def _part(file: h5py.File, part: str) -> Cohort:
    values = np.asarray(file[part]["x"], dtype=np.float64)
    names = [f"x{n}" for n in range(values.shape[1])]
    return Cohort(
        subjects=tuple(
            Subject(f"{part}{n:04d}", "", dict(zip(names, row, strict=True)), {})
            for n, row in enumerate(values.tolist())
        ),
        clinical_columns=tuple(ClinicalColumn(name, "numeric") for name in names),
        time=np.asarray(file[part]["t"], dtype=np.float64),
        event=np.asarray(file[part]["e"], dtype=bool),
    )


def table(data: Path, name: str) -> Iterator[Split]:
    """Yield the 25 reference splits of a table of features."""
    cohort = load_source(name, profile=load_profile("quick"), data=data / name).cohort.restrict({"radiomics"})
    folds = json.loads((SPLITS / REFERENCES[name]).read_text(encoding="utf-8"))["folds"]
    for fold in folds:
        test = set(fold["test"])
        train, tested = (cohort.select(i for i in cohort.ids if (i in test) == part) for part in (False, True))
        yield Split(train, tested, "radiomics", fold["repeat"])


def ours(learner: Any, split: Split) -> float:
    """Return C of the built-in learner."""
    with tempfile.TemporaryDirectory() as scratch:
        ctx = Context(
            seeds=Seeds(split.seed, 0, learner.name), training=load_profile("smoke").training, scratch=Path(scratch)
        )
        method: Method = construct(f"{ROOM}.{learner.target}", {**learner.params, "source": split.source})
        fitted: Any = method.fit(split.train, validation=None, ctx=ctx)
        risk = fitted.predict_risk(split.test.unlabelled({"clinical", "radiomics"}))
    return concordance_index(split.test.time, split.test.event, risk).value


Fit = Callable[[NDArray[np.float64], Cohort, NDArray[np.float64], int], NDArray[np.float64]]


def _outcome(train: Cohort) -> Any:
    from sksurv.util import Surv

    return Surv.from_arrays(train.event, train.time)


def _lifelines(x: NDArray[np.float64], train: Cohort, z: NDArray[np.float64], _seed: int) -> NDArray[np.float64]:
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(x).assign(time=train.time, event=train.event)
    fitted = CoxPHFitter(penalizer=1e-3).fit(frame, "time", "event")
    return np.asarray(fitted.predict_log_partial_hazard(pd.DataFrame(z)), dtype=np.float64)


def _coxnet(l1_ratio: float) -> Fit:
    """Return a Cox path whose penalty five inner folds choose by C."""

    def fit(x: NDArray[np.float64], train: Cohort, z: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sksurv.linear_model import CoxnetSurvivalAnalysis

        outcome = _outcome(train)
        path = CoxnetSurvivalAnalysis(l1_ratio=l1_ratio, n_alphas=30, alpha_min_ratio=0.05).fit(x, outcome)
        folds = [*StratifiedKFold(5, shuffle=True, random_state=seed).split(x, train.event)]
        grid = GridSearchCV(
            CoxnetSurvivalAnalysis(l1_ratio=l1_ratio),
            {"alphas": [[a] for a in path.alphas_]},
            cv=folds,
            error_score=0.5,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of penalties at which nothing, or everything, is kept
            return np.asarray(grid.fit(x, outcome).predict(z), dtype=np.float64)

    return fit


def _sksurv(make: Callable[[int], Any], sign: float = 1.0) -> Fit:
    def fit(x: NDArray[np.float64], train: Cohort, z: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        return sign * np.asarray(make(seed).fit(x, _outcome(train)).predict(z), dtype=np.float64)

    return fit


def _pycox(kind: str, *, intervals: int = 15) -> Fit:
    """Return pycox's model with a layer of 32, equidistant intervals and its own loss."""

    def fit(x: NDArray[np.float64], train: Cohort, z: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        import torch
        import torchtuples as tt
        from pycox import models

        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # torchtuples draws its batches from it
        model = getattr(models, kind)
        x32, z32 = x.astype(np.float32), z.astype(np.float32)
        if kind == "CoxPH":
            net = tt.practical.MLPVanilla(x.shape[1], [32], 1, batch_norm=False, dropout=0.3, output_bias=False)
            fitted = model(net, tt.optim.Adam(lr=1e-3, weight_decay=1e-3))
            target: Any = (train.time.astype(np.float32), train.event.astype(np.float32))
            fitted.fit(x32, target, batch_size=len(x), epochs=500, verbose=False)
            return np.asarray(fitted.predict(z32), dtype=np.float64).ravel()
        labels = model.label_transform(intervals)
        target = labels.fit_transform(train.time.astype(np.float32), train.event.astype(np.float32))
        net = tt.practical.MLPVanilla(x.shape[1], [32], labels.out_features, batch_norm=False, dropout=0.4)
        more = {"alpha": 0.2, "sigma": 0.1} if kind == "DeepHitSingle" else {}
        fitted = model(net, tt.optim.Adam(lr=5e-3), duration_index=labels.cuts, **more)
        fitted.fit(x32, target, batch_size=256, epochs=60, verbose=False)
        survival = np.asarray(fitted.predict_surv(z32), dtype=np.float64)
        if kind != "MTLR":
            return -survival.mean(axis=1)
        # torchmtlr's rule: the sum over the edges of the cumulative hazard
        hazard = -np.diff(survival, prepend=1.0, axis=1) / np.maximum(survival, 1e-7)
        return np.asarray(hazard.cumsum(axis=1).sum(axis=1), dtype=np.float64)

    return fit


def second(name: str) -> tuple[Fit, float | None]:
    """Return the second implementation of a learner, and the screening of its columns."""
    from sksurv import ensemble, svm

    boosted = {"learning_rate": 0.05, "max_depth": 2, "subsample": 0.5, "min_samples_leaf": 5, "max_features": "sqrt"}
    found: dict[str, Fit] = {
        "cox": _lifelines,
        "univariate-cox": _lifelines,
        "lasso-cox": _coxnet(1.0),
        "en-cox": _coxnet(0.5),
        "rsf": _sksurv(lambda s: ensemble.RandomSurvivalForest(300, min_samples_leaf=15, random_state=s)),
        "survival-svm": _sksurv(
            lambda s: svm.FastSurvivalSVM(rank_ratio=0.0, fit_intercept=True, max_iter=500, random_state=s), -1.0
        ),
        "survival-svm-rank": _sksurv(lambda s: svm.NaiveSurvivalSVM(alpha=1.0, max_iter=5000, random_state=s)),
        "minlip": _sksurv(lambda _s: svm.MinlipSurvivalAnalysis(pairs="next")),
        "gradient-boosting-cox": _sksurv(
            lambda s: ensemble.GradientBoostingSurvivalAnalysis(random_state=s, n_estimators=100, **boosted)
        ),
        "componentwise-boosting": _sksurv(
            lambda s: ensemble.ComponentwiseGradientBoostingSurvivalAnalysis(random_state=s)
        ),
        "faraggi-simon": _pycox("CoxPH"),
        "deepsurv": _pycox("CoxPH"),
        "matsuo-dnn": _pycox("CoxPH"),
        "deephit": _pycox("DeepHitSingle"),
        "nnet-survival": _pycox("LogisticHazard"),
        "mtlr": _pycox("MTLR"),
    }
    return found[name], 0.05 if name == "univariate-cox" else None


def theirs(name: str, split: Split) -> float:
    """Return C of the second implementation."""
    fit, screening = second(name)
    columns, tested = split.columns(screening)
    return concordance_index(split.test.time, split.test.event, fit(columns, split.train, tested, split.seed)).value


def main(data: Path, only: str = "", chosen: str = "") -> None:
    """Print a line for each cohort and learner."""
    sources: dict[str, Callable[[], Iterator[Split]]] = {
        "metabric": lambda: metabric(data),
        **{name: lambda name=name: table(data, name) for name in REFERENCES},  # type: ignore[misc]
    }
    apart = []
    for cohort, splits in sources.items():
        if only and cohort != only:
            continue
        listed = list(splits())
        print(f"{cohort}: {'published':>31} {'ours':>14} {'second':>14}")
        for learner in LEARNERS:
            if chosen and learner.name != chosen:
                continue
            used = listed[:1] if cohort == "metabric" and not learner.stochastic else listed
            values = np.array([(ours(learner, split), theirs(learner.name, split)) for split in used])
            (a, b), (spread_a, spread_b) = values.mean(axis=0), values.std(axis=0)
            published = PUBLISHED.get((cohort, learner.name))
            shown = "" if published is None else f"{published:.3f}"
            print(f"  {learner.name:<24}{shown:>14} {a:.3f} +- {spread_a:.3f} {b:.3f} +- {spread_b:.3f}", flush=True)
            if abs(a - b) > BOUND:
                apart.append(f"{cohort} {learner.name}")
    if apart:
        sys.exit(f"differ by more than {BOUND}: {', '.join(apart)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
