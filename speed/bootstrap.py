"""Print what the bootstrap of Harrell's C costs, beside loops over two public implementations; CPU seconds.

The loops run few replicates and are scaled up. Ratios within one run count, not seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from lifelines.utils import concordance_index as by_lifelines
from numpy.typing import NDArray
from sksurv.metrics import concordance_index_censored as by_sksurv
from survbench.significance import bootstrap

LOOPED = 20


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
    measure: Callable[[NDArray[np.intp], NDArray[np.float64]], object], n: int, risks: list[NDArray[np.float64]]
) -> float:
    """Return the CPU seconds of one replicate of all methods by a loop."""
    rng = np.random.default_rng(1)

    def call() -> None:
        for _ in range(LOOPED):
            rows = rng.integers(0, n, n)
            for risk in risks:
                measure(rows, risk[rows])

    return cpu(call) / LOOPED


def main() -> None:
    """Measure."""
    bootstrap(*cohort(600, 1)[:2], np.zeros(600), cohort(600, 1)[2], resamples=1, seed=0)  # compiles
    print("patients  methods  replicates   survbench    lifelines       sksurv")
    for n, methods, replicates in ((170, 25, 10_000), (1_000, 2, 1_000), (10_000, 2, 1_000)):
        time_, event, risks = cohort(n, methods)
        ours = cpu(lambda: bootstrap(time_, event, np.zeros(n), risks, resamples=replicates, seed=0))  # noqa: B023
        lifelines = looped(lambda rows, risk: by_lifelines(time_[rows], -risk, event[rows]), n, risks) * replicates  # noqa: B023
        sksurv = looped(lambda rows, risk: by_sksurv(event[rows], time_[rows], risk), n, risks) * replicates  # noqa: B023
        print(
            f"{n:>8}  {methods:>7}  {replicates:>10}  {ours:>8.2f} s  {lifelines / ours:>6.0f} times  "
            f"{sksurv / ours:>6.0f} times"
        )


if __name__ == "__main__":
    main()
