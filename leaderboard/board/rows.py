"""The board's data, from which every table, page and JSON file is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from survbench.api import Published
from survbench.evaluation.all_pairs import PairMatrix
from survbench.evaluation.difference import NOT_COMPARED, Difference
from survbench.evaluation.learning import Verdicts
from survbench.findings import Stated
from survbench.io.layout import CurveSource, Status
from survbench.io.versions import Provenance
from survbench.plan.profile import Profile
from survbench.plan.protocol import Protocol
from survbench.plan.study import CohortDescription

BOARD_SCHEMA = 2
ORACLE = "oracle"
"""Name of the reference row whose risk is the true hazard of a simulated cohort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One method on the board. Numbers that do not exist are None, and ``reason`` says why.

    Attributes:
        group: the rows with which its p is adjusted, one of :data:`survbench.api.GROUPS`.
        rank: 1 for the highest C-index; None for reference rows, methods without C and incomplete methods.
        status: ``ok`` if every job of the method is done, else the worst status of its jobs.
        c_index: mean over folds of Harrell's C, averaged over seeds, with its 95 % bootstrap interval.
        c_index_seed_sd: standard deviation over seeds, None with fewer than two.
        c_index_fold_sd: standard deviation over folds of C (averaged over seeds); not a standard error.
        c_index_pooled: C over all within-fold pairs together, with its own interval.
        uno_c, auc, brier, ibs, d_calibration, calibration: see :class:`survbench.evaluation.scores.Scores`.
        reasons: why one of these numbers is None, by its name, or ``p``, ``p_bootstrap`` or ``external_c_index``.
        dice: mean Dice of the test patients, for methods that segment.
        hd95: mean 95th percentile of the surface distance in mm, over patients with a predicted tumour.
        unsegmented: number of patients without a predicted tumour, a mean over seeds.
        external_c_index: C-index of the ensemble of the fold models on the external cohort.
        difference: from the protocol's reference method, with p adjusted over the ranked rows of ``group``.
        rank_low, rank_high: 95 % bootstrap interval of the rank among ranked methods.
        tie_groups: numbers of its groups in :attr:`Board.tie_groups`, from 1.
        oracle_gap: oracle's C minus this method's C, if there is an oracle.
        survival: source of its survival curves: ``predicted``; ``calibrated`` from its risks on patients that it has
            not seen; or ``none``, because it predicts only risks and has seen all training patients.
        coverage: share of the planned (fold, seed) jobs that are done.
        learning: verdicts on whether its fits have learned; None if no fit was checked.
        seconds: median wall time of a fit job.
        memory_mb: median of the peak memory of a fit job.
        parameters: number of trainable parameters, if the method has such a number.
        published: C-index and Dice as published, with the source.
    """

    method: str
    title: str
    family: str
    group: str
    status: Status
    is_reference: bool
    rank: int | None = None
    c_index: float | None = None
    c_index_low: float | None = None
    c_index_high: float | None = None
    c_index_seed_sd: float | None = None
    c_index_fold_sd: float | None = None
    c_index_pooled: float | None = None
    c_index_pooled_low: float | None = None
    c_index_pooled_high: float | None = None
    rank_low: float | None = None
    rank_high: float | None = None
    tie_groups: tuple[int, ...] = ()
    uno_c: float | None = None
    auc: Mapping[str, float | None] = field(default_factory=dict)
    brier: Mapping[str, float | None] = field(default_factory=dict)
    ibs: float | None = None
    d_calibration: float | None = None
    calibration: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    external_c_index: float | None = None
    external_c_index_low: float | None = None
    external_c_index_high: float | None = None
    dice: float | None = None
    hd95: float | None = None
    unsegmented: float | None = None
    difference: Difference = NOT_COMPARED
    oracle_gap: Difference = NOT_COMPARED
    survival: CurveSource = CurveSource.NONE
    coverage: float = 0.0
    learning: Verdicts | None = None
    seconds: float | None = None
    memory_mb: float | None = None
    parameters: int | None = None
    needs_mask: bool = False
    published: Published | None = None
    notes: str = ""
    reason: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastRow:
    """A contrast of the paper: our results, and the published difference and P as quoted.

    Attributes:
        inside: by cross-validation; p is adjusted within the table over the contrasts that could be tested.
        outside: the same on the external cohort.
    """

    table: str
    title: str
    a: str
    b: str
    inside: Difference
    outside: Difference = NOT_COMPARED
    published_difference: float | None = None
    published_p: float | str | None = None
    published_external_difference: float | None = None
    published_external_p: float | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A leaderboard: its rows, ranked first, and the conditions under which they were made.

    Attributes:
        cohort, external, protocol, profile, provenance: from the study.
        excluded_resamples, external_excluded_resamples: left out because a fold had no comparable pair.
        p_bootstrap_floor, external_p_bootstrap_floor: smallest p value for the number of replicates.
        smallest_detectable_difference: median over all pairs of ranked methods, at 5 % with 80 % power.
        pairs: every ranked method against every other.
        tie_groups: runs of the ranking without a significant difference by ``pairs.p_holm``; they overlap.
        contrasts: the paper's contrasts whose methods are on the board.
        findings: problems of the cohorts, and what readers need to know about them and the board.
    """

    cohort: CohortDescription
    external: CohortDescription | None
    protocol: Protocol
    profile: Profile
    provenance: Provenance
    resamples: int
    excluded_resamples: int
    external_excluded_resamples: int = 0
    p_bootstrap_floor: float | None = None
    external_p_bootstrap_floor: float | None = None
    rows: tuple[Row, ...]
    smallest_detectable_difference: float | None = None
    pairs: PairMatrix = field(default_factory=PairMatrix)
    tie_groups: tuple[tuple[str, ...], ...] = ()
    contrasts: tuple[ContrastRow, ...] = ()
    findings: tuple[Stated, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What readers need to know about the cohorts and the board, in sentences."""
        return tuple(finding.sentence for finding in self.findings)
