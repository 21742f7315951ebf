"""A board from a study's runs: a pure function, so it can be made again at any time without fitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.leaderboard.board import PUBLISHED_STEPS, Board, Row
from survbench.leaderboard.gather import Gathered, Outcomes, Results, gather
from survbench.metrics import fold_mean_concordance, pooled_concordance
from survbench.significance import Bootstrap, bootstrap, holm, influence, paired_jackknife
from survbench.store import Store
from survbench.study import Study

ORACLE = "oracle"
FEW_EVENTS = 10
"""Events below which the C-index of a fold, or of an external cohort, is called a coarse number."""


def build_board(study: Study, store: Store) -> Board:
    """Return the board of a study.

    C is the mean over folds of Harrell's C, averaged over seeds; its interval resamples patients within folds, with
    the same resamples for all methods. A method of which a job is missing has no numbers, whatever else it has done.
    """
    results = gather(study, store)
    resamples, seed = int(study.profile["resamples"]), int(study.protocol["fingerprint"][:8], 16)
    # a reference row that a cohort cannot have (the oracle of real patients) would only be noise on its board
    rows = {
        name: _bare(result)
        for name, result in results.methods.items()
        if not (result.entry.family == "reference" and result.status == "skipped")
    }
    ranked = [n for n, r in results.methods.items() if r.risk is not None and r.entry.family != "reference"]
    measured = [n for n, r in results.methods.items() if r.risk is not None]
    excluded = excluded_outside = 0
    if results.outcomes is not None and measured:
        boot = _bootstrap(results.outcomes, [_risk(results, n) for n in measured], resamples, seed)
        excluded = boot.excluded
        inside = _Inside(results, results.outcomes, tuple(measured), boot)
        rows.update({name: inside.row(rows[name]) for name in measured})
        rows = _tested(rows, inside, ranked, study.protocol["reference"])
    if results.external is not None:
        rows, excluded_outside = _with_external(rows, results, results.external, resamples, seed)
    return Board(
        cohort=study.cohort,
        external=study.external,
        protocol=study.protocol,
        profile=study.profile,
        provenance=study.provenance,
        resamples=resamples,
        excluded_resamples=excluded,
        rows=_ordered(rows),
        warnings=(*_of_training(study, results), *_of_data(study, results, excluded, excluded_outside)),
    )


@dataclass(frozen=True, slots=True)
class _Inside:
    """Cross-validated numbers of all measured methods, with their common resamples."""

    results: Results
    outcomes: Outcomes
    names: tuple[str, ...]
    boot: Bootstrap

    def row(self, row: Row) -> Row:
        """Return a method's row with its C-index and what belongs to it."""
        o, risk, i = self.outcomes, _risk(self.results, row.method), self.names.index(row.method)
        per_seed = [fold_mean_concordance(o.time, o.event, o.fold, r) for r in risk]
        pooled = float(np.mean([pooled_concordance(o.time, o.event, o.fold, r) for r in risk]))
        low, high = self.boot.interval(i)
        row = replace(
            row,
            c_index=_finite(float(np.mean(per_seed))),
            c_index_low=_finite(low),
            c_index_high=_finite(high),
            c_index_seed_sd=_finite(float(np.std(per_seed, ddof=1))) if len(per_seed) > 1 else None,
            c_index_pooled=_finite(pooled),
        )
        if row.c_index is None:
            return replace(row, reason="a fold has no two patients whose order is known")
        if ORACLE in self.names and row.method != ORACLE:
            j = self.names.index(ORACLE)
            gap_low, gap_high = self.boot.difference_interval(j, i)
            row = replace(
                row,
                oracle_gap=_finite(float(self.boot.point[j] - self.boot.point[i])),
                oracle_gap_low=_finite(gap_low),
                oracle_gap_high=_finite(gap_high),
            )
        return row

    def influence(self, name: str) -> NDArray[np.float64]:
        """Return the patients' influences on a method's C, averaged over seeds."""
        o = self.outcomes
        return influence(o.time, o.event, o.fold, _risk(self.results, name))


def _bare(result: Gathered) -> Row:
    entry = result.entry
    sizes = [run.record.get("description", {}).get("parameters") for run in result.runs]
    seconds = [float(run.record["seconds"]) for run in result.runs]
    return Row(
        method=entry.name,
        title=entry.title,
        family=entry.family,
        status=result.status,
        is_reference=entry.family == "reference",
        dice=result.dice,
        hd95=result.hd95,
        unsegmented=result.unsegmented,
        survival=min((run.record.get("survival", "none") for run in result.runs), default="none"),
        coverage=result.coverage,
        seconds=float(np.median(seconds)) if seconds else None,
        parameters=next((int(n) for n in sizes if n is not None), None),
        needs_mask=entry.needs_mask,
        published=entry.published,
        notes=entry.notes,
        reason=result.reason,
    )


