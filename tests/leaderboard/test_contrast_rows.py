"""The paper's contrasts on a board: our test, adjusted within the table, with the published P beside it."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.api import Published
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.paper.tables import tables
from survbench.leaderboard.writers.board_files import to_json
from survbench.leaderboard.writers.table_files import latex, markdown
from survbench.runs.store import Store
from survbench.significance import benjamini_hochberg, holm
from survbench.statistics import significance
from toy_study import EVENT, FOLD, OUTSIDE, SEED, TIME, method, outcomes, study

RNG = np.random.default_rng(5)
NAMES = ("deepmts", "mt-hs", "mt-casnet", "sur-hs")
RISKS = {name: -TIME + 30 * RNG.normal(size=30) for name in NAMES}


OUTER = {name: RNG.normal(size=(1, 3, len(OUTSIDE))) for name in NAMES}


def ensemble(name):
    """Return the mean over fold models of the external risks, standardised by the model's own out-of-fold risks."""
    own = [RISKS[name][k == FOLD] for k in range(3)]
    return np.mean([(OUTER[name][0, k] - own[k].mean()) / own[k].std() for k in range(3)], axis=0)


@pytest.fixture
def board(tmp_path):
    store = Store(tmp_path)
    published = {"deepmts": 0.722, "mt-hs": 0.706, "sur-hs": 0.678}
    entries = [
        method(
            store,
            name,
            RISKS[name],
            outside=OUTER[name],
            published=Published(source="paper", c_index=published.get(name)),
        )
        for name in NAMES
    ]
    return build_board(study(entries), store)


def test_a_contrast_is_the_paired_test_adjusted_within_its_table(board):
    rows = [r for r in board.contrasts if r.table == "degraded-models"]
    tested = [r for r in rows if r.inside.p is not None]
    assert [(r.a, r.b) for r in tested] == [("deepmts", "mt-hs"), ("deepmts", "mt-casnet"), ("mt-hs", "sur-hs")]
    for row in tested:
        found = significance.compare(TIME, EVENT, RISKS[row.a], RISKS[row.b], FOLD, resamples=200, seed=SEED)
        assert (row.inside.value, row.inside.p) == pytest.approx((found.difference, found.p["jackknife"]))
        assert (row.inside.p_bootstrap, row.inside.p_permutation) == (found.p["bootstrap"], found.p["permutation"])
        assert row.inside.low <= row.inside.value <= row.inside.high
    assert [r.inside.p_holm for r in tested] == pytest.approx(holm([r.inside.p for r in tested]).tolist())
    assert [r.inside.p_bh for r in tested] == pytest.approx(benjamini_hochberg([r.inside.p for r in tested]).tolist())
    assert all(r.outside.p is not None and r.outside.p_holm >= r.outside.p for r in tested)


def test_outside_a_contrast_has_a_permutation_p_of_its_own(board):
    """Counted over all signs of the patients' ranks, without the functions that the board uses."""
    time, event = outcomes(OUTSIDE)
    row = next(r for r in board.contrasts if (r.a, r.b) == ("deepmts", "mt-hs"))
    risks = [ensemble(name) for name in ("deepmts", "mt-hs")]
    ranks = np.array([r.argsort().argsort() for r in risks], dtype=float)
    pairs = [(i, j) for i in range(20) for j in range(20) if event[i] and time[i] < time[j]]
    earlier, later = np.array(pairs).T

    def difference(of):
        credit = (np.sign(of[:, earlier] - of[:, later]) + 1) / 2
        return credit[0].mean() - credit[1].mean()

    observed, rng = difference(ranks), np.random.default_rng(0)
    drawn = [difference(np.where(rng.random(20) < 0.5, ranks, ranks[::-1])) for _ in range(4000)]
    assert row.outside.value == pytest.approx(observed)
    expected = np.mean(np.abs(drawn) >= abs(observed) - 1e-12)
    assert row.outside.p_permutation == pytest.approx(expected, abs=0.03)
    assert row.outside.p_bootstrap >= board.external_p_bootstrap_floor == pytest.approx(2 / 201)


def test_a_contrast_that_is_not_tested_says_why(board):
    rows = {(r.a, r.b): r for r in board.contrasts}
    row = rows["deepmts", "mt-hs"]
    assert (row.inside.reason, row.outside.reason) == ("", "")
    row = rows["mt-casnet", "sur-casnet"]
    assert (row.inside.p_permutation, row.outside.p_permutation) == (None, None)
    assert row.inside.reason == row.outside.reason == "no C-index of sur-casnet"


def test_the_table_of_contrasts_says_which_p_is_adjusted_and_what_the_bootstrap_cannot_go_below(board):
    (table,) = [t for t in tables(board, study([])) if t.name == "contrasts"]
    text = markdown(table)
    assert "Toy cohort has 18 events; Outside has 18 events: below 30 read the permutation p." in text
    assert "at least 2 / (resamples + 1) = 0.01" in text
    row = next(r for r in board.contrasts if (r.a, r.b) == ("deepmts", "mt-hs"))
    (line,) = [x for x in text.splitlines() if "deepmts against mt-hs |" in x]
    for p in (row.inside.p_bootstrap, row.inside.p_permutation, row.outside.p_bootstrap, row.outside.p_permutation):
        assert f" {p:.3f} " in line
    # a page of LaTeX has no room for the bootstrap's
    heads = next(x for x in latex(table).splitlines() if r"\textbf" in x).lower()
    assert heads.count("permutation") == 2
    assert "bootstrap" not in heads


def test_the_published_difference_and_p_stand_beside_ours(board):
    first = next(r for r in board.contrasts if (r.a, r.b) == ("deepmts", "mt-hs"))
    assert (first.published_difference, first.published_p) == (0.016, 0.042)
    other = next(r for r in board.contrasts if (r.a, r.b) == ("deepmts", "mt-casnet"))
    assert (other.published_difference, other.published_p) == (None, 0.017), "mt-casnet has no published C here"


def test_tables_without_a_pair_on_the_board_are_left_out(board):
    assert {r["table"] for r in to_json(board)["contrasts"]} == {"degraded-models"}
