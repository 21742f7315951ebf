"""Methods on permuted outcomes lie at chance, and one that does not is noticed."""

from __future__ import annotations

import pytest
from survbench.actions.request import Request
from survbench.errors import BenchError
from survbench.io.layout import Status
from survbench.jobs import executor
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry
from survbench.runs.record import RunError

CHEAP = "oracle,random,padding,volume,tlg,suvmax,clinical-cox"


def request_for(out, methods, **more):
    return Request(profile=load_profile("smoke"), methods=methods, out=out, **more)


@pytest.mark.slow
def test_the_null_check_finds_the_cheap_methods_at_chance(prepared, tmp_path):
    from survbench.actions.null_check import null_check

    methods = f"{CHEAP},radiomics-lasso-cox"
    results = null_check(request_for(prepared(tmp_path), methods), permutations=12)
    assert {r.method for r in results} == set(methods.split(","))
    assert [r for r in results if not r.passed] == []


def test_a_mean_far_from_chance_does_not_pass():
    from survbench.actions.null_check import NullResult

    assert not NullResult("leaky", 20, mean=0.62, se=0.02).passed
    assert not NullResult("constant and lucky", 20, mean=0.7, se=0.0).passed
    assert NullResult("constant", 20, mean=0.5, se=0.0).passed


def test_a_permutation_without_comparable_pairs_is_left_out_of_the_null_check(monkeypatch, tmp_path):
    from survbench.actions import null_check as module

    values = iter([0.4, float("nan"), 0.6])
    ended = [
        executor.Ended(executor.Task(str(k), max, (registry().get("volume"),)), "ok", v) for k, v in enumerate(values)
    ]
    monkeypatch.setattr(module, "execute", lambda *_, **__: iter(ended))
    (found,) = module.null_check(request_for(tmp_path, "volume"), permutations=3)
    assert (found.permutations, found.mean) == (2, 0.5)


def test_a_permutation_that_fails_ends_the_null_check_and_says_why(monkeypatch, tmp_path):
    from survbench.actions import null_check as module

    error = RunError(type="ValueError", message="no such column", traceback="many lines")
    failed = executor.Ended(executor.Task("volume 0", max, (registry().get("volume"),)), Status.FAILED, error=error)
    monkeypatch.setattr(module, "execute", lambda *_, **__: iter([failed]))
    with pytest.raises(BenchError, match=r"volume 0 of the null check ended as failed: ValueError: no such column$"):
        module.null_check(request_for(tmp_path, "volume"), permutations=3)
