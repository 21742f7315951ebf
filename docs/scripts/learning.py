"""Print the verdicts of the learning check on networks whose state is known: ``learning.py [FITS [MORE]]``.

In the first table, small networks see tables like the phantom's: the five factors of its hazard, and noise. Each is
trained with the Cox loss or the discrete-time loss, either to learn (only the factors, few steps), or to memorise
(permuted outcomes, much noise, many steps), or for a few steps, or not at all. In the second table, the paper's
networks see the phantom's images from their random start, at a learning rate at which only the running averages of
batch normalisation change. FITS is the number of fits per line of the first table, MORE per line of the second; 0 omits
a table.
"""

from __future__ import annotations

import sys
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.api import SURVIVAL_MONTHS, Context, MethodInfo, Seeds
from survbench.cohort import Cohort
from survbench.datasets.phantom.cohort import FACTORS, TRAIN_TABLE, outcomes, simulate
from survbench.evaluation.learning import VERDICTS, Learning, learning
from survbench.features.clinical import ClinicalEncoder
from survbench.jobs.prepared_files import read_follow_up
from survbench.models.engine.losses import cox_loss
from survbench.models.engine.network_method import WEIGHTS
from survbench.models.engine.seeding import seeded
from survbench.models.networks.discrete_time import INTERVALS, discrete_time_loss, risk_at_horizon, survival_curve
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry
from survbench.runs.store import Store
from survbench.statistics.survival_metrics import Outcome
from survbench.training import Training
from survbench.work.construct import construct
from survbench.work.learning import risk_figures
from survbench.work.predictions import Predicted, predict
from survbench.work.prepared import PreparedCohort

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Predictor = Callable[[Floats], Predicted]
WIDTH = 32
POPULATION = 2000
COHORTS = {"12 (smoke)": (12, 0.6), "80 (quick)": (80, 0.45), "136 (paper)": (136, 0.28), "400": (400, 0.28)}
"""Patients in a training fold, and their share of events; a test fold has half as many patients."""
LOSSES = ("cox", "discrete-time")
NETWORKS = ("mdsn", "sur-casnet", "sur-hs", "cnn-survival")
IMAGED, TRAINED = 240, 80
"""Number of patients with images, and number of these in a training fold."""
STILL = {"steps": 20, "short_budget": None, "learning_rate_scale": 1e-9, "evaluations": 0}
"""Without the recipe for short budgets, which starts with equal risks: untrained, their C is exactly 0.5."""
MOVED = 1e-9
"""Largest allowed distance of a weight from its start."""


@dataclass(frozen=True)
class State:
    """How a network with a known state is made."""

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
    """Return the standardised factors of many phantom patients, and their log hazards."""
    patients = simulate(TRAIN_TABLE, POPULATION, "A", np.random.default_rng(0))
    factors = [[(p.factors[f] - mean) / sd for f, (_, mean, sd) in FACTORS.items()] for p in patients]
    return np.array(factors), np.array([p.log_hazard for p in patients])


def table(n: int, share: float, noise: int, rng: np.random.Generator) -> tuple[Floats, Floats, Flags]:
    """Draw patients: factors and noise columns, months, events."""
    factors, log_hazard = population()
    drawn = rng.choice(POPULATION, n, replace=False)
    time, event = outcomes(log_hazard[drawn], share, rng)
    return np.hstack([factors[drawn], rng.normal(size=(n, noise))]), time, event


def fit(x: Floats, time: Floats, event: Flags, loss: str, state: State, rng: np.random.Generator) -> Predictor:
    """Train a network with two hidden layers on a whole table at once; return a predictor of risks and curves."""
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

    def predictor(rows: Floats) -> Predicted:
        with torch.no_grad():
            out = network(torch.from_numpy(rows))
            if loss == "cox":
                return Predicted(out[:, 0].numpy(), None, None)
            conditional = out.sigmoid()
            curves = survival_curve(conditional.numpy(), SURVIVAL_MONTHS)
            return Predicted(risk_at_horizon(conditional).numpy(), curves, None)

    return predictor