def _tested(rows: dict[str, Row], inside: _Inside, ranked: list[str], reference: str) -> dict[str, Row]:
    """Compare every ranked method with the reference method, and adjust over all of these comparisons."""
    if reference not in ranked or rows[reference].c_index is None:
        return rows
    others = [n for n in ranked if n != reference and rows[n].c_index is not None]
    base, j = inside.influence(reference), inside.names.index(reference)
    tests = []
    for name in others:
        i = inside.names.index(name)
        tests.append(paired_jackknife(inside.influence(name), base, float(inside.boot.point[i] - inside.boot.point[j])))
    adjusted = holm([t.p for t in tests]) if tests else np.empty(0)
    for name, test, p_holm in zip(others, tests, adjusted, strict=True):
        low, high = inside.boot.difference_interval(inside.names.index(name), j)
        rows[name] = replace(
            rows[name],
            difference=test.difference,
            difference_low=_finite(low),
            difference_high=_finite(high),
            p=_finite(test.p),
            p_holm=_finite(float(p_holm)),
        )
    return rows


def _with_external(
    rows: dict[str, Row], results: Results, outcomes: Outcomes, resamples: int, seed: int
) -> tuple[dict[str, Row], int]:
    """Return the rows with the external C-index of every method that predicted, and how many resamples fell out."""
    names = [n for n, r in results.methods.items() if r.external is not None]
    risks = [r for n in names if (r := results.methods[n].external) is not None]
    boot = _bootstrap(outcomes, risks, resamples, seed)
    for i, name in enumerate(names):
        low, high = boot.interval(i)
        rows[name] = replace(
            rows[name],
            external_c_index=_finite(float(boot.point[i])),
            external_c_index_low=_finite(low),
            external_c_index_high=_finite(high),
        )
    return rows, boot.excluded


def _bootstrap(o: Outcomes, risks: list[NDArray[np.float64]], resamples: int, seed: int) -> Bootstrap:
    return bootstrap(o.time, o.event, o.fold, risks, resamples=resamples, seed=seed)


def _risk(results: Results, name: str) -> NDArray[np.float64]:
    risk = results.methods[name].risk
    if risk is None:
        raise KeyError(name)
    return risk


def _ordered(rows: Mapping[str, Row]) -> tuple[Row, ...]:
    """Ranked methods from the highest C, then reference rows, then those that only segment, then incomplete ones."""
    measured = [r for r in rows.values() if r.c_index is not None]
    order = sorted(measured, key=lambda r: (-(r.c_index or 0.0), r.method))
    ranked = [replace(r, rank=n) for n, r in enumerate((r for r in order if not r.is_reference), start=1)]
    references = [r for r in order if r.is_reference]
    others = sorted(
        (r for r in rows.values() if r.c_index is None), key=lambda r: (r.status != "ok", r.is_reference, r.method)
    )
    return (*ranked, *references, *others)


def _of_training(study: Study, results: Results) -> list[str]:
    """Return what the rows do not say about how the methods were trained."""
    warnings: list[str] = []
    profile, protocol = study.profile, study.protocol
    steps = int(profile["training"]["steps"])
    runs = [run for r in results.methods.values() for run in r.runs]
    # only networks count parameters
    networks = any("parameters" in run.record["description"] for run in runs)
    on_networks = any(r.runs and r.entry.family == "deep-features" for r in results.methods.values())
    if steps < PUBLISHED_STEPS and (networks or on_networks):
        warnings.append(
            f"Profile '{profile['name']}' trains networks for {steps:,} steps instead of the published "
            f"{PUBLISHED_STEPS:,} (learning rate x {profile['training']['learning_rate_scale']:g}): they are "
            "under-trained, and their rows are no statement about the published methods."
        )
    if protocol["selection"] == "paper":
        warnings.append(
            "Selection 'paper' chooses checkpoints on the test folds, as published: networks' C-index is optimistic."
        )
    if protocol["tuning"] == "paper" and any(r.entry.tunes for r in results.methods.values()):
        warnings.append(
            "Tuning 'paper' chooses hyper-parameters on the test folds, as published: C-indices of tuned methods are "
            "optimistic; the external cohort's are not touched."
        )
    stochastic = any(r.entry.stochastic and r.entry.family != "reference" for r in results.methods.values())
    if stochastic and int(protocol["seeds"]) == 1:
        warnings.append("One seed per method: intervals do not hold the variance of training (--seeds 3 shows it).")
    return warnings


def _of_data(study: Study, results: Results, excluded: int, excluded_outside: int) -> list[str]:
    """Return what the rows do not say about what the methods were measured on."""
    warnings: list[str] = []
    measured = [r for r in results.methods.values() if r.risk is not None and r.entry.family != "reference"]
    masked = sum(r.entry.needs_mask for r in measured)
    if 0 < masked < len(measured):
        warnings.append(
            f"{masked} of {len(measured)} methods predict from the manual tumour mask (marked 'mask'); "
            "the others do without it."
        )
    if results.outcomes is not None:
        o = results.outcomes
        events = min(int(o.event[o.fold == k].sum()) for k in np.unique(o.fold))
        if events < FEW_EVENTS:
            warnings.append(f"A fold has only {events} events; its C-index is a coarse number.")
    if results.external is not None and int(results.external.event.sum()) < FEW_EVENTS:
        warnings.append(f"The external cohort has only {int(results.external.event.sum())} events; read its intervals.")
    for number, where in ((excluded, "had a fold"), (excluded_outside, "of the external cohort were")):
        if number:
            warnings.append(f"{number} resamples {where} without a comparable pair and were left out for all methods.")
    reference = results.methods.get(study.protocol["reference"])
    if reference is None or reference.risk is None:
        name = study.protocol["reference"]
        warnings.append(f"The reference method {name} is not complete: no differences are tested.")
    return warnings


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
