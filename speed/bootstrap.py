"""Print what the bootstrap of Harrell's C costs, beside loops over two public implementations; CPU seconds.

The loops run few replicates and are scaled up. Ratios within one run count more than seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from lifelines.utils import concordance_index as by_lifelines
from numpy.typing import NDArray
from sksurv.metrics import concordance_index_censored as by_sksurv
from survbench.significance import bootstrap

SETTINGS = ((170, 25, 10_000, 20, 1.0), (10_000, 2, 1_000, 4, 2.0))
"""Patients, methods, replicates; replicates of the loops; CPU seconds that we aim for."""


def cohort(n: int, methods: int) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[NDArray[np.float64]]]:
    """Draw a cohort with 28 % events and methods of some strength."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=n)
    time_, event = rng.exponential(np.exp(-truth)), rng.random(n) < 0.28
    return time_, event, [truth + rng.normal(size=n) for _ in range(methods)]


def cpu(call: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    started = time.process_time()
    call()
    return time.process_time() - started


def looped(
    measure: Callable[[NDArray[np.intp], NDArray[np.float64]], object],
    n: int,
    risks: list[NDArray[np.float64]],
    replicates: int,
) -> float:
    """Return the CPU seconds of one replicate of all methods by a loop."""
    rng = np.random.default_rng(1)

    def call() -> None:
        for _ in range(replicates):
            rows = rng.integers(0, n, n)
            for risk in risks:
                measure(rows, risk[rows])

    return cpu(call) / replicates


def measured(n: int, methods: int, replicates: int, loops: int, aim: float) -> str:
    """Return a line of the table."""
    times, event, risks = cohort(n, methods)
    ours = cpu(lambda: bootstrap(times, event, np.zeros(n), risks, resamples=replicates, seed=0))
    others = (
        lambda rows, risk: by_lifelines(times[rows], -risk, event[rows]),
        lambda rows, risk: by_sksurv(event[rows], times[rows], risk),
    )
    scaled = [looped(other, n, risks, loops) * replicates for other in others]
    cells = "  ".join(f"{seconds:>8,.0f} s ({seconds / ours:>6,.0f} times)" for seconds in scaled)
    return f"{n:>8,}  {methods:>7}  {replicates:>10,}  {ours:>6.2f} s (aim {aim:g} s)  {cells}"


def main() -> None:
    """Measure."""
    times, event, risks = cohort(600, 1)
    bootstrap(times, event, np.zeros(600), risks, resamples=1, seed=0)  # compiles
    print("patients  methods  replicates           survbench       in a loop: lifelines            scikit-survival")
    for setting in SETTINGS:
        print(measured(*setting))


if __name__ == "__main__":
    main()
