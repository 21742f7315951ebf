"""Write the columns that methods kept: a table for terminals, JSON, CSV and a plot. Same runs, same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.evaluation.feature_selection import TOP, FeatureSelection
from survbench.io.csv_text import csv_text
from survbench.io.files import rounded, write_text
from survbench.leaderboard.site import charts
from survbench.leaderboard.site.charts import Chart, Line
from survbench.leaderboard.text.cells import number, plural

if TYPE_CHECKING:
    from rich.console import RenderableType


def write_selections(selections: Sequence[FeatureSelection], folder: Path) -> None:
    """Write a CSV and an SVG per method into a folder, and remove those of other methods."""
    names = {s.method for s in selections}
    for path in (*folder.glob("*.csv"), *folder.glob("*.svg")):
        if path.stem not in names:
            path.unlink()
    if selections:
        folder.mkdir(exist_ok=True)
    for s in selections:
        write_text(folder / f"{s.method}.csv", selection_csv(s))
        write_text(folder / f"{s.method}.svg", svg(s))


def to_json(s: FeatureSelection) -> dict[str, Any]:
    """Return a selection as JSON; see docs/reference/leaderboard-json.md."""
    raw: dict[str, Any] = rounded(asdict(s))
    raw["fits"] = [{"seed": seed, "fold": fold} for seed, fold in s.fits]
    return raw


def selection_csv(s: FeatureSelection) -> str:
    """Return the columns that at least one fit kept as CSV, with one column of weights per fit."""
    of_fits = [f"seed_{seed}_fold_{fold}" for seed, fold in s.fits]
    return csv_text(
        ["name", "kept", "fits", "mean_weight", "sign_agreement", *of_fits],
        ([c.name, c.kept, len(s.fits), c.mean_weight, c.sign_agreement, *c.weights] for c in s.columns),
    )


def summary(s: FeatureSelection) -> str:
    """Return a selection in a sentence."""
    return (
        f"{plural(len(s.fits), 'fit')} kept {s.mean_kept:.1f} of {plural(s.candidates, 'column')} on average; "
        f"stability {number(s.stability)}"
    )


def render(s: FeatureSelection) -> RenderableType:
    """Return a selection for a terminal, with the first :data:`TOP` columns."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"{s.method}: {summary(s)}"), title_justify="left")
    for head in ("column", "kept", "mean weight", "same sign"):
        table.add_column(head, overflow="fold")
    for c in s.columns[:TOP]:
        table.add_row(
            Text(c.name), f"{c.kept} of {len(s.fits)}", f"{c.mean_weight:+.3g}", f"{100 * c.sign_agreement:.0f} %"
        )
    hidden = len(s.columns) - TOP
    more = [Text(f"... and {hidden} more; --json and the study's CSV file have all columns.")] if hidden > 0 else []
    return Group(table, *more)


def svg(s: FeatureSelection) -> str:
    """Return a plot of the first :data:`TOP` columns: their weights in the fits that kept them, and the means."""
    shown = list(enumerate(s.columns[:TOP][::-1]))
    fits = [(weight, row) for row, c in shown for weight in c.weights if weight != 0]
    means = [(c.mean_weight, row) for row, c in shown]
    known = [0.0, *(weight for weight, _ in fits)]
    margin = 0.04 * (max(known) - min(known)) or 0.5
    chart = Chart(
        title=f"{s.title}: {summary(s)}",
        x_label="weight in the fits that kept it",
        y_label="",
        lines=(
            Line(label="", colour=3, x=(0.0, 0.0), y=(-0.5, len(shown) - 0.5), style="thin"),
            Line(label="fit", colour=1, x=[x for x, _ in fits], y=[y for _, y in fits], style="dots"),
            Line(label="mean", colour=2, x=[x for x, _ in means], y=[y for _, y in means], style="dots"),
        ),
        x_range=(min(known) - margin, max(known) + margin),
        y_names=tuple(f"{c.name} ({c.kept} of {len(s.fits)})" for _, c in shown),
    )
    return str(charts.svg(chart, alone=True))
