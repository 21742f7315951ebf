"""Ranks, ties and pairs of a board."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.text.columns import cells
from survbench.runs.store import Store
from survbench.significance import benjamini_hochberg, bootstrap
from toy_study import EVENT, FOLD, SEED, TIME, method, study

RNG = np.random.default_rng(11)
RISKS = {"radiomics-lasso-cox": -TIME + 25 * RNG.normal(size=30), "good": -TIME + 5 * RNG.normal(size=30)}
RISKS |= {"bad": RNG.normal(size=30), "worse": TIME + 5 * RNG.normal(size=30)}


@pytest.fixture
def board(tmp_path):
    store = Store(tmp_path)
    entries = [method(store, name, risk) for name, risk in RISKS.items()]
    return build_board(study(entries, external=False), store)


def of(board, name):
    return next(row for row in board.rows if row.method == name)


def test_pooled_c_has_the_interval_of_its_own_resamples(board):
    boot = bootstrap(TIME, EVENT, FOLD, list(RISKS.values()), resamples=200, seed=SEED, estimand="pooled")
    row = of(board, "bad")
    assert (row.c_index_pooled_low, row.c_index_pooled_high) == pytest.approx(boot.interval(2))
    assert row.c_index_pooled == pytest.approx(boot.point[2])
    assert row.c_index_pooled != pytest.approx(row.c_index)


def test_ranks_ties_and_all_pairs_agree(board):
    assert board.pairs.methods[0] == board.rows[0].method == "good"
    assert board.pairs.methods[-1] == "worse"
    count = len(RISKS)
    assert [len(line) for line in board.pairs.p] == [count] * count
    for i in range(count):
        for j in range(count):
            assert board.pairs.difference[i][j] == pytest.approx(-board.pairs.difference[j][i])
    good, worse = of(board, "good"), of(board, "worse")
    assert board.pairs.difference[0][-1] == pytest.approx(good.c_index - worse.c_index)
    assert not set(good.tie_groups) & set(worse.tie_groups), "one orders, the other turns the order round"
    for number, group in enumerate(board.tie_groups, start=1):
        assert {r.method for r in board.rows if number in r.tie_groups} == set(group)
    assert good.rank_low == 1
    assert worse.rank_low > good.rank_high
    others = [of(board, n) for n in RISKS if n != "radiomics-lasso-cox"]
    assert [r.difference.p_bh for r in others] == pytest.approx(
        benjamini_hochberg([r.difference.p for r in others]).tolist()
    )
    assert good.difference.p_bootstrap >= 2 / 201


def test_a_shared_rank_is_shown_with_its_half(tmp_path):
    store = Store(tmp_path)
    entries = [method(store, name, RISKS[of_risk]) for name, of_risk in (("a", "good"), ("b", "bad"), ("c", "bad"))]
    board = build_board(study(entries, external=False), store)
    assert [cells(row)["Rank (95 % CI)"] for row in board.rows] == ["1–1", "2.5–2.5", "2.5–2.5"]


def test_a_reference_row_takes_no_part_in_ranks_and_pairs(tmp_path):
    store = Store(tmp_path)
    entries = [method(store, "a", RISKS["good"]), method(store, "oracle", -TIME, family="reference")]
    board = build_board(study(entries, external=False), store)
    assert board.pairs.methods == ("a",)
    assert (of(board, "a").rank_low, of(board, "a").rank_high) == (1, 1)
    assert of(board, "oracle").rank_low is None
    assert board.smallest_detectable_difference is None


def test_a_study_of_segmenting_methods_alone_has_a_board(tmp_path):
    store = Store(tmp_path)
    outside = np.full((1, 3, 20), np.nan)
    entry = method(store, "unet", np.full(30, np.nan), gives=("segmentation",), dice=0.7, outside=outside)
    (row,) = build_board(study([entry]), store).rows
    assert (row.c_index, row.external_c_index, row.dice) == (None, None, pytest.approx(0.7))
