"""C of every learner beside a second implementation on the same columns and splits: ``related_learners.py DATA``.

DATA holds ``deepsurv`` (METABRIC with its published split), ``hn_petct`` and ``nsclc_pet`` (25 splits each, those of
``reference_cv.py``); a second argument chooses one of ``metabric``, ``hn_petct`` and ``nsclc_pet``, a third one
learners, separated by commas, and ``exact`` as a fourth compares networks from which dropout is taken away. The second
implementations are in ``second_learners.py`` and have the settings of the first. The last column is the mean difference
over the splits and its standard error. Ends with 1 where two mean C differ by more than 0.02 (``exact``: two C by more
than 0.001).
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from second_learners import SECOND
from survbench.api import Context, Seeds
from survbench.cohort import ClinicalColumn, Cohort, Subject
from survbench.datasets.cohorts.named import load_source
from survbench.metrics import concordance_index
from survbench.models.learners.design import Design
from survbench.models.learners.methods import LEARNERS, ROOM, Learner
from survbench.plan.profile import load_profile
from survbench.work.construct import construct

BOUND, EXACT = 0.02, 0.001
SPLITS = Path(__file__).parents[2] / "tests" / "reference" / "cross_validation"
REFERENCES = {"hn_petct": "hn_petct_hgj_pfs.json", "nsclc_pet": "nsclc_pet_os.json"}
PUBLISHED = {
    ("metabric", "cox"): "0.631",
    ("metabric", "deepsurv"): "0.643",
    ("metabric", "rsf"): "0.624",
    ("hn_petct", "lasso-cox"): "0.653",
    ("hn_petct", "rsf"): "0.642",
    ("nsclc_pet", "lasso-cox"): "0.592",
    ("nsclc_pet", "rsf"): "0.598",
}
"""C of Katzman et al. (2018) for METABRIC's split, and the independent computation whose splits these are."""
SEEDS = 3
"""Fits of METABRIC's only split."""


@dataclass(frozen=True, slots=True)
class Split:
    """Training and test patients, and the columns that learners get of them."""

    train: Cohort
    test: Cohort
    source: str
    seed: int


def metabric(data: Path) -> Iterator[Split]:
    """Yield the published split with each seed."""
    with h5py.File(data / "deepsurv" / "metabric_IHC4_clinical_train_test.h5") as file:
        train, test = (_part(file, part) for part in ("train", "test"))
    for seed in range(SEEDS):
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


COHORTS: Mapping[str, Callable[[Path], Iterator[Split]]] = {
    "metabric": metabric,
    **{name: partial(table, name=name) for name in REFERENCES},
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A learner beside its second implementation.

    ``exact`` is for networks: they start from the same weights and have no dropout, so nothing else is drawn where a
    batch holds all patients, and both must give the same risks.
    """

    learner: Learner
    exact: bool

    def __call__(self, split: Split) -> tuple[float, float]:
        """Return C of the built-in learner and of the second implementation, on the same columns."""
        params = {**self.learner.params, "source": split.source} | ({"dropout": 0.0} if self.exact else {})
        method = construct(f"{ROOM}.{self.learner.target}", params)
        seeds = Seeds(split.seed, 0, self.learner.name)
        design = Design.fit(split.train, source=split.source, redundancy=method.redundancy, screening=method.screening)
        second = SECOND[self.learner.name](
            method,
            design.matrix(split.train),
            split.train,
            design.matrix(split.test),
            seeds.of("init") if self.exact else split.seed,
        )
        with tempfile.TemporaryDirectory() as scratch:
            ctx = Context(seeds=seeds, training=load_profile("smoke").training, scratch=Path(scratch))
            fitted = method.fit(split.train, validation=None, ctx=ctx)
        first = fitted.predict_risk(split.test.unlabelled({"clinical", "radiomics"}))
        here, there = (concordance_index(split.test.time, split.test.event, risk).value for risk in (first, second))
        return here, there


def main(data: Path, only: str = "", chosen: str = "", how: str = "") -> None:
    """Print a line for each cohort and learner.

    Args:
        data: folder of the three data sets.
        only: one of them; empty for all.
        chosen: names of learners, separated by commas; empty for all.
        how: ``exact`` compares networks as :class:`Comparison` says, on five splits.
    """
    apart = []
    for cohort in [only] if only else COHORTS:
        listed = list(COHORTS[cohort](data))
        title = f"{cohort}, {len(listed)} splits"
        print(f"{title:<26}{'published':>10}{'here':>17}{'second':>17}{'difference':>17}")
        for learner in LEARNERS:
            if (chosen and learner.name not in chosen.split(",")) or learner.name not in SECOND:
                continue
            used = listed[:1] if cohort == "metabric" and not learner.stochastic else listed[: 5 if how else None]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of libraries, where columns separate the events
                values = np.array([*map(Comparison(learner, bool(how)), used)])
            (here, second), (spread, spread_second) = values.mean(axis=0), values.std(axis=0)
            difference = values[:, 0] - values[:, 1]
            # networks of two implementations differ in their draws as those of two seeds do
            error = difference.std(ddof=1) / np.sqrt(len(used)) if len(used) > 1 else 0.0
            published = PUBLISHED.get((cohort, learner.name), "")
            print(
                f"  {learner.name:<24}{published:>10}{here:>9.3f} ± {spread:.3f}{second:>9.3f} ± {spread_second:.3f}"
                f"{difference.mean():>+9.3f} ± {error:.3f}",
                flush=True,
            )
            if np.abs(difference).max() > EXACT if how else abs(here - second) > BOUND:
                apart.append(f"{cohort} {learner.name}")
    if apart:
        sys.exit(f"differ by more than {EXACT if how else BOUND}: {', '.join(apart)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
