"""Networks that are known to learn, to memorise, or to do neither have the verdicts that they deserve."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from survbench.evaluation.learning import Verdicts, checked, learning, verdicts
from survbench.runs.store import Store
from toy_study import EVENT, TIME, figures, method

NOTHING = np.full(30, np.nan)


@pytest.fixture(scope="module")
def toys():
    """Return the script that measures the thresholds."""
    path = Path(__file__).parents[2] / "docs" / "scripts" / "learning.py"
    spec = importlib.util.spec_from_file_location("toys_of_learning", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("loss", ["cox", "discrete-time"])
@pytest.mark.parametrize(
    ("state", "expected"), [("learns", "learned"), ("memorises", "over-fitted"), ("untrained", "not learned")]
)
def test_networks_of_a_known_state_have_the_verdict_of_it(toys, loss, state, expected):
    rngs = [np.random.default_rng([7, number]) for number in range(10)]
    found = [toys.check(80, 0.45, loss, toys.STATES[state], rng).verdict for rng in rngs]
    assert found.count(expected) >= 8, found


def of(figures, risk=NOTHING, dice=NOTHING):
    return learning(figures, TIME, EVENT, risk, dice)


def test_a_risk_that_carries_over_was_learned_and_one_that_does_not_was_memorised():
    assert of(figures(0.9), risk=-TIME).verdict == "learned"
    lots = np.random.default_rng(3).permutation(30).astype(float)
    lost = of(figures(1.0), risk=lots)
    assert lost.c_test.low <= 0.5 < lost.c_test.high < 1.0
    assert lost.verdict == "over-fitted"
    assert of(figures(1.0), risk=TIME).verdict == "over-fitted", "it orders them the wrong way round"


def test_a_test_fold_that_cannot_tell_takes_no_verdict_back():
    assert of(figures(0.72), risk=np.random.default_rng(3).permutation(30).astype(float)).verdict == "learned"


def test_a_test_fold_without_a_figure_gives_no_verdict_whatever_the_training_fold_says():
    for c in (0.9, 0.6):
        nobody = learning(figures(c), TIME[:5], np.zeros(5, dtype=bool), -TIME[:5], NOTHING[:5])
        assert nobody.c_test is None
        assert nobody.verdict is None
    alone = learning(figures(dice=0.9), TIME[:1], EVENT[:1], NOTHING[:1], np.array([0.8]))
    assert alone.dice_test is None
    assert alone.verdict is None


def test_where_every_patient_has_about_the_same_mask_no_segmentation_can_be_shown_to_have_been_learned():
    constant = {**figures(dice=0.99), "dice_constant": 0.97}
    assert of(constant, dice=np.full(30, 0.98)).verdict is None
    assert of({**constant, "dice_constant": 0.93}, dice=np.full(30, 0.99)).verdict == "learned"


def test_with_few_patients_chance_alone_asks_for_more():
    few = {**figures(0.75), "c_index_chance_sd": 0.15}
    assert of(few, risk=-TIME).verdict == "not learned"
    assert of(few, risk=-TIME).least_c == pytest.approx(0.5 + 1.96 * 0.15)
    assert of({**few, "c_index_chance_sd": 0.05}, risk=-TIME).verdict == "learned"
    assert of({**few, "c_index": 0.66, "c_index_chance_sd": 0.02}, risk=-TIME).verdict == "not learned"


def test_the_likelihood_ratio_has_the_sign_of_the_slope():
    assert of(figures(0.9)).likelihood_ratio == pytest.approx(2 * 12 * 0.3)
    assert of({**figures(0.2), "slope": -0.8}).likelihood_ratio == pytest.approx(-2 * 12 * 0.3)
    assert of(figures(dice=0.5)).likelihood_ratio is None


def test_methods_that_only_segment_are_judged_by_their_overlap():
    rng = np.random.default_rng(0)
    assert of(figures(dice=0.7), dice=rng.uniform(0.5, 0.8, 30)).verdict == "learned"
    assert of(figures(dice=0.42), dice=rng.uniform(0.5, 0.8, 30)).verdict == "not learned"
    assert of(figures(dice=0.9), dice=rng.uniform(0.2, 0.5, 30)).verdict == "over-fitted"
    assert of(figures(0.6, dice=0.9), risk=-TIME, dice=rng.uniform(0.5, 0.8, 30)).verdict == "not learned", "by risk"


def test_what_was_not_measured_has_no_verdict(tmp_path):
    store = Store(tmp_path)
    entry = method(store, "some", -TIME, learning=[[figures(0.9), figures(0.6), None]])
    runs = [store.read(key) for key in entry.fits[0]]
    assert [run.key for run, _ in checked(runs)] == ["some-0-0", "some-0-1"]
    assert verdicts(runs) == Verdicts(fits=2, learned=1, over_fitted=0, not_learned=1)
    assert verdicts(runs[2:]) is None
    assert of(figures()).verdict is None
    other = {name: value for name, value in figures(0.9).items() if name != "c_index_chance_sd"}
    assert of({**other, "more": 1.0}, risk=-TIME).verdict is None, "a file of another version"
