"""The contents of a method's page: its declaration, fits, curves, risk groups, calibration, and failures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.api import Published
from survbench.evaluation.curves import Curve
from survbench.evaluation.gather import Array, Gathered, Outcomes, read_checked
from survbench.evaluation.learning import checked
from survbench.evaluation.redaction import without_paths
from survbench.evaluation.scores import calibrations
from survbench.io.layout import Status
from survbench.leaderboard.board.row_json import row_json
from survbench.leaderboard.board.rows import Row
from survbench.leaderboard.site.charts import COLOURS, Chart, Line, settled_range
from survbench.leaderboard.site.paper_figures import convergence_lines
from survbench.leaderboard.text.cells import NONE, elapsed, filled, number, p_value, plural
from survbench.leaderboard.text.columns import COLUMNS, Place, of
from survbench.leaderboard.text.learning_cells import learning_cells
from survbench.leaderboard.text.notes import notes
from survbench.plan.job import FitJob
from survbench.plan.study import Entry, Study
from survbench.runs.store import LOG, Run, Store
from survbench.statistics.metrics import concordance_index
from survbench.statistics.risk_groups import Curve as KaplanMeier
from survbench.statistics.risk_groups import RiskGroups, risk_groups
from survbench.statistics.survival_metrics import Calibration

if TYPE_CHECKING:
    import pandas as pd

LOG_LINES, LOG_WIDTH = 30, 300
"""Part of a failed job's log that is shown: its last lines, cut to a width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart with a sentence below it; if there is nothing to draw, ``chart`` is None and the sentence says why."""

    chart: Chart | None
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A job that is not done, or the number of jobs that have not run."""

    job: str
    status: Status
    reason: str
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPage:
    """The contents of a method's page, as text and charts.

    Attributes:
        facts: cells of its row on the board, by heading.
        numbers: all numbers of that row, by their names in leaderboard.json.
        notes: sentences about it.
        declared: family, needs, outputs and other declarations, by name.
        params: name and value of each hyper-parameter, or its values in each fit if the method is tuned.
        fits: a row per seed and fold, by heading.
        learning: the same for fits that were checked for learning.
        curves: convergence by metric, by file name.
        has_level: whether one of them shows the loss of a model without information.
    """

    row: Row
    entry: Entry
    facts: Mapping[str, str]
    numbers: Mapping[str, str]
    notes: tuple[str, ...]
    declared: Mapping[str, str]
    params: tuple[tuple[str, ...], ...]
    param_heads: tuple[str, ...]
    fits: tuple[Mapping[str, str], ...]
    learning: tuple[Mapping[str, str], ...]
    curves: Mapping[str, Chart]
    has_level: bool
    groups: Picture | None
    calibration: Picture | None
    failures: tuple[Failure, ...]

    def charts(self) -> dict[str, Chart]:
        """Return all charts by file name, without suffix."""
        pictures = {"risk-groups": self.groups, "calibration": self.calibration}
        drawn = {name: p.chart for name, p in pictures.items() if p is not None and p.chart is not None}
        return {**drawn, **self.curves}


def method_page(
    study: Study, store: Store, row: Row, result: Gathered, outcomes: Outcomes | None, of_training: Sequence[Curve]
) -> MethodPage:
    """Return the page of a method.

    Args:
        study: the study.
        store: its runs.
        row: the method's row on the board.
        result: the method's results.
        outcomes: outcomes of the study's patients; None if no method is complete.
        of_training: the method's convergence curves.
    """
    entry = result.entry
    first = None if outcomes is None or result.risk is None else _first_seed(outcomes, result.risk)
    heads, params = _params(entry, result.runs)
    return MethodPage(
        row=row,
        entry=entry,
        facts=_facts(row),
        numbers=_numbers(row),
        notes=tuple(note for note in notes(row) if note != row.reason),
        declared=_declared(entry, result.runs),
        params=params,
        param_heads=heads,
        fits=_fits(result.runs),
        learning=_learning(result),
        curves=dict(_charts(of_training)),
        has_level=any(curve.uninformed is not None for curve in of_training),
        groups=None if first is None else _groups(study, first),
        calibration=None
        if first is None or outcomes is None
        else _calibration(outcomes, result, study.protocol.horizons),
        failures=tuple(_failures(entry, store)),
    )


def _facts(row: Row) -> dict[str, str]:
    """Return the nonempty cells of its row."""
    shown = {"Rank" if column.key == "rank" else column.head: column.text(row) for column in of(Place.METHOD)}
    return {head: text for head, text in shown.items() if text != NONE}


def _numbers(row: Row) -> dict[str, str]:
    """Return all numbers of a row as text, by their keys in JSON, in the order of the list of columns."""
    values = row_json(row)
    return dict(_in_text({key: values[key] for column in COLUMNS for key in column.keys}))


def _in_text(values: Mapping[str, Any], of: str = "") -> Iterator[tuple[str, str]]:
    """Yield numbers as text, including numbers in nested mappings."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _in_text(value, f"{of}{name} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{of}{name}", f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _first_seed(o: Outcomes, risk: Array) -> pd.DataFrame:
    """Return the outcomes, and the out-of-fold risks of the first seed; risks have the shape (seeds, n)."""
    import pandas as pd

    return pd.DataFrame({"id": o.ids, "time": o.time, "event": o.event, "fold": o.fold, "risk": risk[0]})


