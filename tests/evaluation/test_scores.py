"""What a board says beside Harrell's C: against scikit-survival and plain counts, and what has no number says why."""

from __future__ import annotations

import json

import numpy as np
import pytest
from survbench.api import SURVIVAL_MONTHS
from survbench.evaluation.gather import Outcomes
from survbench.evaluation.scores import NO_CURVES, scores, survival_at
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.writers.board_files import board_texts, to_json
from survbench.plan.horizons import truncation_time
from survbench.runs.store import Store
from toy_study import EVENT, FOLD, IDS, TIME, exponential, method, study

RNG = np.random.default_rng(11)
RISKS = {"radiomics-lasso-cox": -TIME + 25 * RNG.normal(size=30), "good": -TIME + 5 * RNG.normal(size=30)}
RISKS |= {"bad": RNG.normal(size=30), "worse": TIME + 5 * RNG.normal(size=30)}


@pytest.fixture
def board(tmp_path):
    store = Store(tmp_path)
    entries = [method(store, name, risk, survival=exponential) for name, risk in RISKS.items()]
    return build_board(study(entries, external=False), store)


def of(board, name):
    return next(row for row in board.rows if row.method == name)


def test_tau_is_the_last_month_that_a_tenth_of_every_fold_passes():
    long, short = np.arange(1.0, 101.0), np.append(np.full(18, 2.0), [29.9, 30.1])
    assert truncation_time([long]) == 90.0 - 3.0 * (np.mean(long > 90.0) < 0.1)
    assert truncation_time([long, short]) == 27.0, "two of twenty are followed beyond 27, one beyond 30"
    assert truncation_time([long, np.array([1.0, 2.0])]) is None


def test_uno_auc_and_brier_are_scikit_survivals_mean_over_folds(board):
    from sksurv.metrics import brier_score, concordance_index_ipcw, cumulative_dynamic_auc
    from sksurv.util import Surv

    uno, auc, brier = [], [], []
    for k in range(3):
        train = Surv.from_arrays(EVENT[k != FOLD], TIME[k != FOLD])
        inside = k == FOLD
        # scikit-survival refuses follow-up beyond the training fold's; what is after tau plays no part
        test, risk = Surv.from_arrays(EVENT[inside], np.minimum(TIME[inside], 30.0)), RISKS["good"][inside]
        uno.append(concordance_index_ipcw(train, test, risk, tau=21.0)[0])
        auc.append(cumulative_dynamic_auc(train, test, risk, 12.0)[0][0])
        brier.append(brier_score(train, test, exponential(risk)[:, list(SURVIVAL_MONTHS).index(12.0)], 12.0)[1][0])
    row = of(board, "good")
    assert row.uno_c == pytest.approx(np.mean(uno))
    assert row.auc["12"] == pytest.approx(np.mean(auc))
    assert row.brier["12"] == pytest.approx(np.mean(brier))
    assert 0 < row.ibs < of(board, "worse").ibs


def test_what_has_no_number_is_null_and_says_why(tmp_path):
    store = Store(tmp_path)
    (row,) = to_json(build_board(study([method(store, "m", RISKS["good"])], external=False), store))["rows"]
    assert row["brier"] == {"12": None, "36": None, "60": None}
    assert (row["ibs"], row["reasons"]["ibs"]) == (None, NO_CURVES)
    last = min(TIME[k == FOLD].max() for k in range(3))
    assert last < 60
    assert row["auc"]["60"] is None
    assert row["reasons"]["auc_60"].startswith("fold ")
    assert "auc_12" not in row["reasons"]
    json.dumps(row, allow_nan=False)
    text = board_texts(build_board(study([method(store, "m", RISKS["good"])], external=False), store))["csv"]
    assert {"auc_12", "auc_36", "auc_60", "reasons"} <= set(text.splitlines()[0].split(","))


def test_without_tau_there_is_no_uno_c():
    o = Outcomes(ids=tuple(IDS), time=TIME, event=EVENT, fold=FOLD, centre=("A",) * 30)
    found = scores(o, RISKS["good"][None], exponential(RISKS["good"])[None], tau=None, horizons=[12.0])
    assert (found.uno_c, found.ibs) == (None, None)
    assert "followed beyond 3 months" in found.reasons["uno_c"]
    assert found.auc["12"] is not None


