"""What the runs of a study say, as arrays in one order of patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from survbench.evaluation.ensemble import Member, Models, combine
from survbench.evaluation.redaction import without_paths
from survbench.evaluation.standardised import mean_of_models, standardised
from survbench.io.layout import Status
from survbench.plan.study import Entry, Study
from survbench.runs.record import RunError
from survbench.runs.store import Run, Store

if TYPE_CHECKING:
    import pandas as pd

WORST_FIRST = (Status.OOM, Status.TIMEOUT, Status.FAILED, Status.SKIPPED, Status.PENDING)
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Patients in one order: ids, months, events, the fold that tests each (all 0 for an external cohort), centres."""

    ids: tuple[str, ...]
    time: Array
    event: NDArray[np.bool_]
    fold: NDArray[np.int64]
    centre: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedRun(Run):
    """A run whose predictions are parsed when they are first asked for, and kept for whoever asks next: do not change
    them.
    """

    kept: list[pd.DataFrame] = field(default_factory=list, repr=False, compare=False)

    def predictions(self) -> pd.DataFrame:
        """See :meth:`survbench.runs.store.Run.predictions`."""
        if not self.kept:
            self.kept.append(Run.predictions(self))
        return self.kept[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """One method's runs.

    Attributes:
        risk: out-of-fold risks, shape (seeds, n); None for an incomplete method, or one without risk.
        survival: predicted at each stored month, shape (seeds, n, months); None for a method without curves.
        external: ensemble risks of the external cohort, shape (seeds, m); None alike.
        dice: mean Dice of the test patients, or None.
        hd95: mean HD95 (mm) of those in whom a tumour was predicted, or None.
        unsegmented: test patients in whom none was predicted, a mean over seeds, or None.
        status: ``ok``, or the worst status of the method's jobs (``pending`` for one that has not run).
        reason: why the method is incomplete, or "".
        coverage: share of the planned jobs that are done.
        runs: the fits that are done, by seed and fold.
        constant: by member of an ensemble, the fits in which it was left out, because it ranked no patients there.
    """

    entry: Entry
    status: Status
    reason: str
    coverage: float
    runs: tuple[Run, ...] = ()
    risk: Array | None = None
    survival: Array | None = None
    external: Array | None = None
    dice: float | None = None
    hd95: float | None = None
    unsegmented: float | None = None
    constant: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All methods of a study, with the outcomes that their predictions were stored with."""

    methods: Mapping[str, Gathered] = field(default_factory=dict)
    outcomes: Outcomes | None = None
    external: Outcomes | None = None


def gather(study: Study, store: Store) -> Results:
    """Read the stored predictions of all methods of a study; those of each run are parsed once."""
    ids = tuple(sorted(i for fold in study.protocol.folds for i in fold))
    methods: dict[str, Gathered] = {}
    models: dict[str, Models] = {}
    outcomes = external = None
    for entry in study.entries:
        if entry.members:  # made of the others below, whatever their order
            continue
        fits = [[_parsed(read_checked(store, key)) for key in seed] for seed in entry.fits]
        predicts = [[_parsed(read_checked(store, key)) for key in seed] for seed in entry.predicts]
        done = [run for seed in fits for run in seed if run is not None and run.status == Status.OK]
        status, reason = _status(entry, [run for seed in (*fits, *predicts) for run in seed])
        planned = [run for seed in (*fits, *predicts) for run in seed]
        finished = sum(run is not None and run.status == Status.OK for run in planned)
        result = Gathered(
            entry=entry,
            status=status,
            reason=reason,
            coverage=finished / len(planned) if planned else 0.0,
            runs=tuple(done),
        )
        if status == Status.OK:
            inside = [_joined(seed).set_index("id").loc[list(ids)] for seed in fits]
            outcomes = outcomes or _outcomes(inside[0])
            outside = [_by_id(seed) for seed in predicts]
            if outside:
                external = external or _outcomes(outside[0][0].assign(fold=0))
                models[entry.name] = [_scaled(own, seed) for own, seed in zip(fits, outside, strict=True)]
            means = [_mean(seed, of, study) for seed, of in zip(outside, models.get(entry.name, ()), strict=True)]
            result = _with_values(result, inside, means)
        methods[entry.name] = result
    ensembles = {e.name: _ensemble(e, methods, models, outcomes) for e in study.entries if e.members}
    methods = {e.name: (methods | ensembles)[e.name] for e in study.entries}
    return Results(methods=methods, outcomes=outcomes, external=external)


def read_checked(store: Store, key: str) -> Run | None:
    """Return a run; one whose files are not as they were written counts as failed, so that no board is made of it."""
    run = store.read(key)
    if run is None or run.status != Status.OK or store.is_done(key):
        return run
    message = f"files of {run.folder.name[:12]} are missing or were changed; 'bench run' makes them again"
    error = RunError(type="Damaged", message=message)
    return replace(run, record=run.record.model_copy(update={"status": Status.FAILED, "error": error}))


def _parsed(run: Run | None) -> Run | None:
    return None if run is None else ParsedRun(run.key, run.folder, run.job, run.record)


def _status(entry: Entry, runs: list[Run | None]) -> tuple[Status, str]:
    """Return the worst status, and the first reason in a sentence."""
    if entry.skipped:
        return Status.SKIPPED, entry.skipped
    bad = [run for run in runs if run is None or run.status != Status.OK]
    if not bad:
        return Status.OK, ""
    states = {Status.PENDING if run is None else run.status for run in bad}
    worst = next(s for s in WORST_FIRST if s in states)
    for run in bad:
        error = None if run is None or run.status != worst else run.record.error
        if error is not None:
            first = error.message.strip().splitlines()[:1]
            return worst, without_paths(f"{error.type}: {first[0] if first else ''}")[:300]
    return worst, "has not run yet" if worst == Status.PENDING else ""


def _joined(runs: list[Run | None]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([run.predictions() for run in runs if run is not None], ignore_index=True)


def _outcomes(table: pd.DataFrame) -> Outcomes:
    return Outcomes(
        ids=tuple(table.index),
        time=table["time"].to_numpy(dtype=np.float64),
        event=table["event"].to_numpy(dtype=bool),
        fold=table["fold"].to_numpy(dtype=np.int64),
        centre=tuple(table["centre"]),
    )


def _by_id(runs: list[Run | None]) -> list[pd.DataFrame]:
    """Return the external cohort's tables of all fold models, in the order of ids."""
    return [run.predictions().sort_values("id").set_index("id") for run in runs if run is not None]


def _scaled(own: list[Run | None], outside: Sequence[pd.DataFrame]) -> list[Array]:
    """Return the standardised risks that each fold model gives the external cohort, shape (m,); NaN from a model that
    ranks no patients.

    They are scaled by the mean and standard deviation of the model's own out-of-fold risks. Imported risks come as one
    column for all fold models, which all out-of-fold risks scale.
    """
    risks = [_risk(table) for table in outside]
    tests = [_joined([run]) for run in own] if len(risks) == len(own) else [_joined(own)]
    return [standardised(risk, _risk(test)) for risk, test in zip(risks, tests, strict=True)]


def _mean(tables: Sequence[pd.DataFrame], models: Sequence[Array], study: Study) -> Array:
    """Return the mean over fold models of their standardised risks, shape (m,). A model that ranks no patients
    contributes 0; risks of one outside model stay as they are.

    In the published way the external cohort itself is the scale, in the place of the out-of-fold risks of ``models``.
    """
    if len(tables) == 1:
        return _risk(tables[0])
    if study.protocol.standardisation != "out-of-fold":
        models = [standardised(risk, risk) for risk in map(_risk, tables)]
    return mean_of_models(models)


def _risk(table: pd.DataFrame) -> Array:
    risk: Array = table["risk"].to_numpy(dtype=np.float64)
    return risk


def _ensemble(
    entry: Entry, methods: Mapping[str, Gathered], models: Mapping[str, Models], outcomes: Outcomes | None
) -> Gathered:
    """Return the results of an ensemble; it is as incomplete as the worst of its members."""
    members = {name: methods[name] for name in entry.members if name in methods}
    lost = [name for name in entry.members if name not in members]
    if lost:
        return Gathered(
            entry=entry,
            status=Status.FAILED,
            reason=f"its members {', '.join(lost)} are not in the study",
            coverage=0.0,
        )
    coverage = float(np.mean([m.coverage for m in members.values()]))
    for status in WORST_FIRST:
        for name, member in members.items():
            if member.status == status:
                reason = f"its member {name}: {member.reason or status}"
                return Gathered(entry=entry, status=status, reason=reason, coverage=coverage)
    known = {n: Member(risk=m.risk, outside=models.get(n)) for n, m in members.items() if m.risk is not None}
    if outcomes is None or len(known) < len(members):
        raise ValueError(f"{entry.name}: all members of an ensemble give risks")
    made = combine(known, outcomes.fold)
    return Gathered(
        entry=entry,
        status=Status.OK,
        reason="",
        coverage=coverage,
        risk=made.risk,
        external=made.external,
        constant=made.constant,
    )


def _with_values(result: Gathered, inside: list[pd.DataFrame], outside: list[Array]) -> Gathered:
    gives = set(result.entry.gives)
    risk = np.stack([t["risk"].to_numpy(dtype=np.float64) for t in inside])
    scores, distances = (np.stack([t[name].to_numpy(dtype=np.float64) for t in inside]) for name in ("dice", "hd95"))
    segments = "segmentation" in gives and bool(np.isfinite(scores).all())
    found = np.isfinite(distances)
    return replace(
        result,
        risk=risk if "risk" in gives else None,
        survival=_survival(inside),
        external=np.stack(outside) if outside and "risk" in gives else None,
        dice=float(scores.mean()) if segments else None,
        hd95=float(distances[found].mean()) if segments and found.any() else None,
        unsegmented=float((~found).sum() / len(found)) if segments else None,
    )


def _survival(inside: list[pd.DataFrame]) -> Array | None:
    """Return predicted survival of all patients, or None where some have none."""
    if any(curve is None for table in inside for curve in table["survival"]):
        return None
    return np.stack([np.stack(table["survival"].to_list()) for table in inside]).astype(np.float64)
