"""What a board says of itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.evaluation.gather import gather
from survbench.evaluation.learning import verdicts
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.board.checks import Measurements, board_findings
from survbench.runs.store import Store
from toy_board import FAIR, GOOD, rows
from toy_study import EVENT, FOLD, IDS, OUTSIDE, TIME, figures, method, outcomes, study


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_the_board_says_what_limits_it(store):
    network = method(store, "net", np.stack([GOOD, FAIR]), description={"parameters": 5})
    board = build_board(study([network], external=False, selection="paper"), store)
    whole = " ".join(board.notes)
    assert "6 steps instead of the published 15,000" in whole
    assert "optimistic" in whole
    assert "One seed per method" in whole
    assert "radiomics-lasso-cox is not complete" in whole
    assert rows(board)["net"].parameters == 5


def test_the_board_says_what_the_numbers_rest_on(store):
    entries = [method(store, "free", GOOD), replace(method(store, "masked", FAIR), needs_mask=True)]
    whole = " ".join(build_board(study(entries, external=False), store).notes)
    assert "1 of 2 methods predict from the manual tumour mask" in whole
    least = min(int(EVENT[k == FOLD].sum()) for k in range(3))
    assert f"A fold has only {least} events" in whole
    assert "methods as published" not in whole, "there is no network"


def test_resamples_without_a_comparable_pair_are_counted(store, monkeypatch):
    import toy_study

    rare = np.isin(np.arange(30), [0, 1, 2])  # one event in each fold
    monkeypatch.setattr(toy_study, "outcomes", lambda ids: (outcomes(ids)[0], rare[: len(ids)]))
    board = build_board(study([method(store, "m", GOOD)], external=False), store)
    assert 0 < board.excluded_resamples < board.resamples
    assert f"{board.excluded_resamples} resamples had a fold without a comparable pair" in " ".join(board.notes)


def findings(of, store):
    results = gather(of, store)
    found = {name: verdicts(method.runs) for name, method in results.methods.items()}
    learning = {name: count for name, count in found.items() if count is not None}
    return board_findings(Measurements(of, results, learning, excluded=0, excluded_outside=0))


def said(of, store):
    return " ".join(finding.cause for finding in findings(of, store))


def test_a_board_with_nothing_to_warn_of_says_nothing(store, monkeypatch):
    monkeypatch.setattr("survbench.leaderboard.board.checks.COARSE_EVENTS", 1)
    entries = [method(store, "radiomics-lasso-cox", FAIR), method(store, "good", GOOD, description={"parameters": 5})]
    assert said(study(entries, external=False, training={"steps": 15_000, "batch_size": 8}), store) == ""


def test_deep_features_are_as_under_trained_as_the_network_that_made_them(store):
    entry = method(store, "deepfeat-rsf", GOOD, family="deep-features")
    assert "their rows say nothing about the methods as published" in said(study([entry], external=False), store)


def test_published_tuning_is_called_optimistic_where_something_was_tuned(store):
    tuned = replace(method(store, "tuned", GOOD), tunes=(("search",),))
    for entries, optimistic in (([tuned], True), ([method(store, "plain", FAIR)], False)):
        chosen = study(entries, external=False)
        chosen = replace(chosen, protocol=chosen.protocol.model_copy(update={"tuning": "paper"}))
        assert ("C-indices of tuned methods are optimistic" in said(chosen, store)) == optimistic


def test_a_method_without_opinion_in_one_fold_of_one_seed_is_named(store):
    flat = np.stack([GOOD, np.where(FOLD == 2, 0.5, GOOD)])
    entries = [
        method(store, "flat", flat),
        method(store, "free", FAIR),
        method(store, "oracle", 0 * FAIR, family="reference"),
    ]
    assert "flat: every patient in a fold got the same risk" in said(study(entries, external=False), store)


def test_patients_who_were_left_out_are_counted(store):
    chosen = study([method(store, "m", GOOD)])
    chosen = replace(chosen, cohort=chosen.cohort.model_copy(update={"left_out": ("P77",)}))
    chosen = replace(chosen, external=chosen.external.model_copy(update={"left_out": ("E8", "E9")}))
    text = said(chosen, store)
    assert "Patients of the cohort with problems were left out (--skip-bad): 1." in text
    assert "Patients of the external cohort with problems were left out (--skip-bad): 2." in text


def test_few_events_outside_are_counted(store, monkeypatch):
    import toy_study

    inside = (TIME, EVENT)
    outside = (outcomes(OUTSIDE)[0], np.arange(20) < 4)
    monkeypatch.setattr(toy_study, "outcomes", lambda ids: inside if ids == IDS else outside)
    entry = method(store, "m", GOOD, outside=np.tile(np.arange(20.0), (1, 3, 1)))
    assert "The external cohort has only 4 events" in said(study([entry]), store)


def test_the_masks_are_no_caution_where_all_methods_take_them(store):
    masked = [replace(method(store, name, risk), needs_mask=True) for name, risk in (("a", GOOD), ("b", FAIR))]
    assert "manual tumour mask" not in said(study(masked, external=False), store)


def test_fits_not_shown_to_have_learned_and_over_fitted_ones_are_counted_and_named_in_one_line_each(store):
    lots = np.random.default_rng(0).permutation(30).astype(float)
    entries = [
        method(store, "net", GOOD, learning=[[figures(0.9), figures(0.6), figures(0.55)]]),
        method(store, "other", FAIR, learning=[[figures(0.9), figures(0.5), None]]),
        method(store, "heart", lots, learning=[[figures(1.0)] * 3]),
        method(store, "marker", GOOD),
    ]
    by_code = {finding.code: finding.cause for finding in findings(study(entries, external=False), store)}
    assert by_code["SB705"].startswith("3 of 8 fits that were checked were not shown to have learned")
    assert by_code["SB705"].endswith(": net 2 of 3, other 1 of 2.")
    assert by_code["SB706"].startswith("3 of 8 fits that were checked are over-fitted (")
    assert by_code["SB706"].endswith(": heart 3 of 3.")


def test_fits_that_were_not_checked_are_not_spoken_of(store):
    entries = [method(store, "net", GOOD, learning=[[figures(0.9)] * 3]), method(store, "old", FAIR)]
    assert "to have learned" not in said(study(entries, external=False), store)


@pytest.mark.parametrize(
    ("selection", "tuning", "warned"), [("paper", "none", 1), ("last", "paper", 1), ("last", "none", 0)]
)
def test_where_test_folds_chose_something_over_fitting_can_hardly_show(store, selection, tuning, warned):
    tuned = replace(method(store, "net", GOOD, learning=[[figures(0.9)] * 3]), tunes=(("search",),))
    made = study([tuned], external=False, selection=selection)
    made = replace(made, protocol=made.protocol.model_copy(update={"tuning": tuning}))
    assert said(made, store).count("over-fitting of the fits that were checked is hard to see") == warned
    plain = study([method(store, "plain", FAIR)], external=False, selection=selection)
    assert "is hard to see" not in said(plain, store)


def test_the_recipe_for_short_budgets_is_not_the_published_training_however_long(store):
    network = method(store, "net", GOOD, description={"parameters": 5})
    training = {"steps": 15_000, "batch_size": 8, "short_budget": {"peak_learning_rate": 0.006}}
    text = said(study([network], external=False, training=training), store)
    assert (
        "trains networks for 15,000 steps, in one cycle of learning rates up to 0.006: their rows say nothing" in text
    )
