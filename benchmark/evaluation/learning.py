"""Whether a fit has learned: on the patients that it was fitted on, and whether that carries over to its test fold.

The figures of the training fold are the run's, the thresholds are here, so another threshold fits nothing again. Where
they come from is told in docs/explanation/learning.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from survbench.runs.store import Run
from survbench.statistics.bootstrap import bootstrap

LEAST_C = 0.70
"""C on the training fold from which a risk may have been learned: the risk of an untrained network is a random
projection of what it sees, and what it sees tells of outcomes, so that 0.65 is often reached.
"""
CHANCE_SDS = 1.96
"""Standard deviations of chance by which C on the training fold must exceed 0.5, too: few patients give any C."""
LEAST_GAIN = 0.05
"""Dice on the training fold above that of the best constant mask from which a segmentation has been learned."""

RESAMPLES = 1000
"""Of the interval of C on the test fold."""

Verdict = Literal["learned", "over-fitted", "not learned"]
VERDICTS: Mapping[Verdict, str] = {"learned": "learned", "over-fitted": "over_fitted", "not learned": "not_learned"}
"""With their names in :class:`Verdicts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """How many fits of a method have a verdict, and how many have which."""

    fits: int
    learned: int
    over_fitted: int
    not_learned: int

    def of(self, verdict: Verdict) -> int:
        """Return how many fits have a verdict."""
        return int(getattr(self, VERDICTS[verdict]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A mean over the patients of a test fold, or their C, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What a fit has made of its patients.

    Attributes:
        patients, events: that it was fitted on.
        c_index: of them; None for a fit without risks, like all that follows from risks.
        c_index_chance_sd: standard deviation of that C for risks that have nothing to do with outcomes.
        loss: ``cox`` or ``discrete-time``.
        loss_uninformed, loss_best: negative log likelihood per event without, and at the best slope of the predictions.
        slope: that slope.
        dice, dice_constant: of the fit, and of the best mask that is the same for all patients; None without masks.
        c_test, dice_test: of the test fold; None also where it is too small to give one, and then there is no verdict.
    """

    patients: int
    events: int
    c_index: float | None = None
    c_index_chance_sd: float | None = None
    loss: str | None = None
    loss_uninformed: float | None = None
    loss_best: float | None = None
    slope: float | None = None
    dice: float | None = None
    dice_constant: float | None = None
    c_test: Measure | None = None
    dice_test: Measure | None = None

    @property
    def likelihood_ratio(self) -> float | None:
        """Twice the log likelihood that the predictions add at their best slope, negative where that slope is."""
        if self.loss_uninformed is None or self.loss_best is None or self.slope is None:
            return None
        return float(np.sign(self.slope)) * 2 * self.events * (self.loss_uninformed - self.loss_best)

    @property
    def least_c(self) -> float | None:
        """C on the training fold from which the risk has been learned."""
        return None if self.c_index_chance_sd is None else max(LEAST_C, 0.5 + CHANCE_SDS * self.c_index_chance_sd)

    @property
    def verdict(self) -> Verdict | None:
        """What is to be said of the fit: by its risks, by its masks where it has no risk.

        None where it has neither, where the test fold has no C or no Dice to contradict by, or where the constant mask
        is so good that no Dice can exceed it by :data:`LEAST_GAIN`.
        """
        if self.c_index is not None:
            return None if self.least_c is None else _verdict(self.c_index, self.least_c, self.c_test, chance=0.5)
        if self.dice is not None and self.dice_constant is not None and self.dice_constant + LEAST_GAIN <= 1:
            return _verdict(self.dice, self.dice_constant + LEAST_GAIN, self.dice_test, chance=self.dice_constant)
        return None


def learning(
    figures: Mapping[str, Any],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    dice: NDArray[np.float64],
) -> Learning:
    """Hold what a fit has made of its training fold beside its test fold of n patients.

    Args:
        figures: of ``learning.json``.
        time: months, shape (n,).
        event: shape (n,).
        risk: shape (n,); NaN for a fit without risks.
        dice: shape (n,), alike.
    """
    known = {field.name for field in fields(Learning)}
    return Learning(
        # of another version of survbench there can be more
        **{name: value for name, value in figures.items() if name in known},
        c_test=_concordance(time, event, risk) if np.isfinite(risk).all() else None,
        dice_test=_mean(dice) if np.isfinite(dice).all() else None,
    )


def learning_of(run: Run) -> Learning | None:
    """Return what a fit has made of its patients, None where that was not measured: its method does not declare
    ``selects``, an earlier version of survbench has fitted it, or the check failed.
    """
    figures = run.learning()
    if figures is None:
        return None
    table = run.predictions()
    risk, dice = (table[name].to_numpy(dtype=np.float64) for name in ("risk", "dice"))
    time, event = table["time"].to_numpy(dtype=np.float64), table["event"].to_numpy(dtype=bool)
    return learning(figures, time, event, risk, dice)


def checked(runs: Iterable[Run]) -> list[tuple[Run, Learning]]:
    """Return the fits of which it was checked whether they have learned, and what they have made of their patients."""
    return [(run, found) for run in runs if (found := learning_of(run)) is not None]


def verdicts(runs: Iterable[Run]) -> Verdicts | None:
    """Count the fits with a verdict, and how many have which; None without one."""
    given = [found.verdict for _, found in checked(runs) if found.verdict is not None]
    if not given:
        return None
    return Verdicts(fits=len(given), **{name: given.count(verdict) for verdict, name in VERDICTS.items()})


def _verdict(fitted: float, least: float, test: Measure | None, *, chance: float) -> Verdict | None:
    # without a test fold that can contradict nothing is counted, or only failures would be
    if test is None:
        return None
    if fitted < least:
        return "not learned"
    lost = test.high < fitted and test.low <= chance
    return "over-fitted" if lost else "learned"


def _concordance(time: NDArray[np.float64], event: NDArray[np.bool_], risk: NDArray[np.float64]) -> Measure | None:
    # the same draws for every fit, so that a verdict follows from its run alone
    found = bootstrap(time, event, np.zeros(len(time)), [risk], resamples=RESAMPLES, seed=0)
    return _known(float(found.point[0]), *found.interval(0))


def _mean(values: NDArray[np.float64]) -> Measure | None:
    """Return the mean with its normal interval."""
    if len(values) < 2:
        return None
    mean, half = float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    return _known(mean, mean - half, mean + half)


def _known(*numbers: float) -> Measure | None:
    value, low, high = numbers
    return Measure(value=value, low=low, high=high) if np.isfinite(numbers).all() else None
