"""Convergence curves of a method, from what its fits have reported and what the harness has scored on test folds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from survbench.runs.store import Run
from survbench.statistics.metrics import cox_loss

if TYPE_CHECKING:
    import pandas as pd

POINTS = 200
"""Points of a drawn curve; longer ones are averaged over stretches of equal length."""
KNOWN_FIRST = ("L_sur", "L_seg", "C", "Dice")
MONITORED = ("L_sur", "test")
"""Metric and split of the curve that over-fitting is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Mean over fits of a metric at each step, with the lowest and the highest fit.

    Attributes:
        split: ``train``, or ``test`` for what was monitored on the test fold.
        steps, mean, low, high: of equal length.
        lowest: (step, mean) of the lowest mean over all reported steps.
        rises: of each fit, its value at the last step less that at the step of the lowest mean; NaN for one that has
            not reported at both.
        last: the last step.
        uninformed: mean over the fits of the L_sur of a model that gives all patients of the test fold the same risk;
            None for another curve than that of the monitored L_sur.
    """

    metric: str
    split: str
    steps: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    lowest: tuple[int, float]
    rises: tuple[float, ...]
    last: int
    uninformed: float | None = None

    @property
    def fits(self) -> int:
        """How many fits it is a mean of."""
        return len(self.rises)

    @property
    def onset(self) -> int | None:
        """The step from which a loss rises: that of the lowest mean, if every fit ends higher than it was there."""
        return self.lowest[0] if all(rise > 0 for rise in self.rises) else None


def curves(runs: Sequence[Run]) -> tuple[Curve, ...]:
    """Return the curves of a method's fits: the known metrics first, of each that of the training fold first."""
    import pandas as pd

    tables = [run.curves() for run in runs]
    # a loss that has diverged cannot be averaged
    tables = [
        table[np.isfinite(table["value"].to_numpy(dtype=np.float64))].assign(fit=number)
        for number, table in enumerate(tables)
    ]
    tables = [table for table in tables if len(table)]
    if not tables:
        return ()
    found = []
    for (metric, split), rows in pd.concat(tables, ignore_index=True).groupby(["metric", "split"]):
        curve = _curve(str(metric), str(split), rows)
        if (curve.metric, curve.split) == MONITORED:
            of = [_uninformed(runs[fit]) for fit in sorted(rows["fit"].unique())]
            curve = replace(curve, uninformed=float(np.mean(of)))
        found.append(curve)
    return tuple(sorted(found, key=_order))


def _uninformed(run: Run) -> float:
    """Return L_sur of equal risks on the test fold of a fit.

    The Cox loss grows with the number at risk, so the level of the monitored loss is to be held against this one.
    """
    table = run.predictions()
    return cox_loss(table["time"], table["event"], np.zeros(len(table)))


def _order(curve: Curve) -> tuple[int, str, bool]:
    known = KNOWN_FIRST.index(curve.metric) if curve.metric in KNOWN_FIRST else len(KNOWN_FIRST)
    return known, curve.metric, curve.split != "train"


def _curve(metric: str, split: str, rows: pd.DataFrame) -> Curve:
    table = rows.pivot_table(index="step", columns="fit", values="value").sort_index()
    steps, values = table.index.to_numpy(dtype=np.int64), table.to_numpy(dtype=np.float64)
    mean = np.nanmean(values, axis=1)
    best = int(np.argmin(mean))
    parts = list(_stretches(len(steps)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a fit that reports at other steps has nothing in a stretch
        means = np.array([np.nanmean(values[part], axis=0) for part in parts])
    return Curve(
        metric=metric,
        split=split,
        steps=tuple(int(steps[part.stop - 1]) for part in parts),
        mean=_numbers(np.nanmean(means, axis=1)),
        low=_numbers(np.nanmin(means, axis=1)),
        high=_numbers(np.nanmax(means, axis=1)),
        lowest=(int(steps[best]), float(mean[best])),
        rises=_numbers(values[-1] - values[best]),
        last=int(steps[-1]),
    )


def _stretches(count: int) -> Iterator[slice]:
    """Yield at most :data:`POINTS` slices of about equal length."""
    edges = np.unique(np.linspace(0, count, min(count, POINTS) + 1).round().astype(int))
    for start, stop in pairwise(edges.tolist()):
        yield slice(start, stop)


def _numbers(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
