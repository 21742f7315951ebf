"""Two methods of a study compared."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.errors import BenchError, UnknownNameError
from survbench.evaluation.compare import compare_methods
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.writers.board_files import board_texts
from survbench.metrics import fold_mean_concordance
from survbench.plan.study import Entry
from survbench.runs.store import Store
from survbench.statistics import significance
from toy_board import FAIR, GOOD, five_methods, rows
from toy_study import EVENT, FOLD, IDS, SEED, TIME, folds, method, put, study, table


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def board(store):
    return five_methods(store)


def test_a_comparison_equals_the_boards_and_names_who_drives_it(board, store):
    entries = [method(store, n, r) for n, r in (("radiomics-lasso-cox", FAIR), ("good", GOOD))]
    result = compare_methods(study(entries, external=False), store, "good", "radiomics-lasso-cox", resamples=200)
    row = rows(board)["good"]
    arrays = significance.compare(TIME, EVENT, GOOD, FAIR, FOLD, resamples=200, seed=SEED)
    assert result.tested == arrays
    assert (result.tested.difference, result.tested.p["jackknife"]) == pytest.approx(
        (row.difference.value, row.difference.p)
    )
    assert len(result.folds) == 3
    # without its strongest driver the difference moves against that patient's influence
    first = result.patients[0]
    kept = np.array([i != first.id for i in IDS])
    without = [fold_mean_concordance(TIME[kept], EVENT[kept], FOLD[kept], r[kept]) for r in (GOOD, FAIR)]
    assert np.sign(without[0] - without[1] - arrays.difference) == -np.sign(first.influence)


def test_a_method_compared_with_itself_does_not_differ(store):
    entries = [method(store, "a", GOOD)]
    tested = compare_methods(study(entries, external=False), store, "a", "a", resamples=20).tested
    assert (tested.difference, tested.ci_low, tested.ci_high, tested.p["jackknife"]) == (0.0, 0.0, 0.0, 1.0)


def test_what_cannot_be_compared_is_said(store):
    entries = [method(store, "good", GOOD), Entry(name="s", title="s", family="marker", gives=("risk",), skipped="why")]
    chosen = study(entries, external=False)
    with pytest.raises(UnknownNameError, match="Did you mean 'good'"):
        compare_methods(chosen, store, "goood", "s", resamples=50)
    with pytest.raises(BenchError, match="s cannot be compared: skipped, why"):
        compare_methods(chosen, store, "good", "s", resamples=50)


def test_predictions_of_another_order_give_the_same_board(store, tmp_path):
    entry = method(store, "m", GOOD)
    first = board_texts(build_board(study([entry], external=False), store))["json"]
    other = Store(tmp_path / "other")
    method(other, "m", GOOD)
    for fold, members in enumerate(folds()):
        turned = members[::-1]
        put(other, f"m-0-{fold}", table(IDS, turned, [GOOD[IDS.index(i)] for i in turned], fold=fold))
    assert board_texts(build_board(study([entry], external=False), other))["json"] == first
