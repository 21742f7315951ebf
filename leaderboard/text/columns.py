"""The single list of the contents of a board's row.

The board's page, terminal, Markdown, CSV and JSON, MLflow, ``bench list metrics`` and docs/reference/metrics.md are
made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from survbench.evaluation.learning import VERDICTS
from survbench.io.layout import Status
from survbench.io.study_files import BOARD_JSON
from survbench.leaderboard.board.rows import Row
from survbench.leaderboard.text.cells import (
    NONE,
    elapsed,
    interval,
    memory,
    number,
    p_value,
    parameters,
    published,
    ranks,
    stacked,
    stacked_signed,
    ties,
)


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that survbench reports.

    Attributes:
        name: its name, with dots between the keys of nested JSON.
        meaning: what it is.
        where: where it is found.
    """

    name: str
    meaning: str
    where: str


class Place(StrEnum):
    """Where a column is shown. All columns are in JSON and CSV."""

    PAGE = "page"
    MARKDOWN = "Markdown"
    LATEX = "LaTeX"
    TERMINAL = "terminal"
    WIDE = "terminal from 120 columns"
    WIDEST = "terminal from 150 columns"
    METHOD = "page of the method"
    MLFLOW = "MLflow"
    METRICS = "bench list metrics"


ELSEWHERE = (
    Metric("p.compareC", "compareC (Kang 2015): the difference with a one-shot variance.", "bench compare"),
    Metric("p.permutation", "Test by swapping the two ranks of random patients; for small cohorts.", "bench compare"),
    Metric(
        "risk_groups",
        "Patients split at the median risk of each fold: Kaplan-Meier, log-rank p by permutation, hazard ratio.",
        "survbench.statistics.risk_groups",
    ),
)
"""Metrics that are not in a board's rows."""
EVERYWHERE = frozenset(Place) - {Place.WIDE, Place.WIDEST}
INTERVAL = " (95 % CI)"
"""Ends a heading whose cell has an interval; the page leaves it out, as its interval is below the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Something in a board's row.

    Attributes:
        keys: its names in JSON: first of the value, then of its interval and other parts.
        head: its heading, "" if it is not shown.
        meaning: what it is, in a sentence or two.
        detail: additional text for the reference page only.
        text: its cell on one line.
        stacked: its cell on the page: the first line, and smaller ones below it; None to use only ``text``.
        where: the places that show it.
        lowest_first: whether the first click on it on the page sorts from the lowest.
    """

    keys: tuple[str, ...]
    meaning: str
    head: str = ""
    detail: str = ""
    text: Callable[[Row], str] = lambda _: NONE
    stacked: Callable[[Row], tuple[str, ...]] | None = None
    where: frozenset[Place] = frozenset()
    lowest_first: bool = False

    @property
    def key(self) -> str:
        """The key of its value."""
        return self.keys[0]

    @property
    def short_head(self) -> str:
        """The heading on the page."""
        return self.head.removesuffix(INTERVAL)

    def lines(self, row: Row) -> tuple[str, ...]:
        """Return the lines of its cell on the page."""
        return (self.text(row),) if self.stacked is None else self.stacked(row)


def of(*places: Place) -> tuple[Column, ...]:
    """Return the columns shown in at least one of these places, in order."""
    return tuple(column for column in COLUMNS if column.where.intersection(places))


def metrics() -> tuple[Metric, ...]:
    """Return the numbers in a board's rows, and those that other commands and modules report."""
    return (*(Metric(c.key, c.meaning, BOARD_JSON) for c in of(Place.METRICS)), *ELSEWHERE)


def cells(row: Row) -> dict[str, str]:
    """Return a row's cells in Markdown, by column heading."""
    return {column.head: column.text(row) for column in of(Place.MARKDOWN)}


