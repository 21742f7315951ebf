"""The trials and choices of a study's searches: charts and tables for a page of its site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from survbench.evaluation.redaction import without_paths
from survbench.leaderboard.site.charts import Chart, Line
from survbench.leaderboard.site.pages import method_folder
from survbench.plan.job import TuneJob
from survbench.plan.study import Study
from survbench.runs.store import Store
from survbench.space import Choice, Dimension, Space, space_from_json
from survbench.work.tuned import Trial, Tuned, read_tuned

PAGE = ("tuning.html", "Tuning")
FEWEST = 3
"""Number of complete trials with hyper-parameters below which their importance is meaningless."""
IMPORTANCE_COLUMNS = ("hyper_parameter", "importance", "chosen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A finished tuning job: its method and its results."""

    key: str
    method: str
    title: str
    where: str
    space: Space
    tuned: Tuned

    @property
    def as_declared(self) -> float | None:
        """Score of trial 0, the method as declared."""
        return self.tuned.trials[0].value

    @property
    def stem(self) -> str:
        """Prefix of the names of its files."""
        return f"{method_folder(self.method)}-{self.where.replace(' ', '-')}-{self.key[:8]}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table of its trials."""
        return ("trial", "state", "c_index", *self.space, "error")

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yield its trials as rows of :attr:`columns`; trial 0 is the method as declared, without hyper-parameters."""
        for trial in self.tuned.trials:
            value = "" if trial.value is None else trial.value
            params = (trial.params.get(name, "") for name in self.space)
            yield trial.number, trial.state, value, *params, without_paths(trial.error)


def searches(study: Study, store: Store) -> tuple[Search, ...]:
    """Return the finished tuning jobs of a study, in order."""
    found: dict[str, Search] = {}
    for entry in study.entries:
        for key in (key for seed in entry.tunes for key in seed):
            run = store.read(key)
            if run is None or not isinstance(run.job, TuneJob) or not store.is_done(key):
                continue
            found.setdefault(
                key,
                Search(
                    key=key,
                    # for a method that builds on another, this includes the other's searches
                    method=run.job.method,
                    title=entry.title if run.job.method == entry.name else run.job.method,
                    where=run.job.place,
                    space=space_from_json(run.job.space),
                    tuned=read_tuned(run.folder),
                ),
            )
    return tuple(found.values())


def charts(search: Search) -> dict[str, Chart]:
    """Return the course of a search, and its scores by each hyper-parameter, by file name."""
    scored = search.tuned.scored
    numbers, values = [t.number for t in scored], _values(scored)
    course = Chart(
        title="Score of each trial, and the best so far",
        x_label="trial",
        y_label="C-index",
        lines=(
            Line(label="trial", colour=1, x=numbers, y=values, style="dots"),
            Line(label="best so far", colour=2, x=numbers, y=list(accumulate(values, max)), style="steps"),
        ),
    )
    by_param = {
        f"{search.stem}-{place}": _by_value(search, name, dimension)
        for place, (name, dimension) in enumerate(search.space.items(), start=1)
        if any(name in trial.params for trial in scored)
    }
    return {f"{search.stem}-course": course, **by_param}


def _by_value(search: Search, name: str, dimension: Dimension) -> Chart:
    """Return the scores by the values of a hyper-parameter; the chosen value is ringed."""
    trials = [trial for trial in search.tuned.scored if name in trial.params]
    best = search.tuned.best
    options = dimension.options if isinstance(dimension, Choice) else ()

    def at(value: Any) -> float:
        return float(options.index(value) if options else value)

    chosen = (at(best.params[name]), best.value) if name in best.params and best.value is not None else None
    x, y = [at(trial.params[name]) for trial in trials], _values(trials)
    return Chart(
        title=f"Score of each trial by {name}",
        x_label=name,
        y_label="C-index",
        lines=(Line(label="", colour=1, x=x, y=y, style="dots", mark=chosen),),
        x_names=tuple(map(str, options)),
        x_log=not isinstance(dimension, Choice) and dimension.log,
    )


def importance(search: Search) -> tuple[tuple[str, float, Any], ...]:
    """Return each hyper-parameter with its share of the variance of scores (fANOVA: Hutter et al., ICML 2014) and its
    chosen value, the most important first; empty if too few trials differ.
    """
    import optuna
    from optuna.trial import create_trial

    chosen = [trial for trial in search.tuned.scored if trial.params]
    if len(chosen) < FEWEST or len(set(_values(chosen))) < 2:
        return ()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for trial in chosen:
        distributions = {name: search.space[name].distribution() for name in trial.params}
        study.add_trial(create_trial(value=trial.value, params=dict(trial.params), distributions=distributions))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    best = search.tuned.best.params
    return tuple((name, share, best.get(name, "as declared")) for name, share in shares.items())


def _values(trials: Iterable[Trial]) -> list[float]:
    return [trial.value for trial in trials if trial.value is not None]


def in_words(params: Mapping[str, Any]) -> str:
    """Return hyper-parameters in words."""
    shown = (f"{name} = {_value(value)}" for name, value in params.items())
    return ", ".join(shown) or "as declared"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
