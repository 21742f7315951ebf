"""Build a board from a study's runs, as a pure function, so that it can be rebuilt at any time without fitting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
from survbench.evaluation.all_pairs import PairMatrix
from survbench.evaluation.gather import Gathered
from survbench.evaluation.learning import verdicts
from survbench.evaluation.sample import Measured, Sample, fold_concordance, measure
from survbench.evaluation.scores import scores
from survbench.findings import grouped
from survbench.io.files import finite
from survbench.io.layout import CurveSource, Status
from survbench.leaderboard.board.checks import Measurements, board_findings
from survbench.leaderboard.board.contrast_rows import contrast_rows
from survbench.leaderboard.board.rows import ORACLE, Board, Row
from survbench.plan.study import Study
from survbench.runs.store import Store
from survbench.statistics.metrics import pooled_concordance
from survbench.statistics.multiplicity import adjust_by_group, benjamini_hochberg, holm, tie_groups
from survbench.statistics.paired_tests import smallest_detectable_difference


def build_board(study: Study, store: Store) -> Board:
    """Return the board of a study, read from its runs."""
    return board_of(study, measure(study, store))


def board_of(study: Study, measured: Measured) -> Board:
    """Return the board of a study from its measured runs.

    C is the mean over folds of Harrell's C, averaged over seeds. Its interval resamples patients within folds, with the
    same resamples for all methods. A method with a missing job has no numbers, whatever its other jobs did.
    """
    results, inside, outside = measured.results, measured.inside, measured.outside
    # a reference row that does not apply to a cohort (the oracle of real patients) would only be noise on its board
    rows = {
        name: _bare(result)
        for name, result in results.methods.items()
        if not (result.entry.family == "reference" and result.status == Status.SKIPPED)
    }
    pairs = PairMatrix()
    groups: tuple[tuple[str, ...], ...] = ()
    if inside is not None:
        rows.update({n: _measured(rows[n], inside, results.methods[n], study) for n in inside.names})
        ranked = [n for n in inside.names if not rows[n].is_reference and inside.compares(n)]
        rows = _tested(rows, inside, ranked, study.protocol.reference)
        pairs, groups = _all_pairs(inside, ranked)
        rows = _placed(rows, inside, ranked, groups)
    if outside is not None:
        rows.update({n: _with_external(rows[n], outside) for n in outside.names})
    learning = {name: row.learning for name, row in rows.items() if row.learning is not None}
    excluded = 0 if inside is None else inside.boot.excluded
    excluded_outside = 0 if outside is None else outside.boot.excluded
    of = Measurements(study, results, learning, excluded, excluded_outside)
    return Board(
        cohort=study.cohort,
        external=study.external,
        protocol=study.protocol,
        profile=study.profile,
        provenance=study.provenance,
        resamples=study.profile.resamples,
        excluded_resamples=excluded,
        external_excluded_resamples=excluded_outside,
        p_bootstrap_floor=_floor(inside),
        external_p_bootstrap_floor=_floor(outside),
        rows=_ordered(rows),
        smallest_detectable_difference=_detectable(pairs),
        pairs=pairs,
        tie_groups=groups,
        contrasts=() if inside is None else contrast_rows(results.methods, inside, outside),
        findings=(*study.findings, *(group.stated("board") for group in grouped(board_findings(of)))),
    )


def _bare(result: Gathered) -> Row:
    entry = result.entry
    sizes = [run.record.description.get("parameters") for run in result.runs]
    return Row(
        method=entry.name,
        title=entry.title,
        family=entry.family,
        group=entry.group,
        status=result.status,
        is_reference=entry.family == "reference",
        dice=result.dice,
        hd95=result.hd95,
        unsegmented=result.unsegmented,
        survival=_curve_source(result),
        coverage=result.coverage,
        learning=verdicts(result.runs),
        seconds=_median(run.record.seconds for run in result.runs),
        memory_mb=_median(run.record.peak_memory_mb for run in result.runs),
        parameters=next((int(n) for n in sizes if n is not None), None),
        needs_mask=entry.needs_mask,
        published=entry.published,
        notes=entry.notes,
        reason=result.reason,
        reasons={"external_c_index": entry.skipped_external} if entry.skipped_external else {},
    )


def _curve_source(result: Gathered) -> CurveSource:
    """Return the source of a method's survival curves: the worst source among its fits."""
    sources = {run.record.survival for run in result.runs}
    return next((source for source in CurveSource if source in sources), CurveSource.NONE)


def _median(costs: Iterable[float | None]) -> float | None:
    """Return the median cost of a method's fits; None for imported risks, whose cost is unknown."""
    known = [float(cost) for cost in costs if cost is not None]
    return float(np.median(known)) if known else None


