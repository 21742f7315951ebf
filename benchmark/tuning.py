"""One search for hyper-parameters: Optuna's TPE on a journal that survives a kill.

Trial 0 is the method as it is declared, so tuning can only leave it for something that scored better. What chance
decides in a trial follows from the seed and the number of trials before it, so a search that was killed and continued
chooses what an uninterrupted one chooses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.errors import BenchError
from survbench.hashing import digest
from survbench.space import Space, suggest

if TYPE_CHECKING:
    import optuna

RANDOM_TRIALS = 5
"""Trials before TPE begins to model; those are drawn at random."""
PRUNE_AFTER = 4
"""Finished trials before one may be given up for being worse than their median at the same step."""
ERROR = "error"
log = logging.getLogger(__name__)

Objective = Callable[[Mapping[str, Any], Callable[[int, float], None]], float]
"""(params, report) -> score, higher is better; ``report(step, score so far)`` may raise to give the trial up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one set of hyper-parameters; ``value`` is None where it failed or was given up early."""

    number: int
    params: Mapping[str, Any]
    state: str
    value: float | None
    steps: Mapping[str, float]
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A finished search: the trials in their order, and the params of the best one (of equals the first)."""

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The complete trial with the highest score.

        Raises:
            BenchError: no trial was completed.
        """
        complete = [t for t in self.trials if t.value is not None]
        if not complete:
            reasons = {t.error for t in self.trials if t.error}
            raise BenchError(f"None of {len(self.trials)} tuning trials could be scored: {'; '.join(sorted(reasons))}")
        return max(complete, key=lambda t: (t.value, -t.number))

    def to_json(self) -> dict[str, Any]:
        """Return the search as JSON: ``best_params``, ``best_value``, ``trials``."""
        best = self.best
        return {
            "best_params": dict(best.params),
            "best_value": best.value,
            "trials": [t.to_json() for t in self.trials],
        }


def tune(objective: Objective, space: Space, *, trials: int, seed: int, journal: Path) -> Tuned:
    """Search, or go on with a search whose journal is there.

    Args:
        objective: scores a set of params; an exception of its own fails the trial and is kept with it.
        space: the params; those of trial 0 are none, the method as it is declared.
        trials: how many, failed ones included.
        seed: of the search.
        journal: the file in which the search is kept.

    Raises:
        DeadlineError, MemoryError: of the objective; the search can be continued.
    """
    import optuna

    study = _open(journal)
    while (done := len(_finished(study))) < trials:
        study.sampler = optuna.samplers.TPESampler(
            seed=int(digest([seed, done])[:8], 16), n_startup_trials=RANDOM_TRIALS
        )
        trial = study.ask()
        params = suggest(trial, space) if done else {}
        _score(study, trial, objective, params)
    return Tuned(trials=tuple(_trial(number, frozen) for number, frozen in enumerate(_finished(study))))


def _score(study: optuna.Study, trial: optuna.Trial, objective: Objective, params: Mapping[str, Any]) -> None:
    import optuna
    from survbench.api import DeadlineError

    def report(step: int, value: float) -> None:
        trial.report(value, step)
        if params and trial.should_prune():
            raise optuna.TrialPruned

    try:
        value = objective(params, report)
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return
    except (DeadlineError, MemoryError):
        raise
    except Exception as problem:  # a method may fail on some params; that is a finding about them, not the search's end
        trial.set_user_attr(ERROR, f"{type(problem).__name__}: {problem}"[:500])
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    if np.isfinite(value):
        study.tell(trial, value)
    else:
        trial.set_user_attr(ERROR, "the score is not a number")
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _open(journal: Path) -> optuna.Study:
    """Open or begin a search; a trial that a kill has cut off is closed and does not count."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # only one process ever writes this journal, so a lock that is there is a killed one's
    for lock in journal.parent.glob(f"{journal.name}.lock*"):
        lock.unlink()
    _drop_torn_line(journal)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal))),
        study_name="tune",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=PRUNE_AFTER, n_warmup_steps=0),
        load_if_exists=True,
    )
    for cut_off in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(cut_off.number, state=optuna.trial.TrialState.FAIL)
    return study


def _drop_torn_line(journal: Path) -> None:
    """Remove a last line that a kill has cut off; the next record would be written onto it and lost."""
    if not journal.is_file():
        return
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        log.warning("%s ended in a torn line, which is dropped", journal)
        journal.write_bytes(whole)


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState

    return [
        t
        for t in study.get_trials(deepcopy=False)
        if t.state in {TrialState.COMPLETE, TrialState.PRUNED} or (t.state is TrialState.FAIL and ERROR in t.user_attrs)
    ]


def _trial(number: int, frozen: optuna.trial.FrozenTrial) -> Trial:
    from optuna.trial import TrialState

    complete = frozen.state is TrialState.COMPLETE
    return Trial(
        number=number,
        params=dict(frozen.params),
        state=frozen.state.name.lower(),
        value=frozen.value if complete else None,
        steps={str(step): value for step, value in sorted(frozen.intermediate_values.items())},
        error=str(frozen.user_attrs.get(ERROR, "")),
    )
