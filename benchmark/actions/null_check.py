"""The null check: with outcomes permuted over patients, no method may rank them better than chance."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.api import Context, MethodInfo, Seeds
from survbench.cohort import FeatureTable
from survbench.errors import BenchError
from survbench.io.layout import Status
from survbench.jobs.executor import execute
from survbench.jobs.prepared_files import read_follow_up
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine
from survbench.plan.folds import deal
from survbench.plan.profile import Profile
from survbench.plan.registry import registry
from survbench.plan.requirements import missing_for
from survbench.runs.follow_up import FollowUp
from survbench.statistics.metrics import fold_mean_concordance
from survbench.work.construct import construct
from survbench.work.inputs import deep_features
from survbench.work.prepared import PreparedCohort

if TYPE_CHECKING:
    from survbench.actions.request import Request

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
        BenchError: a method failed on a permutation, or the folds are too small for any C.
    """
    from survbench.actions.planning import prepare_cohort, upstreams_of

    infos = [i for i in registry().select(request.methods) if "risk" in i.gives]
    train = prepare_cohort(request)
    upstreams = upstreams_of(infos)
    infos = [i for i in infos if not missing_for(i, train, upstreams)]
    follow_up = read_follow_up(PreparedCohort(request.out, train.fingerprint))
    tasks = [
        Task(
            key=f"{info.name} {number}",
            function=permuted_concordance,
            arguments=(
                info,
                upstreams.get(info.upstream),
                request.profile,
                str(request.out),
                train.fingerprint,
                follow_up,
                number,
            ),
            timeout_s=request.profile.job_timeout_s,
        )
        for info in infos
        for number in range(permutations)
    ]
    found: dict[str, list[float]] = {info.name: [] for info in infos}
    for ended in execute(tasks, place=ThisMachine(request.workers)):
        if ended.status != Status.OK:
            why = "" if ended.error is None else f": {ended.error.type}: {ended.error.message}"
            raise BenchError(f"Permutation {ended.task.key} of the null check ended as {ended.status}{why}")
        found[ended.task.arguments[0].name].append(ended.value)
    return [_result(name, values) for name, values in found.items()]


def _result(name: str, values: Sequence[float]) -> NullResult:
    """Return the mean over the permutations in which every fold had a comparable pair."""
    c = [value for value in values if np.isfinite(value)]
    if len(c) < 2:
        raise BenchError(
            f"{name}: in {len(values) - len(c)} of {len(values)} permutations a fold has no comparable pair. Give "
            "fewer folds by a profile of your own, or more permutations."
        )
    return NullResult(name, len(c), float(np.mean(c)), float(np.std(c, ddof=1) / np.sqrt(len(c))))


def permuted_concordance(
    info: MethodInfo,
    upstream: MethodInfo | None,
    profile: Profile,
    out: str,
    fingerprint: str,
    follow_up: FollowUp,
    number: int,
) -> float:
    """Return a method's cross-validated C-index on one permutation of the outcomes."""
    prepared, ids = PreparedCohort(Path(out), fingerprint), sorted(follow_up.outcomes)
    order = np.random.default_rng([number, 20]).permutation(len(ids))
    permuted = FollowUp({i: follow_up.outcomes[ids[k]] for i, k in zip(ids, order, strict=True)})
    whole = permuted.label(prepared.inputs(ids, ()))
    risk, fold_of = np.full(len(ids), np.nan), np.zeros(len(ids), dtype=np.int64)
    for fold, test in enumerate(deal(whole, profile.folds)):
        rows = np.array([ids.index(i) for i in test])
        kept = np.setdiff1d(np.arange(len(ids)), rows)
        training = [ids[i] for i in kept]

        def fitted(method: MethodInfo, features: FeatureTable | None, fold: int = fold) -> Any:
            train = permuted.label(prepared.inputs(training, method.needs_fit))  # noqa: B023  # called inside the loop alone
            if features is not None:
                train = replace(train, features=features)
            with tempfile.TemporaryDirectory() as scratch:
                ctx = Context(
                    seeds=Seeds(number, fold, method.name),
                    training=profile.training,
                    scratch=Path(scratch),
                    deadline=time.monotonic() + profile.job_timeout_s,
                )
                return construct(method.target, method.params).fit(train, validation=None, ctx=ctx)

        test_inputs, features = prepared.inputs(test, info.needs_predict), None
        if upstream is not None:
            above = fitted(upstream, None)
            features = deep_features(above, prepared.inputs(training, upstream.needs_predict))
            of_test = deep_features(above, prepared.inputs(test, upstream.needs_predict))
            test_inputs = replace(test_inputs, features=of_test)
        risk[rows] = fitted(info, features).predict_risk(test_inputs)
        fold_of[rows] = fold
    return fold_mean_concordance(whole.time, whole.event, fold_of, risk)
