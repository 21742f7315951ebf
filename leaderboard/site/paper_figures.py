"""Figures 5, 6 and 7 of the DeepMTS paper from this study's runs: charts, and their numbers as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from survbench.evaluation.curves import Curve
from survbench.io.csv_text import csv_text
from survbench.leaderboard.board.published import PUBLISHED_ONSET
from survbench.leaderboard.site.charts import Chart, Line, settled_range

ONSET_COLUMNS = (
    "method", "onset", "lowest", "last", "rise", "rise_low", "rise_high", "fits", "steps", "published",
)  # fmt: skip
"""Columns of the onset table: steps, then the rise of the validation loss from the lowest mean to the last step."""
CURVE_COLUMNS = ("method", "metric", "split", "step", "mean", "low", "high", "fits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One frame of a figure: a loss of some methods.

    Attributes:
        methods: methods, one colour each; with a single method, the splits get the colours.
        splits: ``train``, or ``test`` for the monitored test fold.
    """

    name: str
    title: str
    methods: tuple[str, ...]
    metric: str
    splits: tuple[str, ...] = ("train",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of the paper; ``onset`` means that it shows where over-fitting begins."""

    number: int
    title: str
    panels: tuple[Panel, ...]
    onset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A panel with this study's curves; ``chart`` is None if there are none."""

    panel: Panel
    chart: Chart | None
    csv: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """The onset of over-fitting by a method's validation loss, and by the publication."""

    method: str
    title: str
    curve: Curve
    published: str

    @property
    def in_words(self) -> str:
        """The step from which the validation loss rises, in words."""
        return f"none seen up to step {self.curve.last:,}" if self.curve.onset is None else f"step {self.curve.onset:,}"

    @property
    def rise(self) -> tuple[float, float, float]:
        """Mean, minimum and maximum over fits of the rise from the lowest mean to the last step."""
        rises = self.curve.rises
        return sum(rises) / len(rises), min(rises), max(rises)


_BOTH = ("train", "test")
FIGURES = (
    Figure(
        number=5,
        title="Training and validation L_sur of one task and of two",
        panels=tuple(
            Panel(name=f"figure-5{letter}", title=title, methods=(method,), metric="L_sur", splits=_BOTH)
            for letter, title, method in (
                ("a", "Sur-HS", "sur-hs"),
                ("b", "Sur-CasNet", "sur-casnet"),
                ("c", "MT-HS", "mt-hs"),
                ("d", "MT-CasNet", "mt-casnet"),
            )
        ),
        onset=True,
    ),
    Figure(
        number=6,
        title="Training losses with either segmentation backbone",
        panels=tuple(
            Panel(name=f"figure-6{letter}", title=f"{metric} of {title}", methods=methods, metric=metric)
            for letter, metric, title, methods in (
                ("a", "L_seg", "U-net and Seg-Backbone", ("unet", "seg-backbone")),
                ("b", "L_seg", "DeepMTS", ("deepmts-unet", "deepmts")),
                ("c", "L_sur", "DeepMTS", ("deepmts-unet", "deepmts")),
            )
        ),
    ),
    Figure(
        number=7,
        title="Training losses of MT-HS without and with layers before pooling",
        panels=tuple(
            Panel(name=f"figure-7{letter}", title=metric, methods=("mt-hs-baseline", "mt-hs"), metric=metric)
            for letter, metric in (("a", "L_sur"), ("b", "L_seg"))
        ),
    ),
)


def draw(figure: Figure, curves: Mapping[str, Sequence[Curve]], titles: Mapping[str, str]) -> tuple[Drawn, ...]:
    """Return the panels of a figure from the curves of a study's methods; panels with the same metric share a range.

    Args:
        figure: the figure.
        curves: curves of each of the study's methods that has any, by name.
        titles: titles of the study's methods, by name.
    """
    found = {panel.name: list(_shown(panel, curves)) for panel in figure.panels}
    lines = {panel.name: tuple(_lines(panel, found[panel.name], titles)) for panel in figure.panels}
    ranges = {}
    for metric in {panel.metric for panel in figure.panels}:
        together = [line for panel in figure.panels if panel.metric == metric for line in lines[panel.name]]
        ranges[metric] = settled_range(together) if together else None
    return tuple(
        Drawn(
            panel=panel,
            chart=Chart(
                title=f"{panel.title}: mean over fits by training step, band from the lowest to the highest fit",
                x_label="training step",
                y_label=panel.metric,
                lines=lines[panel.name],
                y_range=ranges[panel.metric],
            )
            if lines[panel.name]
            else None,
            csv=csv_text(CURVE_COLUMNS, (row for method, curve in found[panel.name] for row in _rows(method, curve))),
            missing=tuple(m for m in panel.methods if m not in {method for method, _ in found[panel.name]}),
        )
        for panel in figure.panels
    )


def onsets(figure: Figure, curves: Mapping[str, Sequence[Curve]], titles: Mapping[str, str]) -> tuple[Onset, ...]:
    """Return where over-fitting begins in a figure that shows this; arguments are as in :func:`draw`."""
    return tuple(
        Onset(method=method, title=titles[method], curve=curve, published=PUBLISHED_ONSET[method])
        for panel in figure.panels
        for method, curve in _shown(panel, curves)
        if figure.onset and curve.split == "test"
    )


def onset_rows(measured: Sequence[Onset], steps: int) -> Iterator[tuple[object, ...]]:
    """Yield onsets as rows of :data:`ONSET_COLUMNS`."""
    for o in measured:
        step = "" if o.curve.onset is None else o.curve.onset
        yield (
            o.method, step, o.curve.lowest[0], o.curve.last, *o.rise, o.curve.fits, steps, o.published,
        )  # fmt: skip


def curve_line(curve: Curve, label: str, colour: int, *, marked: bool = False) -> Line:
    """Return a curve as a line of a chart; with ``marked``, its lowest point is ringed."""
    return Line(
        label=label,
        colour=colour,
        x=curve.steps,
        y=curve.mean,
        low=curve.low,
        high=curve.high,
        mark=curve.lowest if marked else None,
    )


def uninformed_line(curve: Curve, colour: int) -> Line | None:
    """Return the loss of a model without information as a line of a chart, or None if the curve has no such level."""
    if curve.uninformed is None:
        return None
    ends, at = (curve.steps[0], curve.last), (curve.uninformed, curve.uninformed)
    return Line(label="no information", colour=colour, x=ends, y=at, style="thin")


def convergence_lines(curves: Sequence[Curve], *, marked: bool = False) -> Iterator[Line]:
    """Yield the curves of one metric of one method: training, validation, and the level without information.

    Args:
        curves: curves of the training batches, of the monitored test fold, or of both.
        marked: ring the onset of over-fitting, if there is one.
    """
    for curve in curves:
        if curve.split != "test":
            yield curve_line(curve, "training (batches)", 1)
            continue
        yield curve_line(curve, "validation (test fold)", 2, marked=marked and curve.onset is not None)
        level = uninformed_line(curve, 3)
        if level is not None:
            yield level


def _shown(panel: Panel, curves: Mapping[str, Sequence[Curve]]) -> Iterator[tuple[str, Curve]]:
    for method in panel.methods:
        for curve in curves.get(method, ()):
            if curve.metric == panel.metric and curve.split in panel.splits:
                yield method, curve


def _lines(panel: Panel, found: Sequence[tuple[str, Curve]], titles: Mapping[str, str]) -> Iterator[Line]:
    if len(panel.methods) == 1:
        yield from convergence_lines([curve for _, curve in found], marked=True)
        return
    for method, curve in found:
        yield curve_line(curve, titles[method], panel.methods.index(method) + 1)


def _rows(method: str, curve: Curve) -> Iterator[tuple[object, ...]]:
    for step, mean, low, high in zip(curve.steps, curve.mean, curve.low, curve.high, strict=True):
        yield method, curve.metric, curve.split, step, mean, low, high, curve.fits
    if curve.uninformed is not None:
        for step in (curve.steps[0], curve.last):
            yield method, curve.metric, "no information", step, curve.uninformed, "", "", curve.fits
