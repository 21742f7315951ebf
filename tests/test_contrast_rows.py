"""The paper's contrasts on a board: our test, adjusted within the table, with the published P beside it."""

from __future__ import annotations

import numpy as np
import pytest
from survbench import significance
from survbench.leaderboard.build import build_board
from survbench.leaderboard.render import to_json
from survbench.significance import benjamini_hochberg, holm
from survbench.store import Store
from toy_study import IDS, OUTSIDE, folds, method, outcomes, study

TIME, EVENT = outcomes(IDS)
FOLD = np.array([next(k for k, f in enumerate(folds()) if i in f) for i in IDS])
RNG = np.random.default_rng(5)
NAMES = ("deepmts", "mt-hs", "mt-casnet", "sur-hs")
RISKS = {name: -TIME + 30 * RNG.normal(size=30) for name in NAMES}


@pytest.fixture
def board(tmp_path):
    store = Store(tmp_path)
    published = {"deepmts": 0.722, "mt-hs": 0.706, "sur-hs": 0.678}
    entries = [
        method(
            store,
            name,
            RISKS[name],
            outside=RNG.normal(size=(1, 3, len(OUTSIDE))),
            published={"source": "paper", "c_index": published.get(name), "external_c_index": None, "dice": None},
        )
        for name in NAMES
    ]
    return build_board(study(entries), store)


def test_a_contrast_is_the_paired_test_adjusted_within_its_table(board):
    rows = [r for r in board.contrasts if r.table == "degraded-models"]
    tested = [r for r in rows if r.p is not None]
    assert [(r.a, r.b) for r in tested] == [("deepmts", "mt-hs"), ("deepmts", "mt-casnet"), ("mt-hs", "sur-hs")]
    for row in tested:
        found = significance.compare(TIME, EVENT, RISKS[row.a], RISKS[row.b], FOLD, resamples=10, permutations=10)
        assert (row.difference, row.p) == pytest.approx((found.difference, found.p["jackknife"]))
        assert row.difference_low <= row.difference <= row.difference_high
    assert [r.p_holm for r in tested] == pytest.approx(holm([r.p for r in tested]).tolist())
    assert [r.p_bh for r in tested] == pytest.approx(benjamini_hochberg([r.p for r in tested]).tolist())
    assert all(r.external_p is not None and r.external_p_holm >= r.external_p for r in tested)


def test_the_published_difference_and_p_stand_beside_ours(board):
    first = next(r for r in board.contrasts if (r.a, r.b) == ("deepmts", "mt-hs"))
    assert (first.published_difference, first.published_p) == (0.016, 0.042)
    other = next(r for r in board.contrasts if (r.a, r.b) == ("deepmts", "mt-casnet"))
    assert (other.published_difference, other.published_p) == (None, 0.017), "mt-casnet has no published C here"


def test_tables_without_a_pair_on_the_board_are_left_out(board):
    assert {r["table"] for r in to_json(board)["contrasts"]} == {"degraded-models"}
