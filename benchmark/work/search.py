"""One search for hyper-parameters: Optuna's TPE in batches of trials.

Trial 0 is the method as it is declared, so tuning can only leave it for something that scored better. What a trial
tries follows from the seed, its number and the trials of earlier batches. The trials of a batch know nothing of each
other, so they may run side by side and in any order, and a search that was killed and continued chooses what an
uninterrupted one chooses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.errors import message_of
from survbench.io.hashing import digest
from survbench.space import Space, suggest
from survbench.work.card_errors import is_card_error
from survbench.work.trials import Trials
from survbench.work.tuned import Trial, Tuned

if TYPE_CHECKING:
    import optuna

RANDOM_TRIALS = 5
"""Trials before TPE begins to model; those are drawn at random."""
PRUNE_AFTER = 4
"""Finished trials before one may be given up for being worse than their median at the same step."""
ATTEMPTS = 3
"""A trial that is cut off so often (its process dies, or runs out of time) has failed."""
log = logging.getLogger(__name__)

Objective = Callable[[Mapping[str, Any], Callable[[int, float], None]], float]
"""(params, report) -> score, higher is better; ``report(step, score so far)`` may raise to give the trial up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search, of which some trials may have ended.

    Attributes:
        objective: scores a set of params; an exception of its own fails the trial and is kept with it.
        space: the params; those of trial 0 are none, the method as it is declared.
        trials: how many, failed ones included.
        batch: trials that are proposed together.
        seed: of the search.
        kept: the trials that have ended.
        steps: how often the objective reports; from three on, a trial is given up after the second at the earliest.
    """

    objective: Objective
    space: Space
    trials: int
    batch: int = 1
    seed: int
    kept: Trials
    steps: int = 1

    def run(self) -> Tuned:
        """Run the trials that have not ended, one after the other, and return all of them.

        Where none could be scored, the trials are forgotten: whatever made them fail may be fixed until the next run.

        Raises:
            OSError, RuntimeError of a GPU: of the objective; the machine's fault, not that of the params. The search
                can be continued.
            MemoryError, or torch's: alike, until the same trial has ended so :data:`ATTEMPTS` times.
        """
        done: list[Trial] = []
        for number in range(self.trials):
            done.append(self._trial(number, done[: self._known(number)]))
        tuned = Tuned(trials=tuple(done))
        if not tuned.scored:
            log.warning("No trial could be scored; the next run begins the search again.")
            self.kept.clear()
        return tuned

    def run_one(self, number: int) -> None:
        """Run one trial, or leave it to :meth:`run` if a trial of an earlier batch has not ended.

        Raises:
            OSError, RuntimeError, MemoryError: see :meth:`run`.
        """
        earlier = [self.kept.read(before) for before in range(self._known(number))]
        known = [trial for trial in earlier if trial is not None]
        if len(known) == len(earlier):
            self._trial(number, known)

    def _known(self, number: int) -> int:
        """Return how many trials are of earlier batches than a trial's own."""
        return number - number % self.batch

    def _trial(self, number: int, earlier: Sequence[Trial]) -> Trial:
        ended = self.kept.read(number)
        if ended is None:
            ended = self._scored(number, earlier)
            self.kept.write(ended)
        return ended

    def _scored(self, number: int, earlier: Sequence[Trial]) -> Trial:
        """Propose params from the trials of earlier batches, and score them."""
        import optuna

        cut_off = self.kept.begin(number)
        trial = self._study(number, earlier).ask()
        params = suggest(trial, self.space) if number else {}
        steps: dict[str, float] = {}

        def ended(state: str, value: float | None = None, error: str = "") -> Trial:
            return Trial(number=number, params=params, state=state, value=value, steps=steps, error=error[:500])

        def report(step: int, value: float) -> None:
            steps[str(step)] = _finite(value)
            trial.report(value, step)
            if params and trial.should_prune():
                raise optuna.TrialPruned

        if cut_off >= ATTEMPTS:
            return ended("fail", error=f"cut off {ATTEMPTS} times: its process died each time")
        try:
            return ended("complete", _finite(self.objective(params, report)))
        except optuna.TrialPruned:
            return ended("pruned")
        except Exception as problem:  # a method may fail on some params; that is a finding about them
            kind, message = type(problem).__name__, message_of(problem)
            if isinstance(problem, OSError) or is_card_error(kind, message):
                self.kept.forgive(number)
                raise
            if isinstance(problem, MemoryError) or kind == "OutOfMemoryError":
                raise  # the params may have caused it, so it counts as an attempt
            return ended("fail", error=f"{kind}: {message}")

    def _study(self, number: int, earlier: Sequence[Trial]) -> optuna.Study:
        """Return a study that holds the trials of earlier batches, and decides chance by the number of the trial."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(
                seed=int(digest([self.seed, number])[:8], 16), n_startup_trials=RANDOM_TRIALS
            ),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=PRUNE_AFTER, n_warmup_steps=int(self.steps > 2)),
        )
        study.add_trials(_frozen(trial, self.space) for trial in earlier)
        return study


def _finite(score: float) -> float:
    if not np.isfinite(score):
        raise ValueError("the score is not a number")
    return float(score)


def _frozen(trial: Trial, space: Space) -> optuna.trial.FrozenTrial:
    from optuna.trial import TrialState, create_trial

    return create_trial(
        state=TrialState[trial.state.upper()],
        value=trial.value,
        params=dict(trial.params),
        distributions={name: space[name].distribution() for name in trial.params},
        intermediate_values={int(step): value for step, value in trial.steps.items()},
    )