def test_survival_between_stored_months_lies_on_the_line():
    curve = np.linspace(0.9, 0.1, len(SURVIVAL_MONTHS))[None]
    assert survival_at(np.array([1.5]), curve) == pytest.approx([0.95])
    assert survival_at(np.array([3.0]), curve) == pytest.approx([0.9])
    assert survival_at(np.array([500.0]), curve) == pytest.approx([0.1])


@pytest.mark.parametrize("right", [True, False])
def test_d_calibration_passes_the_true_model_and_not_a_wrong_one(right):
    rng = np.random.default_rng(3)
    rate = np.exp(rng.normal(-3.5, 0.5, 300))
    time = rng.exponential(1 / rate)
    o = Outcomes(
        ids=tuple(map(str, range(300))),
        time=time,
        event=np.ones(300, bool),
        fold=np.arange(300) % 3,
        centre=("A",) * 300,
    )
    survival = np.exp(-rate[:, None] * SURVIVAL_MONTHS * (1 if right else 3))[None]
    found = scores(o, rate[None], survival, tau=21.0, horizons=[12.0])
    assert (found.d_calibration > 0.01) == right


def test_several_seeds_give_twice_the_mean_p_of_d_calibration():
    rng = np.random.default_rng(4)
    n = 90
    time, fold = rng.exponential(30, n), np.arange(n) % 3
    o = Outcomes(ids=tuple(map(str, range(n))), time=time, event=np.ones(n, bool), fold=fold, centre=("A",) * n)
    risk = rng.normal(size=(2, n))
    survival = np.exp(-np.array([1.4, 0.7])[:, None, None] * SURVIVAL_MONTHS / 30) * np.ones((2, n, 1))
    one = [scores(o, risk[s : s + 1], survival[s : s + 1], tau=21.0, horizons=[]).d_calibration for s in range(2)]
    both = scores(o, risk, survival, tau=21.0, horizons=[]).d_calibration
    assert both == pytest.approx(min(1.0, sum(one)))
    assert both < 1


def test_calibration_at_a_horizon_is_observed_over_expected_of_the_seeds_mean_prediction(tmp_path):
    """Kaplan and Meier's product in a plain loop."""
    store = Store(tmp_path)
    risks = np.stack([RISKS["good"], RISKS["bad"]])
    board = build_board(study([method(store, "m", risks, survival=exponential)], external=False), store)
    row = of(board, "m")
    at = list(SURVIVAL_MONTHS).index(12.0)
    expected = 1 - np.mean([exponential(r)[:, at] for r in risks], axis=0)

    def observed(chosen):
        alive = 1.0
        for t in sorted(set(TIME[chosen & EVENT & (TIME <= 12)])):
            alive *= 1 - (TIME[chosen & EVENT] == t).sum() / (TIME[chosen] >= t).sum()
        return 1 - alive

    assert row.calibration["12"]["ratio"] == pytest.approx(observed(np.ones(30, bool)) / expected.mean())
    fifths = np.argsort(np.argsort(expected)) // 6
    distances = [abs(observed(fifths == g) - expected[fifths == g].mean()) for g in range(5)]
    assert row.calibration["12"]["error"] == pytest.approx(np.mean(distances))
    assert "calibration_12" not in row.reasons


def test_a_horizon_that_follow_up_does_not_reach_has_no_calibration_and_says_why(board):
    o = Outcomes(ids=tuple(IDS), time=np.minimum(TIME, 40), event=EVENT & (TIME < 40), fold=FOLD, centre=("A",) * 30)
    of_curves = exponential(RISKS["good"])[None]
    found = scores(o, RISKS["good"][None], of_curves, tau=21.0, horizons=[12.0, 60.0])
    assert found.calibration["60"] == {"ratio": None, "error": None}
    assert found.reasons["calibration_60"] == "nobody is followed up to 60"
    assert found.calibration["12"]["ratio"] > 0
    without = scores(o, RISKS["good"][None], None, tau=21.0, horizons=[12.0])
    assert (without.calibration["12"]["ratio"], without.reasons["calibration_12"]) == (None, NO_CURVES)
    assert {"calibration_ratio_12", "calibration_error_60"} <= set(board_texts(board)["csv"].splitlines()[0].split(","))
