"""The null check: with outcomes permuted over patients, no method may rank them better than chance."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.api import Context, MethodInfo, Seeds
from survbench.executor import Task, execute
from survbench.metrics import fold_mean_concordance
from survbench.planner import missing_for
from survbench.prepared import PreparedCohort
from survbench.profile import Profile
from survbench.protocol import stratified_folds
from survbench.registry import construct, registry

if TYPE_CHECKING:
    from survbench.runner import Request

LIMIT = 4.0
"""Standard errors that the mean C over permutations may lie from 0.5."""


@dataclass(frozen=True, slots=True)
class NullResult:
    """Mean C of a method over permuted outcomes, its standard error, and whether it is compatible with chance."""

    method: str
    permutations: int
    mean: float
    se: float

    @property
    def z(self) -> float:
        """Standard errors between the mean and 0.5; 0 for a method that gives every patient the same risk."""
        return (self.mean - 0.5) / self.se if self.se > 0 else 0.0

    @property
    def passed(self) -> bool:
        """Whether the mean lies within :data:`LIMIT` standard errors of 0.5."""
        return abs(self.z) <= LIMIT and (self.se > 0 or self.mean == 0.5)


def null_check(request: Request, *, permutations: int) -> list[NullResult]:
    """Permute (time, event) over the cohort before it is split, cross-validate, and average; per method.

    Methods that give no risk, or that the cohort cannot serve, are left out.

    Raises:
        BenchError: a method failed on a permutation.
    """
    from survbench.errors import BenchError
    from survbench.runner import prepare_cohort

    infos = [i for i in registry().select(request.methods) if "risk" in i.gives]
    train = prepare_cohort(request)
    infos = [i for i in infos if not missing_for(i, train)]
    tasks = [
        Task(
            key=f"{info.name} {number}",
            function=permuted_concordance,
            arguments=(info, request.profile, str(request.out), train.fingerprint, sorted(train.rows), number),
            timeout_s=request.profile.job_timeout_s,
        )
        for info in infos
        for number in range(permutations)
    ]
    values: dict[str, list[float]] = {info.name: [] for info in infos}
    for ended in execute(tasks, workers=request.workers, on_start=lambda _: None, on_poll=lambda: None):
        if ended.status != "ok":
            raise BenchError(f"The null check of {ended.task.key} ended as {ended.status}: {ended.error}")
        values[ended.task.arguments[0].name].append(ended.value)
    return [
        NullResult(name, permutations, float(np.mean(c)), float(np.std(c, ddof=1) / np.sqrt(len(c))))
        for name, c in values.items()
    ]


def permuted_concordance(
    info: MethodInfo, profile: Profile, out: str, fingerprint: str, ids: list[str], number: int
) -> float:
    """Return a method's cross-validated C-index on one permutation of the outcomes."""
    prepared = PreparedCohort(Path(out), fingerprint)
    fitting = prepared.labelled(ids, info.needs_fit)
    order = np.random.default_rng([number, 20]).permutation(len(ids))
    fitting = replace(fitting, time=fitting.time[order], event=fitting.event[order])
    inputs = prepared.inputs(ids, info.needs_predict)
    risk, fold_of = np.full(len(ids), np.nan), np.zeros(len(ids), dtype=np.int64)
    for fold, test in enumerate(stratified_folds(fitting, profile.folds)):
        train = fitting.select(i for i in ids if i not in set(test))
        rows = [ids.index(i) for i in test]
        with tempfile.TemporaryDirectory() as scratch:
            ctx = Context(
                seeds=Seeds(number, fold, info.name),
                training=profile.training,
                scratch=Path(scratch),
                deadline=time.monotonic() + profile.job_timeout_s,
            )
            method: Any = construct(info.target, info.params).fit(train, validation=None, ctx=ctx)
            risk[rows] = method.predict_risk(inputs.select(test))
        fold_of[rows] = fold
    return fold_mean_concordance(fitting.time, fitting.event, fold_of, risk)
