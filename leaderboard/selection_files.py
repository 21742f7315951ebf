"""Writes what methods kept: a table for terminals, JSON, CSV and a plot. The same runs give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.files import write_text
from survbench.leaderboard import csv_files
from survbench.leaderboard.board import rounded
from survbench.leaderboard.cells import number, plural
from survbench.leaderboard.selection import TOP, FeatureSelection

if TYPE_CHECKING:
    from rich.console import RenderableType

INK, KEPT, WEIGHT = "#1c1f23", "#0b6e6e", "#b4632a"


def write_selections(chosen: Sequence[FeatureSelection], folder: Path) -> None:
    """Write a CSV and an SVG per method into a folder, and remove those of other methods."""
    names = {s.method for s in chosen}
    for path in (*folder.glob("*.csv"), *folder.glob("*.svg")):
        if path.stem not in names:
            path.unlink()
    if chosen:
        folder.mkdir(exist_ok=True)
    for s in chosen:
        write_text(folder / f"{s.method}.csv", csv_text(s))
        write_text(folder / f"{s.method}.svg", svg(s))


def to_json(s: FeatureSelection) -> dict[str, Any]:
    """Return a selection as JSON; see docs/reference/leaderboard-json.md."""
    raw: dict[str, Any] = rounded(asdict(s))
    raw["fits"] = [{"seed": seed, "fold": fold} for seed, fold in s.fits]
    return raw


def csv_text(s: FeatureSelection) -> str:
    """Return the columns that a fit kept as CSV, with a column of weights per fit."""
    of_fits = [f"seed_{seed}_fold_{fold}" for seed, fold in s.fits]
    return csv_files.csv_text(
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
    """Return a selection for a terminal: the first :data:`TOP` columns."""
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
    more = [Text(f"... and {hidden} more; --json and the CSV file of the study hold all.")] if hidden > 0 else []
    return Group(table, *more)


def svg(s: FeatureSelection) -> str:
    """Return a plot of the first :data:`TOP` columns: how often each was kept, and its weight in every fit."""
    import matplotlib.style
    from matplotlib.figure import Figure

    shown = s.columns[:TOP][::-1]
    # names are no formulas; ids and glyphs do not depend on the machine
    fixed = {"svg.hashsalt": "survbench", "svg.fonttype": "path", "text.parse_math": False, "font.size": 8.0}
    with matplotlib.style.context(["default", fixed]):
        figure = Figure(figsize=(8.0, 1.2 + 0.22 * max(1, len(shown))), layout="constrained")
        often, weight = figure.subplots(1, 2, sharey=True, width_ratios=(1, 2))
        rows = range(len(shown))
        often.barh(rows, [c.kept for c in shown], height=0.6, color=KEPT)
        often.set_yticks(rows, [c.name for c in shown])
        often.set_xlim(0, len(s.fits))
        often.set_xlabel(f"kept in so many of {plural(len(s.fits), 'fit')}")
        for row, c in zip(rows, shown, strict=True):
            kept = [w for w in c.weights if w != 0]
            weight.plot(kept, [row] * len(kept), "o", color=WEIGHT, markersize=3, alpha=0.6)
            weight.plot([c.mean_weight], [row], "|", color=INK, markersize=9)
        weight.axvline(0, color=INK, linewidth=0.6)
        weight.set_xlabel("weight in the fits that kept it (line: mean)")
        for axis in (often, weight):
            axis.spines[["top", "right"]].set_visible(False)
        figure.suptitle(f"{s.title}: {summary(s)}", x=0.01, ha="left")
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
