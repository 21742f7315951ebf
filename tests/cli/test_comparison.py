"""A comparison of two methods in words and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from survbench.cli.compare import lines, methods_json, methods_lines
from survbench.evaluation.compare import compare_methods
from survbench.runs.store import Store
from toy_board import BAD, FAIR, GOOD
from toy_study import EVENT, FOLD, TIME, method, study


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_comparison_is_json_also_where_a_fold_has_no_comparable_pair(store, monkeypatch):
    import toy_study

    none_in_fold_0 = EVENT & (FOLD != 0)
    monkeypatch.setattr(toy_study, "outcomes", lambda ids: (TIME, none_in_fold_0))
    entries = [method(store, n, r) for n, r in (("a", GOOD), ("b", FAIR))]
    raw = methods_json(compare_methods(study(entries, external=False), store, "a", "b", resamples=20))
    assert raw["difference"] is None
    assert raw["folds"][0] == [None, None]
    assert raw["folds"][1][0] is not None
    assert raw["excluded"] == 20
    assert "a fold has no comparable pair (jackknife, compareC, permutation)" in raw["reasons"]
    json.dumps(raw, allow_nan=False)


def test_a_comparison_is_shown_as_that_of_two_columns_with_the_folds(store):
    entries = [method(store, n, r) for n, r in (("a", GOOD), ("b", BAD))]
    result = compare_methods(study(entries, external=False), store, "a", "b", resamples=50)
    text = methods_lines(result)
    assert [line for line in text if "C by fold" not in line] == lines(result.tested, "a", "b")
    assert f"C by fold  0: {result.folds[0][0]:.3f} / {result.folds[0][1]:.3f}, 1: " in text[-2]


def test_what_has_no_p_says_why_in_a_comparison(store):
    entries = [method(store, n, r) for n, r in (("perfect", -TIME), ("same", np.zeros(30)))]
    result = compare_methods(study(entries, external=False), store, "perfect", "same", resamples=50)
    reason = "neither index changes with the weight of any patient, so the standard error is 0 (jackknife, compareC)"
    assert f"Not known: {reason}" in methods_lines(result)
    raw = methods_json(result)
    assert (raw["p"]["jackknife"], raw["reasons"]) == (None, [reason])
    assert raw["p"]["permutation"] < 0.05
