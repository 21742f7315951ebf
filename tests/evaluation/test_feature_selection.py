"""What methods kept: the stability index against values from elsewhere, and the table."""

from __future__ import annotations

import json

import numpy as np
import pytest
from survbench.errors import UnknownNameError
from survbench.evaluation.feature_selection import NoSelectionError, selection, selections, stability_index
from survbench.io.layout import SELECTED
from survbench.leaderboard.writers.selection_files import selection_csv, svg, to_json
from survbench.plan.study import Entry
from survbench.runs.store import Store
from toy_study import method, put, study

RISK = np.arange(30.0)
FOLDS = [
    {"a": 1.0, "b": 0.5, "c": 0.0, "d": 0.0},
    {"a": 2.0, "b": 0.0, "c": -0.5, "d": 0.0},
    {"a": 3.0, "b": -0.1, "c": 0.0, "d": 0.0},
]
"""Kept: a and b, a and c, a and b."""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def chosen_of(store, selected, *, seeds=1, name="m", **more):
    entry = method(store, name, np.tile(RISK, (seeds, 1)), selected=selected, **more)
    return selection(study([entry], external=False), store, name)


# --- the index


def test_the_index_equals_a_computation_by_hand():
    """p = 1, 2/3, 1/3, 0; s^2 = 3/2 p (1 - p) = 0, 1/3, 1/3, 0; k/d = 1/2: 1 - (1/6) / (1/4) = 1/3."""
    kept = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)
    assert stability_index(kept) == pytest.approx(1 / 3)


def test_with_as_many_columns_in_every_fit_the_index_is_kunchevas():
    """Kuncheva 2007: the mean over pairs of (r d - k^2) / (k (d - k)), r being the columns that both keep."""
    rng = np.random.default_rng(0)
    d, k = 40, 7
    rows = [set(rng.choice(d, k, replace=False).tolist()) for _ in range(5)]
    pairs = [(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :]]
    expected = np.mean([(len(a & b) * d - k**2) / (k * (d - k)) for a, b in pairs])
    kept = np.array([[column in row for column in range(d)] for row in rows])
    assert stability_index(kept) == pytest.approx(expected)


def test_the_index_is_1_for_equal_0_for_random_and_unknown_for_empty_selections():
    same = np.tile(np.arange(50) < 5, (4, 1))
    assert stability_index(same) == pytest.approx(1.0)
    random = np.random.default_rng(1).random((10, 5000)) < 0.1
    assert abs(stability_index(random)) < 0.02
    assert stability_index(np.array([[True, False], [False, True]])) == pytest.approx(-1.0)
    for all_alike in (np.zeros((3, 4), dtype=bool), np.ones((3, 4), dtype=bool)):
        assert np.isnan(stability_index(all_alike))


# --- the table


def test_the_table_counts_fits_and_averages_those_that_kept_a_column(store):
    s = chosen_of(store, [FOLDS])
    assert [(c.name, c.kept) for c in s.columns] == [("a", 3), ("b", 2), ("c", 1)]
    a, b, c = s.columns
    assert (a.mean_weight, a.sign_agreement) == (2.0, 1.0)
    assert (b.mean_weight, b.sign_agreement) == (pytest.approx(0.2), 0.5)
    assert c.weights == (0.0, -0.5, 0.0)
    assert (s.candidates, s.mean_kept) == (4, 2.0)
    assert s.fits == ((0, 0), (0, 1), (0, 2))
    assert s.stability == pytest.approx(1 / 3)


def test_seeds_that_repeat_a_selection_make_it_no_stabler(store):
    s = chosen_of(store, [FOLDS, FOLDS], seeds=2)
    assert s.stability == pytest.approx(1 / 3)
    assert [(c.name, c.kept) for c in s.columns] == [("a", 6), ("b", 4), ("c", 2)]
    assert s.fits[3:] == ((1, 0), (1, 1), (1, 2))


def test_nothing_kept_has_no_stability(store):
    s = chosen_of(store, [[{"a": 0.0}] * 3])
    assert (s.stability, s.columns, s.mean_kept) == (None, (), 0.0)
    for text in (selection_csv(s), svg(s), json.dumps(to_json(s), allow_nan=False)):
        assert text


def test_what_cannot_be_shown_is_said(store):
    silent = method(store, "silent", RISK)
    halfway = method(store, "halfway", RISK, selected=[FOLDS])
    put(store, "halfway-0-1", None, status="failed", error={"type": "E", "message": "m", "traceback": ""})
    deep = method(store, "deep", RISK, selected=[FOLDS], upstream={"key": "k"})
    told = method(store, "told", RISK, selected=[FOLDS])
    skipped = Entry(name="skipped", title="s", family="marker", gives=("risk",), skipped="needs a PET channel")
    whole = study([silent, halfway, deep, told, skipped], external=False)
    for name, why in (
        ("silent", "does not say"),
        ("halfway", "2 of 3 fits are done"),
        ("deep", "another network in every fold"),
        ("skipped", "needs a PET channel"),
    ):
        with pytest.raises(NoSelectionError, match=why):
            selection(whole, store, name)
    with pytest.raises(UnknownNameError, match="Did you mean 'told'"):
        selection(whole, store, "tld")
    assert [s.method for s in selections(whole, store)] == ["told"]


def test_a_selection_changed_after_the_run_is_not_used(store):
    entry = method(store, "m", RISK, selected=[FOLDS])
    (store.folder("m-0-1") / SELECTED).write_text('{"a": 9.0}', encoding="utf-8")
    with pytest.raises(NoSelectionError, match="2 of 3 fits are done"):
        selection(study([entry], external=False), store, "m")