def _declared(entry: Entry, runs: Sequence[Run]) -> dict[str, str]:
    job = runs[0].job if runs else None
    fit = job if isinstance(job, FitJob) else None
    shown = {
        "Gives": ", ".join(entry.gives),
        "Fits on": ", ".join(fit.needs_fit) if fit else "",
        "Predicts from": ", ".join(fit.needs_predict) if fit else "",
        "Features from": fit.upstream.method if fit and fit.upstream else "",
        "Depends on the seed": "yes" if entry.stochastic else "no",
        "Reference": entry.reference,
        "Published": _published(entry.published),
    }
    return {name: text for name, text in shown.items() if text}


def _published(published: Published | None) -> str:
    if published is None:
        return ""
    values = {"C": published.c_index, "external C": published.external_c_index, "Dice": published.dice}
    numbers = ", ".join(f"{name} {value:.3f}" for name, value in values.items() if value is not None)
    return f"{numbers} ({published.source}); another cohort and budget"


def _params(entry: Entry, runs: Sequence[Run]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the heads and rows of the table of hyper-parameters: a column for each fit if they were tuned, otherwise a
    single column. Values resolved from the training fold may differ between fits even then; all of them are listed.
    """
    used: list[Mapping[str, Any]] = [{**entry.params, **run.settings} for run in runs]
    columns: list[tuple[str, Sequence[Mapping[str, Any]]]] = [("Value", used or [entry.params])]
    if entry.tunes and used:
        columns = [(run.job.place, [params]) for run, params in zip(runs, used, strict=True)]
    names = sorted({name for _, fits in columns for params in fits for name in params})
    rows = tuple((name, *(_values(name, fits) for _, fits in columns)) for name in names)
    return ("Hyper-parameter", *(head for head, _ in columns)), rows


def _values(name: str, fits: Sequence[Mapping[str, Any]]) -> str:
    """Return the value of a hyper-parameter, or its distinct values in the order of the fits."""
    return ", ".join(dict.fromkeys(_value(params.get(name)) for params in fits))


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _fits(runs: Sequence[Run]) -> tuple[Mapping[str, str], ...]:
    """Return a row per fit, without columns that are empty in all rows."""
    return filled([_fit(run) for run in runs])


def _fit(run: Run) -> dict[str, str]:
    table, record = run.predictions(), run.record
    c = np.nan
    if table["risk"].notna().all():
        c = concordance_index(table["time"], table["event"], table["risk"]).value
    return {
        "Seed": str(run.job.seed),
        "Fold": str(run.job.fold),
        "Patients": str(len(table)),
        "Events": str(int(table["event"].sum())),
        "C": _number(c),
        "Dice": _number(table["dice"].mean() if table["dice"].notna().all() else np.nan),
        "HD95 (mm)": _number(table["hd95"].mean(), "{:.1f}"),
        "Fit": elapsed(record.seconds if record.seconds_fit is None else record.seconds_fit),
        "Predict": elapsed(record.seconds_predict),
        "Memory": NONE if record.peak_memory_mb is None else f"{record.peak_memory_mb:,} MB",
    }


def _learning(result: Gathered) -> tuple[Mapping[str, str], ...]:
    """Return a row per fit that was checked for learning."""
    rows = [
        {"Seed": str(run.job.seed), "Fold": str(run.job.fold), **learning_cells(found)}
        for run, found in checked(result.runs)
    ]
    return filled(rows)


def _number(value: float, form: str = "{:.3f}") -> str:
    return form.format(value) if np.isfinite(value) else NONE


def _charts(of_training: Sequence[Curve]) -> Iterator[tuple[str, Chart]]:
    """Yield a name and a chart per metric, with training and monitored test fold together. Charts are numbered, because
    a plugin's metric name need not be a valid file name.
    """
    for number_, metric in enumerate(dict.fromkeys(curve.metric for curve in of_training), start=1):
        own = [curve for curve in of_training if curve.metric == metric]
        lines = tuple(convergence_lines(own))
        chart = Chart(
            title=f"{metric} by training step: mean over fits, band from the lowest to the highest",
            x_label="training step",
            y_label=metric,
            lines=lines,
            y_range=settled_range(lines),
        )
        yield f"convergence-{number_}-{re.sub('[^A-Za-z0-9_]+', '-', metric)[:40]}", chart


def _groups(study: Study, first: pd.DataFrame) -> Picture:
    found = risk_groups(first["time"], first["event"], first["fold"], first["risk"], seed=study.protocol.seed)
    high = int(found.is_high.sum())
    lines = (
        _survival(found.low_risk, f"lower risk ({len(first) - high})", 1),
        _survival(found.high_risk, f"higher risk ({high})", 2),
    )
    chart = Chart(
        title="Kaplan-Meier curves of patients below and above the median risk of their fold",
        x_label="months",
        y_label=f"free of the event ({study.cohort.endpoint})",
        lines=lines,
        y_range=(0.0, 1.0),
    )
    return Picture(chart=chart, caption=_caption(found, study))


def _survival(curve: KaplanMeier, label: str, colour: int) -> Line:
    """Return a Kaplan-Meier curve from 1 at time 0, reduced to its steps and its end."""
    places = [(0.0, 1.0, 1.0, 1.0), *zip(curve.time, curve.survival, curve.low, curve.high, strict=True)]
    kept = [p for before, p in pairwise(places) if p[1] != before[1]]
    x, y, low, high = zip(places[0], *kept, places[-1], strict=True)
    return Line(label=label, colour=colour, x=x, y=y, low=low, high=high, style="steps")


def _caption(found: RiskGroups, study: Study) -> str:
    text = "Split at the median out-of-fold risk of each fold; 95 % bands."
    if study.protocol.seeds > 1:
        text += " First seed."
    if np.isfinite(found.p):
        text += f" Log-rank test stratified by fold, by permutation: p {p_value(found.p)}."
    if np.isfinite(found.hazard_ratio):
        ratio, low, high = found.hazard_ratio, found.hazard_ratio_low, found.hazard_ratio_high
        text += f" Hazard ratio {ratio:.2f} ({low:.2f} to {high:.2f})."
    if found.reason:
        text += f" Other results are missing: {found.reason}."
    return f"{text} This describes the method and does not compare it with others."


def _calibration(outcomes: Outcomes, result: Gathered, horizons: Sequence[float]) -> Picture:
    if result.survival is None:
        return Picture(
            chart=None, caption="The method predicts risks without survival curves, so calibration cannot be assessed."
        )
    found = calibrations(outcomes, result.survival, horizons)
    text = (
        "Predicted and observed (Kaplan-Meier) risk of an event within a number of months, in groups of patients by "
        "predicted risk; on the diagonal, both are equal."
    )
    if len(result.survival) > 1:
        text += f" Mean of the predictions of {len(result.survival)} seeds."
    lines = tuple(
        Line(label=f"{month} months", colour=colour, x=at.predicted, y=at.observed, style="dots")
        for colour, (month, at) in zip(cycle(range(1, COLOURS + 1)), found.items(), strict=False)
        if np.isfinite(at.observed).any()
    )
    chart = Chart(
        title="Predicted and observed risk of an event within a number of months",
        x_label="predicted risk",
        y_label="observed risk",
        lines=lines,
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        diagonal=True,
    )
    said = " ".join(f"{month} months: {_calibrated(at)}." for month, at in found.items())
    return Picture(chart=chart if lines else None, caption=f"{text} {said}")


def _calibrated(at: Calibration) -> str:
    """Return the known results on calibration at a horizon, and why others are missing."""
    known = [
        *([f"observed over expected {at.ratio:.2f}"] if np.isfinite(at.ratio) else []),
        *([f"mean distance {number(at.error)}"] if np.isfinite(at.error) else []),
        *([at.reason] if at.reason else []),
    ]
    return ", ".join(known)


def _failures(entry: Entry, store: Store) -> Iterator[Failure]:
    runs = [read_checked(store, key) for key in entry.keys]
    for run in runs:
        if run is not None and run.status != Status.OK:
            # for a method that builds on another, this includes the other's searches
            job = run.job.task if run.job.method == entry.name else run.job.label
            yield Failure(job=job, status=run.status, reason=_reason(run), log=_log(run))
    waiting = runs.count(None)
    if waiting:
        yield Failure(job=plural(waiting, "job"), status=Status.PENDING, reason="not run yet", log="")


def _reason(run: Run) -> str:
    error = run.record.error
    return "" if error is None else without_paths(f"{error.type}: {error.message}".strip(": "))


def _log(run: Run) -> str:
    """Return the end of a run's log."""
    path = run.folder / LOG
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join(without_paths(line)[:LOG_WIDTH] for line in lines).strip()
