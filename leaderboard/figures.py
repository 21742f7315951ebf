"""Figures 5, 6 and 7 of the DeepMTS paper from this study's runs: charts, and the numbers behind them as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from survbench.leaderboard.charts import Chart, Line, settled_range
from survbench.leaderboard.csv_files import csv_text
from survbench.leaderboard.curves import Curve

SOURCE = "Meng et al., IEEE JBHI 26(9), 2022"
PUBLISHED_ONSET = {
    "sur-hs": "about step 300",
    "sur-casnet": "about step 200",
    "mt-hs": "none seen",
    "mt-casnet": "none seen",
}
"""Where the publication sees over-fitting begin, in 15,000 iterations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One frame of a figure: which curves of which methods.

    Attributes:
        methods: a colour each; with one method the curves get the colours.
        wanted: (metric, split) of the curves.
        onset: ring the lowest point of the monitored curve.
    """

    name: str
    title: str
    methods: tuple[str, ...]
    wanted: tuple[tuple[str, str], ...]
    onset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of the paper."""

    number: int
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A panel with what this study has of it. ``chart`` is None where it has nothing."""

    panel: Panel
    chart: Chart | None
    csv: str
    missing: tuple[str, ...]
    onsets: tuple[tuple[str, str, str], ...]
    """(method, ours, published)"""


_SURVIVAL = (("L_sur", "train"), ("L_sur", "test"))
_TASKS = (("L_sur", "train"), ("L_seg", "train"))
FIGURES = (
    Figure(
        number=5,
        title="Training and validation L_sur of one task and of two",
        panels=tuple(
            Panel(name=f"figure-5{letter}", title=title, methods=(method,), wanted=_SURVIVAL, onset=True)
            for letter, title, method in (
                ("a", "Sur-HS", "sur-hs"),
                ("b", "Sur-CasNet", "sur-casnet"),
                ("c", "MT-HS", "mt-hs"),
                ("d", "MT-CasNet", "mt-casnet"),
            )
        ),
    ),
    Figure(
        number=6,
        title="Training losses with either segmentation backbone",
        panels=(
            Panel(
                name="figure-6a",
                title="L_seg of U-net and Seg-Backbone",
                methods=("unet", "seg-backbone"),
                wanted=(("L_seg", "train"),),
            ),
            Panel(
                name="figure-6b",
                title="L_seg of DeepMTS",
                methods=("deepmts-unet", "deepmts"),
                wanted=(("L_seg", "train"),),
            ),
            Panel(
                name="figure-6c",
                title="L_sur of DeepMTS",
                methods=("deepmts-unet", "deepmts"),
                wanted=(("L_sur", "train"),),
            ),
        ),
    ),
    Figure(
        number=7,
        title="Training losses of MT-HS without and with layers before pooling",
        panels=(
            Panel(name="figure-7a", title="MT-HS baseline", methods=("mt-hs-baseline",), wanted=_TASKS),
            Panel(name="figure-7b", title="MT-HS", methods=("mt-hs",), wanted=_TASKS),
        ),
    ),
)


def draw(panel: Panel, known: Mapping[str, Sequence[Curve]], titles: Mapping[str, str]) -> Drawn:
    """Return a panel from the curves of a study's methods.

    Args:
        panel: what is wanted.
        known: curves of each method of the study that has any, by name.
        titles: of the study's methods, by name.
    """
    found = [
        (method, curve)
        for method in panel.methods
        for metric, split in panel.wanted
        for curve in known.get(method, ())
        if (curve.metric, curve.split) == (metric, split)
    ]
    lines = tuple(_lines(panel, found, titles))
    chart = Chart(
        title=f"{panel.title}: mean over fits by training step, band from the lowest to the highest fit",
        x_label="training step",
        y_label=", ".join(dict.fromkeys(metric for metric, _ in panel.wanted)),
        lines=lines,
        y_range=settled_range(lines) if lines else None,
    )
    return Drawn(
        panel=panel,
        chart=chart if found else None,
        csv=csv_text(
            ("method", "metric", "split", "step", "mean", "low", "high", "fits"),
            (row for method, curve in found for row in _rows(method, curve)),
        ),
        missing=tuple(m for m in panel.methods if m not in {method for method, _ in found}),
        onsets=tuple(
            (titles[method], onset(curve), PUBLISHED_ONSET[method])
            for method, curve in found
            if panel.onset and curve.split == "test"
        ),
    )


def onset(curve: Curve) -> str:
    """Return from when on a monitored loss rises, in words: its lowest mean over folds."""
    step = curve.lowest[0]
    return f"step {step:,}" if step < curve.last else f"none up to step {step:,}"


def _lines(panel: Panel, found: Sequence[tuple[str, Curve]], titles: Mapping[str, str]) -> Iterator[Line]:
    one = len(panel.methods) == 1
    for method, curve in found:
        number = panel.wanted.index((curve.metric, curve.split)) if one else panel.methods.index(method)
        name = curve.metric if one else titles[method]
        of = " training" if len({split for _, split in panel.wanted}) > 1 and curve.split == "train" else ""
        label = f"{name}{' validation (test fold, monitored)' if curve.split == 'test' else of}"
        yield curve.line(label, number + 1, style="dashed" if of else "solid", marked=panel.onset and not of)


def _rows(method: str, curve: Curve) -> Iterator[tuple[object, ...]]:
    for step, mean, low, high in zip(curve.steps, curve.mean, curve.low, curve.high, strict=True):
        yield method, curve.metric, curve.split, step, mean, low, high, curve.fits
