"""Time the bootstrap of Harrell's C against loops over two public implementations.

The loops run few replicates and are scaled up.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from lifelines.utils import concordance_index as by_lifelines
from numpy.typing import NDArray
from sksurv.metrics import concordance_index_censored as by_sksurv
from survbench.significance import bootstrap
from timing import Figure, alone, least, show, timed

SETTINGS = ((170, 25, 10_000, 20, "1 s"), (10_000, 2, 1_000, 2, "2 s"))
"""Patients, methods, replicates; replicates of the loops; target time."""


def cohort(n: int, methods: int) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[NDArray[np.float64]]]:
    """Draw a cohort with 28 % events and methods of moderate strength."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=n)
    time_, event = rng.exponential(np.exp(-truth)), rng.random(n) < 0.28
    return time_, event, [truth + rng.normal(size=n) for _ in range(methods)]


def ours(n: int, methods: int, replicates: int) -> Callable[[], float]:
    """Return a function that returns the seconds of our bootstrap."""
    times, event, risks = cohort(n, methods)
    return timed(lambda: bootstrap(times, event, np.zeros(n), risks, resamples=replicates, seed=0))


def looped(
    measure: Callable[[NDArray[np.intp], NDArray[np.float64]], object],
    n: int,
    risks: list[NDArray[np.float64]],
    replicates: int,
) -> Callable[[], float]:
    """Return a function that returns the seconds that a loop takes for one replicate of all methods."""
    rng = np.random.default_rng(1)

    def call() -> None:
        for _ in range(replicates):
            rows = rng.integers(0, n, n)
            for risk in risks:
                measure(rows, risk[rows])

    return lambda: timed(call)() / replicates


def figures(n: int, methods: int, replicates: int, loops: int, aim: str) -> list[Figure]:
    """Return one table row for each implementation."""
    times, event, risks = cohort(n, methods)
    others: dict[str, Callable[[NDArray[np.intp], NDArray[np.float64]], object]] = {
        "loop over scikit-survival": lambda rows, risk: by_sksurv(event[rows], times[rows], risk),
        "loop over lifelines": lambda rows, risk: by_lifelines(times[rows], -risk, event[rows]),
    }
    loop = {name: looped(other, n, risks, loops) for name, other in others.items()}
    took = least({"ours": ours(n, methods, replicates), **loop}, repeats=2)
    return [
        Figure(
            what=f"{n:,} patients, {methods} methods, {replicates:,} resamples",
            seconds=took["ours"],
            anchor=name,
            anchor_seconds=took[name] * replicates,
            aim=aim,
        )
        for name in others
    ]


def measure() -> None:
    """Print a table."""
    show("Bootstrap of C", [figure for setting in SETTINGS for figure in figures(*setting)])


if __name__ == "__main__":
    alone(measure, __doc__)
