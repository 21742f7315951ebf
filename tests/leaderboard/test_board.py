"""Boards from stored predictions: numbers against direct computation, and incomplete methods."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.io.layout import CurveSource
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.site.board_page import html
from survbench.leaderboard.writers.board_files import board_texts
from survbench.metrics import concordance_index, fold_mean_concordance
from survbench.plan.study import Entry
from survbench.runs.store import Store, write_run
from survbench.significance import holm, influence, paired_jackknife
from toy_board import BAD, FAIR, GOOD, RNG, five_methods, rows
from toy_study import EVENT, FOLD, IDS, OUTSIDE, TIME, folds, method, outcomes, put, study, table


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def board(store):
    return five_methods(store)


def test_c_is_the_mean_over_folds_and_seeds(board):
    found = rows(board)
    assert found["good"].c_index == pytest.approx(fold_mean_concordance(TIME, EVENT, FOLD, GOOD))
    per_seed = [fold_mean_concordance(TIME, EVENT, FOLD, r) for r in (BAD, FAIR)]
    assert found["bad"].c_index == pytest.approx(np.mean(per_seed))
    assert found["bad"].c_index_seed_sd == pytest.approx(np.std(per_seed, ddof=1))
    assert found["good"].c_index_seed_sd is None
    for name in ("good", "bad", "oracle"):
        assert found[name].c_index_low <= found[name].c_index <= found[name].c_index_high


def test_order_ranks_and_rows_apart(board):
    assert [(r.method, r.rank) for r in board.rows] == [
        ("good", 1),
        ("radiomics-lasso-cox", 2),
        ("bad", 3),
        ("oracle", None),
        ("segments", None),
    ]
    segments = rows(board)["segments"]
    assert (segments.c_index, segments.dice, segments.status) == (None, pytest.approx(0.7), "ok")


def test_p_is_the_paired_jackknife_and_holm_covers_the_ranked_methods(board):
    found = rows(board)
    base = influence(TIME, EVENT, FOLD, FAIR)
    reference = fold_mean_concordance(TIME, EVENT, FOLD, FAIR)
    good = paired_jackknife(
        influence(TIME, EVENT, FOLD, GOOD), base, fold_mean_concordance(TIME, EVENT, FOLD, GOOD) - reference
    )
    of_bad = np.mean([influence(TIME, EVENT, FOLD, r) for r in (BAD, FAIR)], axis=0)
    bad = paired_jackknife(of_bad, base, found["bad"].c_index - reference)
    assert found["good"].difference.p == pytest.approx(good.p)
    assert found["bad"].difference.p == pytest.approx(bad.p)
    assert [found["good"].difference.p_holm, found["bad"].difference.p_holm] == pytest.approx(
        holm([good.p, bad.p]).tolist()
    )
    assert found["radiomics-lasso-cox"].difference.p is None
    assert found["oracle"].difference.p is None


def test_a_row_and_a_pair_without_p_say_why(store):
    from survbench.evaluation.all_pairs import compare_all
    from survbench.evaluation.sample import measure

    entries = [method(store, n, r) for n, r in (("radiomics-lasso-cox", np.zeros(30)), ("perfect", -TIME))]
    chosen = study(entries, external=False)
    board = build_board(chosen, store)
    row = rows(board)["perfect"]
    reason = "neither index changes with the weight of any patient, so the standard error is 0"
    assert (row.difference.p, row.difference.p_holm, row.reasons["p"]) == (None, None, reason)
    assert (row.difference.value, row.difference.p_bootstrap) == (pytest.approx(0.5), pytest.approx(2 / 201))
    assert "p_bootstrap" not in row.reasons
    assert f"perfect has no p: {reason}." in board_texts(board)["md"]
    assert f"No p: {reason}." in html(board)
    (pair,) = compare_all(measure(chosen, store), board.pairs).pairs
    assert (pair.p, pair.reason) == (None, reason)


def test_the_numbers_equal_a_count_of_pairs_by_hand(board):
    """Pairs and Holm's steps counted in plain loops, without the functions that the board uses."""

    def by_hand(risk):
        parts = []
        for members in folds():
            rows_ = [IDS.index(i) for i in members]
            pairs = [(i, j) for i in rows_ for j in rows_ if EVENT[i] and TIME[i] < TIME[j]]
            parts.append(sum((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]) for i, j in pairs) / len(pairs))
        return sum(parts) / len(parts)

    found = rows(board)
    assert len(set(zip(FOLD, TIME, strict=True))) == 30, "the loops above know no ties in time"
    assert found["good"].c_index == pytest.approx(by_hand(GOOD), abs=1e-12)
    assert found["bad"].c_index == pytest.approx((by_hand(BAD) + by_hand(FAIR)) / 2, abs=1e-12)
    assert found["good"].difference.value == pytest.approx(by_hand(GOOD) - by_hand(FAIR), abs=1e-12)
    small, large = sorted([found["good"].difference.p, found["bad"].difference.p])
    adjusted = sorted([found["good"].difference.p_holm, found["bad"].difference.p_holm])
    assert adjusted == pytest.approx([min(1, 2 * small), min(1, max(2 * small, large))])


