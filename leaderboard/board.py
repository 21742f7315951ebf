"""The board's data: what every table, page and JSON file is rendered from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BOARD_SCHEMA = 1
PUBLISHED_STEPS = 15_000
"""For how long the publication trained its networks (Meng et al., IEEE JBHI 26(9), 2022)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One method on the board. Numbers are None where they do not exist, and ``reason`` says why.

    Attributes:
        rank: 1 for the highest C-index; None for reference rows, for methods without C and for incomplete ones.
        status: ``ok`` if every job of the method is done, else the worst status of its jobs.
        c_index: mean over folds of Harrell's C, averaged over seeds, with its 95 % bootstrap interval.
        c_index_seed_sd: standard deviation over seeds, None with fewer than two.
        dice: mean Dice of the test patients, for methods that segment.
        hd95: mean 95th percentile of the surface distance in mm, over patients in whom a tumour was predicted.
        unsegmented: patients in whom none was, a mean over seeds.
        external_c_index: C-index of the ensemble of the fold models on the external cohort.
        difference: C-index minus that of the protocol's reference method, with its 95 % interval.
        p, p_holm: paired jackknife test of ``difference``; adjusted over all ranked methods.
        oracle_gap: oracle's C minus this method's C with a paired bootstrap interval, where there is an oracle.
        survival: where its survival curves are from: ``predicted``; ``calibrated`` from its risks on patients that it
            has not seen; or ``none``, because a method that gives risks alone has seen all training patients.
        coverage: share of the planned (fold, seed) jobs that are done.
        seconds: median wall time of a fit job.
        parameters: trainable parameters, where the method has such a number.
        published: C-index and Dice as published, with the source.
    """

    method: str
    title: str
    family: str
    status: str
    is_reference: bool
    rank: int | None = None
    c_index: float | None = None
    c_index_low: float | None = None
    c_index_high: float | None = None
    c_index_seed_sd: float | None = None
    c_index_pooled: float | None = None
    external_c_index: float | None = None
    external_c_index_low: float | None = None
    external_c_index_high: float | None = None
    dice: float | None = None
    hd95: float | None = None
    unsegmented: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    oracle_gap: float | None = None
    oracle_gap_low: float | None = None
    oracle_gap_high: float | None = None
    survival: str = "none"
    coverage: float = 0.0
    seconds: float | None = None
    parameters: int | None = None
    needs_mask: bool = False
    published: Mapping[str, Any] | None = None
    notes: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A leaderboard: its rows, ranked first, and what they were made under."""

    cohort: Mapping[str, Any]
    external: Mapping[str, Any] | None
    protocol: Mapping[str, Any]
    profile: Mapping[str, Any]
    provenance: Mapping[str, Any]
    resamples: int
    excluded_resamples: int
    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()