def check(n: int, share: float, loss: str, state: State, rng: np.random.Generator) -> Learning:
    """Fit a network to a known state, and check it as a fit job and a board would."""
    x, time, event = table(n + n // 2, share, state.noise, rng)
    if state.dealt_anew:
        order = rng.permutation(len(time))
        time, event = time[order], event[order]
    part = rng.permutation(len(time)) < n
    predictor = fit(x[part], time[part], event[part], loss, state, rng)
    known, unseen = Outcome(time[part], event[part]), Outcome(time[~part], event[~part])
    return judged(predictor(x[part]), known, predictor(x[~part]), unseen)


def judged(train: Predicted, known: Outcome, test: Predicted, unseen: Outcome) -> Learning:
    """Check the predictions for a training fold and a test fold."""
    figures = {
        "patients": len(known.time),
        "events": int(known.event.sum()),
        **risk_figures(train, known.time, known.event),
    }
    return learning(figures, unseen.time, unseen.event, np.asarray(test.risk), np.full(len(unseen.time), np.nan))


def check_untrained(info: MethodInfo, cohort: Cohort, number: int) -> Learning:
    """Fit a network on random patients at a rate at which it does not learn, and check it.

    Raises:
        SystemExit: the weights have moved.
    """
    order = np.random.default_rng([number, TRAINED]).permutation(len(cohort))
    train, test = cohort.take(np.sort(order[:TRAINED])), cohort.take(np.sort(order[TRAINED : TRAINED * 3 // 2]))
    training = Training.model_validate({**load_profile("quick").training.model_dump(), **STILL})
    with TemporaryDirectory() as scratch:
        ctx = Context(seeds=Seeds(number, 0, info.name), training=training, scratch=Path(scratch))
        method = construct(info.target, info.params).fit(train, validation=None, ctx=ctx)
        moved = farthest(method, train, ctx)
    if moved > MOVED:
        raise SystemExit(f"A weight of {info.name} moved by {moved:.2g}: this network is not untrained.")
    of_train, of_test = (
        predict(method, fold.unlabelled(info.needs_predict), sorted(info.gives)) for fold in (train, test)
    )
    return judged(of_train, Outcome(train.time, train.event), of_test, Outcome(test.time, test.event))


def farthest(method: Any, train: Cohort, ctx: Context) -> float:
    """Return the largest distance of a fitted network's weight from its start."""
    with seeded(ctx.seeds.of("init"), torch.device(ctx.device)):
        start = method.build(len(train.channels), len(ClinicalEncoder.fit(train).columns))
    method.save(ctx.scratch)
    end = load_file(ctx.scratch / WEIGHTS)
    return max(float((end[name] - weight.detach()).abs().max()) for name, weight in start.named_parameters())


def row(checked: Sequence[Learning]) -> str:
    """Return the cells of a table row: training C, likelihood ratio, test C, share of each verdict."""
    c = np.array([each.c_index for each in checked], dtype=np.float64)
    ratio = np.array([each.likelihood_ratio for each in checked], dtype=np.float64)
    test = np.array([np.nan if each.c_test is None else each.c_test.value for each in checked])
    shares = [np.mean([each.verdict == verdict for each in checked]) for verdict in VERDICTS]
    numbers = [_spread(c, ".2f"), _spread(ratio, ".1f"), _spread(test, ".2f")]
    return " | ".join([*numbers, *(f"{100 * share:.0f} %" for share in shares)])


def _spread(values: Floats, form: str) -> str:
    low, middle, high = (format(v, form) for v in np.nanquantile(values, [0.05, 0.5, 0.95]))
    return f"{middle} ({low} to {high})"


def _head(*names: str) -> None:
    columns = [*names, "training C", "likelihood ratio", "test C", *VERDICTS]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")


def first_table(fits: int) -> None:
    """Print a row for each state, loss and size."""
    _head("state", "loss", "patients")
    for place, (name, state) in enumerate(STATES.items()):
        for loss in LOSSES:
            for title, (n, share) in COHORTS.items():
                seeds = [np.random.default_rng([n, place, LOSSES.index(loss), k]) for k in range(fits)]
                checked = [check(n, share, loss, state, rng) for rng in seeds]
                print(f"| {name} | {loss} | {title} | {row(checked)} |", flush=True)


def second_table(fits: int) -> None:
    """Print a row for each network."""
    quick = load_profile("quick")
    profile = quick.model_copy(update={"phantom": quick.phantom.model_copy(update={"train": IMAGED, "external": 4})})
    _head("network")
    with TemporaryDirectory() as out:
        study = run_study(Request(profile=profile, methods="volume", out=Path(out), workers=1), Silent()).study
        store = Store(Path(out))
        job = next(run.job for key in study.entries[0].fits[0] if (run := store.read(key)) is not None)
        prepared, ids = PreparedCohort(Path(out), job.cohort), sorted([*job.train, *job.test])
        follow_up = read_follow_up(prepared)
        for name in NETWORKS:
            info = registry().get(name)
            cohort = follow_up.label(prepared.inputs(ids, info.needs_fit))
            print(f"| {name} | {row([check_untrained(info, cohort, number) for number in range(fits)])} |", flush=True)


def main() -> None:
    """Measure and print Markdown tables."""
    given = [int(argument) for argument in sys.argv[1:]]
    fits, more = [*given, *(200, 24)[len(given) :]]
    torch.set_num_threads(1)
    started = clock.process_time()
    if fits:
        first_table(fits)
    if more:
        second_table(more)
    print(f"\nmedians (5th to 95th percentile); {clock.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main()