def test_the_oracles_lead_is_paired(board):
    found = rows(board)
    assert found["good"].oracle_gap.value == pytest.approx(found["oracle"].c_index - found["good"].c_index)
    assert found["good"].oracle_gap.low <= found["good"].oracle_gap.value <= found["good"].oracle_gap.high
    assert found["oracle"].oracle_gap.value is None


@pytest.mark.parametrize("selection", ["last", "paper"])
def test_the_external_ensemble_averages_standardised_risks(store, selection):
    outside_time, outside_event = outcomes(OUTSIDE)
    outside = RNG.normal(size=(1, 3, 20)) * np.array([1.0, 100.0, 0.01])[None, :, None] + 5
    entry = method(store, "m", GOOD, outside=outside)
    row = rows(build_board(study([entry], selection=selection), store))["m"]
    own = [GOOD[k == FOLD] if selection == "last" else outside[0, k] for k in range(3)]
    ensemble = np.mean([(outside[0, k] - own[k].mean()) / own[k].std() for k in range(3)], axis=0)
    assert row.external_c_index == pytest.approx(concordance_index(outside_time, outside_event, ensemble).value)
    assert row.external_c_index_low <= row.external_c_index <= row.external_c_index_high


@pytest.mark.parametrize("constant", [3.0, 0.1])  # the standard deviation of ten times 0.1 is not exactly 0
def test_a_fold_model_without_opinion_counts_for_nothing_outside(store, constant):
    outside = np.stack([np.stack([1e3 * np.sin(np.arange(20.0)), np.arange(20.0), np.arange(20.0)])])
    risk = GOOD.copy()
    risk[FOLD == 0] = constant
    row = rows(build_board(study([method(store, "m", risk, outside=outside)]), store))["m"]
    time, event = outcomes(OUTSIDE)
    assert row.external_c_index == pytest.approx(concordance_index(time, event, np.arange(20.0)).value)


def test_an_incomplete_method_has_no_numbers_and_says_why(store):
    entry = method(store, "m", GOOD)
    put(store, "m-0-1", None, status="timeout", error={"type": "Timeout", "message": "over\nmore", "traceback": ""})
    skipped = Entry(name="s", title="s", family="marker", gives=("risk",), skipped="needs a PET channel")
    waiting = Entry(name="w", title="w", family="marker", gives=("risk",), fits=(("none-0", "none-1", "none-2"),))
    found = rows(build_board(study([entry, skipped, waiting], external=False), store))
    assert (found["m"].status, found["m"].c_index, found["m"].reason) == ("timeout", None, "Timeout: over")
    assert found["m"].coverage == pytest.approx(2 / 3)
    assert (found["s"].status, found["s"].reason) == ("skipped", "needs a PET channel")
    assert (found["w"].status, found["w"].coverage) == ("pending", 0.0)


def test_predictions_changed_after_the_run_are_named_and_not_used(store, caplog):
    entry = method(store, "m", GOOD)
    path = store.folder("m-0-1") / "predictions.parquet"
    table(IDS, folds()[1], -TIME[[IDS.index(i) for i in folds()[1]]], fold=1).to_parquet(path)
    row = rows(build_board(study([entry], external=False), store))["m"]
    assert (row.status, row.c_index) == ("failed", None)
    assert "changed" in row.reason
    assert str(path) in caplog.text


def test_an_empty_study_gives_an_empty_board(store):
    board = build_board(study([]), store)
    assert board.rows == ()
    for text in (board_texts(board)["md"], board_texts(board)["json"], board_texts(board)["csv"], html(board)):
        assert isinstance(text, str)


@pytest.mark.parametrize(
    ("sources", "worst"),
    [
        (("calibrated", "none", "predicted"), "none"),
        (("predicted", "calibrated", "predicted"), "calibrated"),
        (("predicted",) * 3, "predicted"),
    ],
)
def test_survival_curves_are_from_the_worst_of_the_folds_sources(store, sources, worst):
    entry = method(store, "m", GOOD)
    for key, source in zip(entry.fits[0], sources, strict=True):
        run = store.read(key)
        predictions = run.predictions()
        with store.writing(key) as folder:
            predictions.to_parquet(folder / "predictions.parquet")
            write_run(folder, run.job, run.record.model_copy(update={"survival": CurveSource(source)}))
    (row,) = build_board(study([entry], external=False), store).rows
    assert row.survival == worst