def csv_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the JSON as cells of the CSV, by name: single values in alphabetical order, followed by values
    that take several columns.
    """
    flat = {key: value for key, value in sorted(row.items()) if key not in SPREAD}
    for key, parts in SPREAD.items():
        flat |= parts(key, row[key])
    return flat


def _by_horizon(key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{key}_{horizon}": value for horizon, value in values.items()}


def _parts_by_horizon(key: str, values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    # the order of the parts differs from JSON's
    return {f"{key}_{part}_{horizon}": at[part] for horizon, at in values.items() for part in ("ratio", "error")}


def _named(*names: str) -> Callable[[str, Mapping[str, Any] | None], dict[str, Any]]:
    return lambda key, values: {f"{key}_{name}": (values or {}).get(name) for name in names}


SPREAD: Mapping[str, Callable[[str, Any], Mapping[str, Any]]] = {
    "auc": _by_horizon,
    "brier": _by_horizon,
    "calibration": _parts_by_horizon,
    "reasons": lambda key, reasons: {key: "; ".join(f"{name}: {reason}" for name, reason in reasons.items())},
    "tie_groups": lambda key, groups: {key: " ".join(map(str, groups))},
    "learning": _named("fits", *VERDICTS.values()),
    "published": _named("source", "c_index", "external_c_index", "dice"),
}
"""The CSV cells for values other than a number or a text, in the order of its last columns."""


def _c_index(row: Row) -> str:
    """Return C as text; an incomplete row shows its status instead."""
    if row.status != Status.OK:
        return row.status
    return interval(row.c_index, row.c_index_low, row.c_index_high, row.c_index_seed_sd)


def _beside_raw(row: Row) -> tuple[str, ...]:
    return (p_value(row.difference.p_holm), *([] if row.difference.p is None else [f"p {p_value(row.difference.p)}"]))


def _published(row: Row) -> tuple[str, ...]:
    inside, _, outside = published(row.published).partition(" / ")
    return (inside, *([f"external {outside}"] if outside else []))


_SHOWN = frozenset({Place.PAGE, Place.MARKDOWN, Place.METHOD, Place.METRICS})
COLUMNS = (
    Column(
        keys=("rank",),
        head="#",
        meaning="Order of the C-index, with the 95 % bootstrap interval of that rank. Methods that share a letter do "
        "not differ significantly by the Holm p over all pairs of ranked methods, whatever their group, so within a "
        "letter a higher rank does not mean better. 'ref' rows frame the board and are not ranked.",
        detail="1 is the highest `c_index`; equal values are in alphabetical order of the methods.",
        text=lambda r: str(r.rank) if r.rank is not None else "ref" if r.is_reference else NONE,
        where=frozenset({Place.PAGE, Place.MARKDOWN, Place.LATEX, Place.TERMINAL, Place.METHOD}),
        lowest_first=True,
    ),
    Column(
        keys=("rank_low", "rank_high"),
        head=f"Rank{INTERVAL}",
        meaning="95 % bootstrap interval of a method's rank among ranked methods: its better and its worse end.",
        detail="From the same resamples as C.",
        text=lambda r: ranks(r.rank_low, r.rank_high),
        where=frozenset({Place.MARKDOWN, Place.METHOD, Place.METRICS}),
    ),
    Column(
        keys=("tie_groups",),
        head="Ties",
        meaning="Runs of the ranking without significant differences (Holm over all pairs of ranked methods).",
        detail="Numbers of the method's groups in the board's `tie_groups`, from 1; shown as letters.",
        text=lambda r: ties(r.tie_groups),
        where=frozenset({Place.MARKDOWN, Place.WIDE, Place.METHOD, Place.METRICS}),
    ),
    Column(
        keys=("method", "title"),
        head="Method",
        meaning="Title, family, group and the name for bench run --methods. 'mask': predicts from the manual "
        "tumour mask. 'learned 1/3': in one of three fits, the C of the training patients is high enough and the "
        "test fold does not contradict it.",
        text=lambda r: r.title,
        where=frozenset({Place.PAGE, Place.MARKDOWN, Place.LATEX, Place.TERMINAL}),
        lowest_first=True,
    ),
    Column(
        keys=("family",),
        head="Family",
        meaning="Kind of method, as declared.",
        text=lambda r: r.family,
        where=frozenset({Place.MARKDOWN}),
    ),
    Column(
        keys=("group",),
        head="Group",
        meaning="As declared: `paper`, `related`, `simple`, `successors`, `marker`, `outside` or `reference`; `p` is "
        "adjusted over the rows of a group.",
        text=lambda r: r.group,
        where=frozenset({Place.MARKDOWN, Place.WIDEST, Place.METHOD}),
    ),
    Column(
        keys=("c_index", "c_index_low", "c_index_high"),
        head=f"C-index{INTERVAL}",
        meaning="Harrell's C: mean over folds, averaged over seeds, with its 95 % bootstrap interval; ties count half. "
        "0.5 is chance, 1 is perfect.",
        detail="Percentile interval of a bootstrap that draws patients within folds.",
        text=_c_index,
        where=EVERYWHERE,
    ),
    Column(
        keys=("c_index_seed_sd",),
        meaning="Standard deviation of C over seeds.",
        detail="Null with one seed. Shown next to C.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("c_index_pooled", "c_index_pooled_low", "c_index_pooled_high"),
        head=f"Pooled C{INTERVAL}",
        meaning="Harrell's C over all within-fold pairs together.",
        detail="Its interval uses the same resamples.",
        text=lambda r: interval(r.c_index_pooled, r.c_index_pooled_low, r.c_index_pooled_high),
        where=frozenset({Place.METHOD, Place.METRICS}),
    ),
    Column(
        keys=("c_index_fold_sd",),
        head="Spread over folds (SD)",
        meaning="Standard deviation over folds of C (averaged over seeds): a description, not a standard error.",
        detail="Folds share training patients.",
        text=lambda r: number(r.c_index_fold_sd),
        where=frozenset({Place.METHOD, Place.METRICS}),
    ),
    Column(
        keys=("external_c_index", "external_c_index_low", "external_c_index_high"),
        head=f"External C{INTERVAL}",
        meaning="Harrell's C of the ensemble of the fold models on the external cohort, which no model was trained on.",
        detail="The ensemble is the mean of their risks, each standardised by that model's out-of-fold risks (by the "
        "external cohort's if `protocol.standardisation` is `external`).",
        text=lambda r: interval(r.external_c_index, r.external_c_index_low, r.external_c_index_high),
        stacked=lambda r: stacked(r.external_c_index, r.external_c_index_low, r.external_c_index_high),
        where=EVERYWHERE,
    ),
    Column(
        keys=("dice",),
        head="Dice",
        meaning="Overlap of predicted and manual tumour mask, mean over test patients, for methods that segment; 1 is "
        "perfect.",
        text=lambda r: number(r.dice),
        where=EVERYWHERE,
    ),
    Column(
        keys=("hd95", "unsegmented"),
        meaning="95th percentile of the distance between the surfaces of predicted and manual mask, in mm.",
        detail="Mean over test patients with a predicted tumour, and the number of patients without one.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("difference", "difference_low", "difference_high"),
        head=f"Difference{INTERVAL}",
        meaning="C-index minus that of the reference method on the same patients, with its paired 95 % interval.",
        detail="The reference method is `protocol.reference`. Percentile interval of the paired bootstrap.",
        stacked=lambda r: stacked_signed(r.difference.value, r.difference.low, r.difference.high),
        where=frozenset({Place.PAGE, Place.METRICS}),
    ),
    Column(
        keys=("p",),
        head="p",
        meaning="Paired infinitesimal-jackknife test of the C-index difference from the reference method.",
        detail="The reference method has none.",
        text=lambda r: p_value(r.difference.p),
        where=frozenset({Place.MARKDOWN, Place.LATEX, Place.WIDE, Place.METHOD, Place.MLFLOW, Place.METRICS}),
    ),
    Column(
        keys=("p_holm",),
        head="Holm p",
        meaning="p adjusted by Holm within the row's group, so that rows of other groups do not change it. This is the "
        "p value to read; the page shows the raw p below it.",
        detail="Adjusted over the rows of the same `group` that have a `p`.",
        text=lambda r: p_value(r.difference.p_holm),
        stacked=_beside_raw,
        where=EVERYWHERE,
        lowest_first=True,
    ),
    Column(
        keys=("p_bh",),
        meaning="p adjusted by Benjamini and Hochberg (false discovery rate) within the row's group.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("p_bootstrap",),
        meaning="Paired bootstrap test of the difference, not adjusted; at least 2 / (resamples + 1).",
        detail="Never below the board's `p_bootstrap_floor`.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("smallest_detectable_difference",),
        meaning="True difference in C from the reference method that such a cohort detects at 5 % with 80 % power.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("oracle_gap", "oracle_gap_low", "oracle_gap_high"),
        meaning="C of the oracle, which knows the true hazard, minus C of the method, with its paired 95 % interval.",
        detail="Simulated cohorts only.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("uno_c",),
        meaning="Uno's C: concordance up to tau, weighted for censoring by the training fold's distribution.",
        detail="`protocol.tau`. Mean over folds and seeds.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("auc",),
        meaning="Cumulative/dynamic area under the ROC curve at each horizon (had the event by then or not).",
        detail='`{"12": 0.7, "36": null, ...}`. Mean over folds and seeds. One CSV column per horizon (`auc_12`).',
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("brier",),
        meaning="Brier score of the predicted survival at each horizon, weighted for censoring; 0 is perfect.",
        detail="By horizon, like `auc`.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("ibs",),
        meaning="Brier score integrated from 0 to tau, over tau.",
        detail="Mean over folds and seeds.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("d_calibration",),
        meaning="Chi-squared p for uniform predicted survival at patients' own times (Haider 2020).",
        detail="Over the patients of all folds; with several seeds, twice the mean p. Predicted survival at a "
        "patient's own time is interpolated linearly between stored months.",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("calibration",),
        meaning="Observed over expected events at each horizon, and the mean distance over risk groups.",
        detail="Over the patients of all folds, from the mean prediction of all seeds: "
        '`{"12": {"ratio": 1.1, "error": 0.04}, ...}`. `ratio`: observed (one minus Kaplan-Meier) over expected '
        "events; `error`: mean distance between predicted and observed risk over five groups by predicted risk. Two "
        "CSV columns per horizon (`calibration_ratio_12`).",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("survival",),
        meaning="Source of the survival curves: `predicted`, `calibrated` or `none`.",
        detail="`calibrated`: from risks on patients that the model has not seen (`--selection inner`, or a method "
        "that learns nothing).",
    ),
    Column(
        keys=("learning",),
        meaning="How many of the fits that were checked have learned, are over-fitted, or were not shown to have "
        "learned.",
        detail="For a method that declares `selects`: how many `fits` were checked for [whether they have "
        "learned](../explanation/learning.md), and how many are `learned`, `over_fitted` and `not_learned`; fits "
        "without a verdict are in none of these; null if no fit has one, as for fits of an earlier version. One "
        "CSV column each (`learning_fits`).",
        where=frozenset({Place.METRICS}),
    ),
    Column(
        keys=("coverage",),
        head="Coverage",
        meaning="Share of the planned jobs that are done. Below 100 % a method has no numbers.",
        text=lambda r: f"{100 * r.coverage:.0f} %",
        where=_SHOWN | {Place.MLFLOW},
    ),
    Column(
        keys=("seconds",),
        head="Time",
        meaning="Median wall time of one fit, in seconds.",
        detail="This and `memory_mb` are the only keys that differ between two equal runs.",
        text=lambda r: elapsed(r.seconds),
        where=_SHOWN | {Place.WIDE, Place.MLFLOW},
        lowest_first=True,
    ),
    Column(
        keys=("memory_mb",),
        head="Memory",
        meaning="Median over fits of the peak memory, in MB.",
        text=lambda r: memory(r.memory_mb),
        where=_SHOWN,
        lowest_first=True,
    ),
    Column(
        keys=("parameters",),
        head="Parameters",
        meaning="Trainable parameters of a network.",
        text=lambda r: parameters(r.parameters),
        where=_SHOWN | {Place.MLFLOW},
        lowest_first=True,
    ),
    Column(
        keys=("published",),
        head="Published C",
        meaning="As published, cross-validated / external: another cohort and budget. Not comparable with the "
        "numbers here.",
        detail="Null or `source`, `c_index`, `external_c_index`, `dice`. One CSV column each (`published_c_index`).",
        text=lambda r: published(r.published),
        stacked=_published,
        where=frozenset({Place.PAGE, Place.MARKDOWN, Place.WIDE, Place.METHOD}),
    ),
    Column(
        keys=("status",),
        meaning="`ok`, or the worst of `skipped failed timeout oom`, or `pending`; only `ok` rows have numbers.",
        detail="A run whose files were changed after it was written counts as `failed`. Shown instead of C.",
    ),
    Column(keys=("reason",), meaning="Why a row has no numbers."),
    Column(
        keys=("reasons",),
        meaning="Why a number is null, by its name.",
        detail="`uno_c`, `auc_12`, `brier_12`, `ibs`, `d_calibration` or a number of `calibration_12`: the first fold "
        "without it, or no survival curves; `external_c_index`: the method is not predicted on the external cohort; "
        "`p` (with `p_holm`, `p_bh`) or `p_bootstrap` (with the interval) of a compared row. One sentence in the CSV.",
    ),
    Column(keys=("notes",), meaning="Notes by the method's author, as declared."),
    Column(keys=("needs_mask",), meaning="Whether prediction needs the manual mask."),
    Column(
        keys=("reference",),
        meaning="True for `oracle`, `random` and `padding`, which frame the board and are not ranked.",
    ),
)
