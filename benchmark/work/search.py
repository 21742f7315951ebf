"""One search for hyper-parameters: Optuna's TPE on a journal that survives a kill.

Trial 0 is the method as it is declared, so tuning can only leave it for something that scored better. What chance
decides in a trial follows from the seed and the number of trials before it, so a search that was killed and continued
chooses what an uninterrupted one chooses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from survbench.io.hashing import digest
from survbench.space import Space, suggest
from survbench.work.journal import journal_storage
from survbench.work.tuned import Trial, Tuned

if TYPE_CHECKING:
    import optuna

RANDOM_TRIALS = 5
"""Trials before TPE begins to model; those are drawn at random."""
PRUNE_AFTER = 4
"""Finished trials before one may be given up for being worse than their median at the same step."""
ATTEMPTS = 3
"""A set of params whose trial is cut off so often (its process dies, or runs out of time) has failed."""
LOCK_S = 30.0
"""How long a killed run's last worker may still hold the journal."""
ERROR = "error"
log = logging.getLogger(__name__)

Objective = Callable[[Mapping[str, Any], Callable[[int, float], None]], float]
"""(params, report) -> score, higher is better; ``report(step, score so far)`` may raise to give the trial up."""


def tune(objective: Objective, space: Space, *, trials: int, seed: int, journal: Path, steps: int = 1) -> Tuned:
    """Search, or go on with a search whose journal is there.

    Args:
        objective: scores a set of params; an exception of its own fails the trial and is kept with it.
        space: the params; those of trial 0 are none, the method as it is declared.
        trials: how many, failed ones included.
        seed: of the search.
        journal: the file in which the search is kept; one process at a time may.
        steps: how often the objective reports; from three on, a trial is given up after the second at the earliest.

    Raises:
        OSError, MemoryError: of the objective, as well as torch's out-of-memory error: the machine's fault and not that
            of the params; the search can be continued.
    """
    with FileLock(journal.with_name(f"{journal.name}.held"), timeout=LOCK_S):
        return _search(objective, space, trials=trials, seed=seed, journal=journal, steps=steps)


def _search(objective: Objective, space: Space, *, trials: int, seed: int, journal: Path, steps: int) -> Tuned:
    import optuna

    study = _open(journal, steps)
    if len(_finished(study)) >= trials and not _complete(study):
        # whatever made every trial fail may have been fixed since, so these trials are not kept
        log.warning("no trial of %s could be scored; the search begins again", journal)
        journal.unlink()
        study = _open(journal, steps)
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

    def report(step: int, value: float) -> None:
        trial.report(value, step)
        if params and trial.should_prune():
            raise optuna.TrialPruned

    try:
        value = objective(params, report)
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return
    except (OSError, MemoryError):
        raise
    except Exception as problem:  # a method may fail on some params; that is a finding about them, not the search's end
        if type(problem).__name__ == "OutOfMemoryError":
            raise
        trial.set_user_attr(ERROR, f"{type(problem).__name__}: {problem}"[:500])
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    if np.isfinite(value):
        study.tell(trial, value)
    else:
        trial.set_user_attr(ERROR, "the score is not a number")
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _open(journal: Path, steps: int) -> optuna.Study:
    """Open or begin a search; a trial that a kill has cut off is closed and does not count."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=journal_storage(journal),
        study_name="tune",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=PRUNE_AFTER, n_warmup_steps=int(steps > 2)),
        load_if_exists=True,
    )
    for cut_off in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        if _attempts(study) + 1 >= ATTEMPTS:
            study.add_trial(_given_up(cut_off))
        study.tell(cut_off.number, state=optuna.trial.TrialState.FAIL)
    return study


def _given_up(cut_off: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
    """Return the trial that counts for one that was cut off again and again."""
    from optuna.trial import TrialState, create_trial

    reason = f"cut off {ATTEMPTS} times: its process died each time"
    return create_trial(
        state=TrialState.FAIL,
        params=cut_off.params,
        distributions=cut_off.distributions,
        user_attrs={ERROR: reason},
    )


def _attempts(study: optuna.Study) -> int:
    """Return how many trials have been cut off since the last one that counts."""
    trials = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    counted = {t.number for t in _finished(study)}
    return next((n for n, t in enumerate(reversed(trials)) if t.number in counted), len(trials))


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState

    return [
        t
        for t in study.get_trials(deepcopy=False)
        if t.state in {TrialState.COMPLETE, TrialState.PRUNED} or (t.state is TrialState.FAIL and ERROR in t.user_attrs)
    ]


def _complete(study: optuna.Study) -> bool:
    from optuna.trial import TrialState

    return bool(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))


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
