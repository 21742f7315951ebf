"""Print what the check of learning says of networks whose state is known, as a table: ``learning.py [FITS]``.

Small networks see tables like the phantom's: the five factors of its hazard, and noise. Each is trained by the Cox loss
or by the discrete-time loss to learn (the factors alone, few steps), to memorise (outcomes that were dealt out anew,
much noise, many steps), for a few steps, or not at all.
"""

from __future__ import annotations

import sys
import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.api import SURVIVAL_MONTHS
from survbench.datasets.phantom.cohort import FACTORS, TRAIN_TABLE, outcomes, simulate
from survbench.evaluation.learning import VERDICTS, Learning, learning
from survbench.models.engine.losses import cox_loss
from survbench.models.networks.discrete_time import INTERVALS, discrete_time_loss, risk_at_horizon, survival_curve
from survbench.statistics.learning import chance_sd, cox_best_slope, discrete_time_best_slope
from survbench.statistics.metrics import concordance_index

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Predictor = Callable[[Floats], tuple[Floats, Floats | None]]
WIDTH = 32
POPULATION = 2000
COHORTS = {"12 (smoke)": (12, 0.6), "80 (quick)": (80, 0.45), "136 (paper)": (136, 0.28), "400": (400, 0.28)}
"""Patients of a training fold, and their share of events; a test fold has half as many patients."""
LOSSES = ("cox", "discrete-time")


@dataclass(frozen=True)
class State:
    """How a network of a known state is made."""

    noise: int
    steps: int
    rate: float = 0.01
    dealt_anew: bool = False


STATES = {
    "untrained": State(noise=15, steps=0),
    "few steps": State(noise=15, steps=3, rate=0.002),
    "learns": State(noise=0, steps=30),
    "memorises": State(noise=95, steps=100, dealt_anew=True),
}


@cache
def population() -> tuple[Floats, Floats]:
    """Return the standardised factors of many patients of the phantom, and their log hazards."""
    patients = simulate(TRAIN_TABLE, POPULATION, "A", np.random.default_rng(0))
    factors = [[(p.factors[f] - mean) / sd for f, (_, mean, sd) in FACTORS.items()] for p in patients]
    return np.array(factors), np.array([p.log_hazard for p in patients])


def table(n: int, share: float, noise: int, rng: np.random.Generator) -> tuple[Floats, Floats, Flags]:
    """Draw patients: factors and columns of noise, months, events."""
    factors, log_hazard = population()
    drawn = rng.choice(POPULATION, n, replace=False)
    time, event = outcomes(log_hazard[drawn], share, rng)
    return np.hstack([factors[drawn], rng.normal(size=(n, noise))]), time, event


def fit(x: Floats, time: Floats, event: Flags, loss: str, state: State, rng: np.random.Generator) -> Predictor:
    """Train a network of two hidden layers on a whole table at once; return what predicts risks and curves."""
    torch.manual_seed(int(rng.integers(2**31)))
    network = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], WIDTH),
        torch.nn.ReLU(),
        torch.nn.Linear(WIDTH, WIDTH),
        torch.nn.ReLU(),
        torch.nn.Linear(WIDTH, 1 if loss == "cox" else INTERVALS),
    ).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=state.rate)
    inputs, months, events = torch.from_numpy(x), torch.from_numpy(time), torch.from_numpy(event)
    for _ in range(state.steps):
        optimizer.zero_grad()
        out = network(inputs)
        if loss == "cox":
            cox_loss(out[:, 0], months, events).backward()
        else:
            discrete_time_loss(out.sigmoid(), months, events).backward()
        optimizer.step()

    def predict(rows: Floats) -> tuple[Floats, Floats | None]:
        with torch.no_grad():
            out = network(torch.from_numpy(rows))
            if loss == "cox":
                return out[:, 0].numpy(), None
            conditional = out.sigmoid()
            return risk_at_horizon(conditional).numpy(), survival_curve(conditional.numpy(), SURVIVAL_MONTHS)

    return predict


def check(n: int, share: float, loss: str, state: State, rng: np.random.Generator) -> Learning:
    """Fit a network to a known state, and check it as a fit job and a board do."""
    x, time, event = table(n + n // 2, share, state.noise, rng)
    if state.dealt_anew:
        order = rng.permutation(len(time))
        time, event = time[order], event[order]
    part = rng.permutation(len(time)) < n
    predict = fit(x[part], time[part], event[part], loss, state, rng)
    risk, survival = predict(x[part])
    if survival is None:
        best = cox_best_slope(time[part], event[part], risk)
    else:
        best = discrete_time_best_slope(time[part], event[part], survival, SURVIVAL_MONTHS)
    figures = {
        "patients": n,
        "events": int(event[part].sum()),
        "c_index": concordance_index(time[part], event[part], risk).value,
        "c_index_chance_sd": chance_sd(time[part], event[part]),
        "loss": loss,
        "loss_uninformed": best.uninformed,
        "loss_best": best.loss,
        "slope": best.slope,
        "dice": None,
        "dice_constant": None,
    }
    rest = ~part
    return learning(figures, time[rest], event[rest], predict(x[rest])[0], np.full(int(rest.sum()), np.nan))


def row(checked: list[Learning]) -> str:
    """Return the cells of a line of the table: training C, likelihood ratio, test C, share of each verdict."""
    c = np.array([each.c_index for each in checked], dtype=np.float64)
    ratio = np.array([each.likelihood_ratio for each in checked], dtype=np.float64)
    test = np.array([np.nan if each.c_test is None else each.c_test.value for each in checked])
    shares = [np.mean([each.verdict == verdict for each in checked]) for verdict in VERDICTS]
    numbers = [_spread(c, ".2f"), _spread(ratio, ".1f"), f"{np.nanmedian(test):.2f}"]
    return " | ".join([*numbers, *(f"{100 * share:.0f} %" for share in shares)])


def _spread(values: Floats, form: str) -> str:
    low, middle, high = (format(v, form) for v in np.nanquantile(values, [0.05, 0.5, 0.95]))
    return f"{middle} ({low} to {high})"


def main() -> None:
    """Measure and print a Markdown table."""
    fits = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    torch.set_num_threads(1)
    started = clock.process_time()
    print(f"| state | loss | patients | training C | likelihood ratio | test C | {' | '.join(VERDICTS)} |")
    print(f"|---|---|---|---|---|---|{'---|' * len(VERDICTS)}")
    for place, (name, state) in enumerate(STATES.items()):
        for loss in LOSSES:
            for title, (n, share) in COHORTS.items():
                seeds = [np.random.default_rng([n, place, LOSSES.index(loss), k]) for k in range(fits)]
                checked = [check(n, share, loss, state, rng) for rng in seeds]
                print(f"| {name} | {loss} | {title} | {row(checked)} |", flush=True)
    print(f"\n{fits} fits a line, medians (5th to 95th percentile); {clock.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main()
