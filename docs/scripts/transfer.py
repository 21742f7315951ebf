"""Whether a second hospital's patients help where one's own are few: ``transfer.py FOLDER``.

FOLDER keeps the features of the phantom's two centres. In each of 20 draws, 24 patients of the second centre (the
target) train a Cox model, a Lasso-Cox and, with all patients of the first centre, Transfer-Cox; the other patients of
the second centre test them. Prints C by draw, the mean differences with their 95 % intervals over the draws, and
writes a figure.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.actions.extract import extract_cohort
from survbench.api import Context, Seeds
from survbench.cohort import Cohort, FeatureTable
from survbench.datasets.cohorts.named import load_source
from survbench.jobs.preparation import PreparationWatcher
from survbench.metrics import concordance_index
from survbench.models.learners.cox import Cox
from survbench.models.learners.lasso_cox import LassoCox
from survbench.models.learners.transfer_cox import TransferCox
from survbench.plan.profile import PhantomSize, Profile, load_profile

DRAWS, TARGET = 20, 24
SIZE = PhantomSize(train=120, external=120, event_rate=0.45, external_event_rate=0.6)
METHODS: dict[str, Any] = {
    "Cox, target alone": Cox,
    "Lasso-Cox, target alone": LassoCox,
    "Cox, both centres as one": Cox,
    "Lasso-Cox, both centres as one": LassoCox,
    "Transfer-Cox": TransferCox,
}
FIGURE = Path(__file__).parents[1] / "images" / "transfer.png"


class Silent(PreparationWatcher):
    """Says nothing of the progress."""


def centre(name: str, profile: Profile, out: Path) -> Cohort:
    """Return the patients of a centre with their radiomics features, and nothing else."""
    cohort = load_source(name, profile=profile).cohort
    made = extract_cohort(
        name,
        data=None,
        profile=profile,
        set_name=None,
        out=out,
        workers=2,
        skip_bad=False,
        watcher=Silent(),
    )
    values = np.array([[made.extractions[i].values[n] for n in made.names] for i in cohort.ids], dtype=np.float64)
    return replace(cohort, features=FeatureTable(made.names, values)).restrict({"radiomics"})


def table_of(cohort: Cohort) -> FeatureTable:
    """Return the features, which all cohorts here have."""
    if cohort.features is None:
        raise ValueError("the cohort has no features")
    return cohort.features


def joined(a: Cohort, b: Cohort) -> Cohort:
    """Return the patients of both."""
    values = np.vstack([table_of(a).values, table_of(b).values])
    return replace(
        a,
        subjects=a.subjects + b.subjects,
        features=FeatureTable(table_of(a).names, values),
        truth=None,
        time=np.concatenate([a.time, b.time]),
        event=np.concatenate([a.event, b.event]),
    )


def drawn(target: Cohort, seed: int) -> tuple[Cohort, Cohort]:
    """Return 24 patients, with as large a share of events as all have, and the others."""
    rng = np.random.default_rng(seed)
    events = round(TARGET * target.event.mean())
    rows = np.sort(
        np.concatenate(
            [
                rng.choice(np.flatnonzero(target.event), events, replace=False),
                rng.choice(np.flatnonzero(~target.event), TARGET - events, replace=False),
            ]
        )
    )
    return target.take(rows), target.take(np.setdiff1d(np.arange(len(target)), rows))


def c_of(name: str, source: Cohort, few: Cohort, test: Cohort, seed: int) -> float:
    """Return C on the test patients."""
    train = few if "alone" in name else joined(source, few)
    with tempfile.TemporaryDirectory() as scratch:
        ctx = Context(seeds=Seeds(seed, 0, name), training=load_profile("smoke").training, scratch=Path(scratch))
        fitted = METHODS[name]().fit(train, validation=None, ctx=ctx)
        risk = fitted.predict_risk(test.unlabelled({"radiomics"}))
    return concordance_index(test.time, test.event, risk).value


def interval(differences: NDArray[np.float64]) -> str:
    """Return the mean over the draws with its 95 % interval by t; draws share test patients, so it is too narrow."""
    from scipy.stats import t

    half = t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
    mean = differences.mean()
    return f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})"


def draw_figure(values: dict[str, NDArray[np.float64]]) -> None:
    """Write C by method, a point for each draw."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
    for row, (_, c) in enumerate(values.items()):
        axes.plot(c, np.full(len(c), row), "o", alpha=0.4, color="tab:blue")
        axes.plot(c.mean(), row, "|", markersize=22, color="black")
    axes.set_yticks(range(len(values)), [*values])
    axes.invert_yaxis()
    axes.axvline(0.5, color="grey", linewidth=0.8)
    axes.set_xlabel("C on the other patients of the target centre")
    figure.savefig(FIGURE, dpi=150)


def main(out: Path) -> None:
    """Print and draw the comparison."""
    profile = load_profile("quick").model_copy(update={"phantom": SIZE})
    source, target = (centre(name, profile, out) for name in ("phantom", "phantom-external"))
    values = {name: np.zeros(DRAWS) for name in METHODS}
    for seed in range(DRAWS):
        few, test = drawn(target, seed)
        for name, c in values.items():
            c[seed] = c_of(name, source, few, test, seed)
        print(seed, " ".join(f"{c[seed]:.3f}" for c in values.values()), flush=True)
    for name, c in values.items():
        against = interval(values["Transfer-Cox"] - c) if name != "Transfer-Cox" else ""
        print(f"{name:<32} {c.mean():.3f} +- {c.std(ddof=1):.3f}   Transfer-Cox minus it: {against}")
    draw_figure(values)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
