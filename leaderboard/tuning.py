"""The tuning report of a study: what was tried, what was chosen, and Optuna's plots, on one page without network."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.files import write_text
from survbench.fitted import read_tuned
from survbench.job import place
from survbench.space import Space, space_from_json
from survbench.store import Store
from survbench.study import Study

if TYPE_CHECKING:
    import optuna

PAGE = "tuning.html"
FEWEST = 3
"""Complete trials with hyper-parameters below which a plot of their importance means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A finished tuning job: whose it is, and what ``tuned.json`` holds."""

    key: str
    method: str
    title: str
    where: str
    space: Space
    tuned: Mapping[str, Any]

    @property
    def as_declared(self) -> float | None:
        """Score of trial 0, the method as it is declared."""
        value: float | None = self.tuned["trials"][0]["value"]
        return value


def searches(study: Study, store: Store) -> list[Search]:
    """Return the finished tuning jobs of a study, in its order."""
    found: dict[str, Search] = {}
    for entry in study.entries:
        for key in (key for seed in entry.tunes for key in seed):
            run = store.read(key)
            if run is None or not store.is_done(key):
                continue
            found.setdefault(
                key,
                Search(
                    key=key,
                    # of a method that builds on another, also the searches for that one
                    method=run.job["method"],
                    title=entry.title if run.job["method"] == entry.name else run.job["method"],
                    where=place(run.job),
                    space=space_from_json(run.job["spec"]["space"]),
                    tuned=read_tuned(run.folder),
                ),
            )
    return list(found.values())


def write_report(study: Study, store: Store) -> Path | None:
    """Write ``tuning.html`` into the study's folder; None for a study in which nothing was tuned."""
    found = searches(study, store)
    if not found:
        return None
    from markupsafe import Markup
    from survbench.leaderboard.page import template

    views = [{"search": s, "plots": {k: Markup(svg) for k, svg in plots(s).items()}} for s in found]  # noqa: S704  # ours
    style = Markup((Path(__file__).parent / "board.css").read_text(encoding="utf-8"))  # noqa: S704  # ours
    path = study.folder(store.root) / PAGE
    write_text(path, template("tuning.html.j2").render(study=study, views=views, style=style))
    return path


def plots(search: Search) -> dict[str, str]:
    """Return Optuna's plots as SVG by name: ``history``, and ``importance`` and ``slice`` where enough was tried."""
    import optuna
    from optuna.visualization import matplotlib as drawing

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials = search.tuned["trials"]
    chosen = [t for t in trials if t["params"] and t["value"] is not None]
    drawn = {"history": _svg(drawing.plot_optimization_history, _study(trials, search.space))}
    if len(chosen) >= FEWEST and len({t["value"] for t in chosen}) > 1:
        study = _study(chosen, search.space)
        drawn["importance"] = _svg(lambda s: drawing.plot_param_importances(s, evaluator=_evaluator()), study)
        drawn["slice"] = _svg(drawing.plot_slice, study)
    return drawn


def _evaluator() -> optuna.importance.BaseImportanceEvaluator:
    import optuna

    return optuna.importance.FanovaImportanceEvaluator(seed=0)


def _study(trials: Sequence[Mapping[str, Any]], space: Space) -> optuna.Study:
    """Return a search in memory, made of stored trials."""
    import optuna
    from optuna.trial import TrialState, create_trial

    study = optuna.create_study(direction="maximize")
    for trial in trials:
        if trial["value"] is None:
            continue
        distributions = {name: space[name].distribution() for name in trial["params"]}
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE, value=trial["value"], params=trial["params"], distributions=distributions
            )
        )
    return study


def _svg(draw: Callable[[optuna.Study], Any], study: optuna.Study) -> str:
    """Return a plot as SVG; the same trials give the same bytes."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    import numpy as np

    with mpl.rc_context({"svg.hashsalt": "survbench", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its matplotlib plots experimental
        drawn = draw(study)
        axes = drawn.ravel()[0] if isinstance(drawn, np.ndarray) else drawn
        figure = axes.figure
        figure.set_size_inches(9, 3.2)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)
    text = stream.getvalue()
    return text[text.index("<svg") :]