def _measured(row: Row, inside: Sample, result: Gathered, study: Study) -> Row:
    """Return a method's row with its cross-validated numbers."""
    o, risk, i = inside.outcomes, result.risk, inside.names.index(row.method)
    if risk is None or not inside.compares(row.method):
        return replace(row, reason="a fold has no comparable pair of patients")
    by_fold = fold_concordance(o, risk)
    per_seed = by_fold.mean(axis=1)
    low, high = inside.boot.interval(i)
    pooled_low, pooled_high = inside.pooled.interval(i)
    tau, horizons = study.protocol.tau, study.protocol.horizons
    measured = asdict(scores(o, risk, result.survival, tau=tau, horizons=horizons))
    row = replace(
        row,
        c_index=finite(np.mean(per_seed)),
        c_index_low=finite(low),
        c_index_high=finite(high),
        c_index_seed_sd=finite(np.std(per_seed, ddof=1)) if len(per_seed) > 1 else None,
        c_index_fold_sd=finite(np.std(by_fold.mean(axis=0), ddof=1)),
        c_index_pooled=finite(np.mean([pooled_concordance(o.time, o.event, o.fold, r) for r in risk])),
        c_index_pooled_low=finite(pooled_low),
        c_index_pooled_high=finite(pooled_high),
        **{**measured, "reasons": {**row.reasons, **measured["reasons"]}},
    )
    if ORACLE in inside.names and row.method != ORACLE:
        row = replace(row, oracle_gap=inside.difference(ORACLE, row.method))
    return row


def _tested(rows: dict[str, Row], inside: Sample, ranked: Sequence[str], reference: str) -> dict[str, Row]:
    """Compare every ranked method with the reference method, and adjust p over the comparisons within each group."""
    if reference not in ranked:
        return rows
    others = [n for n in ranked if n != reference]
    tests = [inside.difference(name, reference) for name in others]
    raw = [np.nan if test.p is None else test.p for test in tests]
    groups = [rows[name].group for name in others]
    by_holm, by_bh = (adjust_by_group(groups, raw, adjust) for adjust in (holm, benjamini_hochberg))
    for name, test, p_holm, p_bh in zip(others, tests, by_holm, by_bh, strict=True):
        compared = replace(test, p_holm=finite(p_holm), p_bh=finite(p_bh))
        rows[name] = replace(rows[name], difference=compared, reasons={**rows[name].reasons, **test.reasons})
    return rows


def _all_pairs(inside: Sample, ranked: Sequence[str]) -> tuple[PairMatrix, tuple[tuple[str, ...], ...]]:
    """Return the comparisons of all ranked methods (highest C first) and the runs without significant differences."""
    if not ranked:
        return PairMatrix(), ()
    point = dict(zip(ranked, inside.only(ranked).point, strict=True))
    names = sorted(ranked, key=lambda n: (-point[n], n))
    found = inside.pairs(names)
    groups = tie_groups([point[n] for n in names], found.p_holm)
    matrices = {key: tuple(tuple(map(finite, line)) for line in matrix) for key, matrix in asdict(found).items()}
    return PairMatrix(methods=tuple(names), **matrices), tuple(tuple(names[i] for i in group) for group in groups)


def _detectable(pairs: PairMatrix) -> float | None:
    upper = [line[j] for i, line in enumerate(pairs.se) for j in range(i + 1, len(line))]
    known = [se for se in upper if se is not None]
    return finite(smallest_detectable_difference(float(np.median(known)))) if known else None


def _floor(sample: Sample | None) -> float | None:
    """Return the smallest p value that a bootstrap can give; the data count as one of the replicates."""
    kept = 0 if sample is None else sample.boot.replicates.shape[1]
    return 2 / (kept + 1) if kept else None


def _placed(
    rows: dict[str, Row], inside: Sample, ranked: Sequence[str], groups: Sequence[Sequence[str]]
) -> dict[str, Row]:
    """Add the interval of every rank, and the groups of methods without significant differences."""
    if ranked:
        for name, (low, high) in zip(ranked, inside.only(ranked).rank_intervals(), strict=True):
            member = tuple(number for number, group in enumerate(groups, start=1) if name in group)
            rows[name] = replace(rows[name], rank_low=finite(low), rank_high=finite(high), tie_groups=member)
    return rows


def _with_external(row: Row, outside: Sample) -> Row:
    """Return a method's row with its external C-index."""
    i = outside.names.index(row.method)
    low, high = outside.boot.interval(i)
    return replace(
        row,
        external_c_index=finite(outside.boot.point[i]),
        external_c_index_low=finite(low),
        external_c_index_high=finite(high),
    )


def _ordered(rows: Mapping[str, Row]) -> tuple[Row, ...]:
    """Return the rows in order: ranked methods from the highest C, reference rows, segmenters only, incomplete ones."""
    measured = [r for r in rows.values() if r.c_index is not None]
    order = sorted(measured, key=lambda r: (-(r.c_index or 0.0), r.method))
    ranked = [replace(r, rank=n) for n, r in enumerate((r for r in order if not r.is_reference), start=1)]
    references = [r for r in order if r.is_reference]
    others = sorted(
        (r for r in rows.values() if r.c_index is None), key=lambda r: (r.status != Status.OK, r.is_reference, r.method)
    )
    return (*ranked, *references, *others)
