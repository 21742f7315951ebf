"""Intervals and tests against R, against explicit resampling, and by their error rate."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from survbench import significance
from survbench.metrics import fold_mean_concordance
from survbench.significance import bootstrap, holm, influence, paired_jackknife, standard_error


@pytest.fixture(scope="module")
def veteran(shared_data):
    folder = shared_data / "metrics_reference"
    with (folder / "significance_veteran.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    time, status, y, z = (np.array([float(r[key]) for r in rows]) for key in ("time", "status", "y", "z"))
    reference = json.loads((folder / "significance_veteran.json").read_text(encoding="utf-8"))
    return reference, time, status.astype(bool), y, z


def simulated(n=60, folds=3, seed=0, strength=1.0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    time = rng.exponential(np.exp(-strength * truth)).round(1) + 0.1
    event = rng.random(n) < 0.6
    return time, event, np.arange(n) % folds, truth


def test_jackknife_equals_rs_variances_covariance_and_p(veteran):
    reference, time, event, y, z = veteran
    one = np.zeros(len(time))
    a, b = influence(time, event, one, y), influence(time, event, one, z)
    expected = reference["jackknife"]
    assert standard_error(a) ** 2 == pytest.approx(expected["var_a"], rel=1e-9)
    assert standard_error(b) ** 2 == pytest.approx(expected["var_b"], rel=1e-9)
    assert float(a @ b) == pytest.approx(expected["cov"], rel=1e-9)
    test = paired_jackknife(a, b, reference["C_a"] - reference["C_b"])
    assert test.se == pytest.approx(expected["se"], rel=1e-9)
    assert test.z == pytest.approx(expected["z"], rel=1e-8)
    assert test.p == pytest.approx(expected["p"], rel=1e-7)


@pytest.mark.parametrize("limit", [500, 0])
def test_replicates_are_harrells_c_of_the_resampled_patients(monkeypatch, limit):
    monkeypatch.setattr(significance, "MATRIX_LIMIT", limit)
    time, event, fold, truth = simulated()
    risks = [np.stack([truth.round(1), -truth]), truth.round()[None]]
    found = bootstrap(time, event, fold, risks, resamples=40, seed=3)
    rng = {k: np.random.default_rng([3, k]) for k in range(3)}
    rows = {k: np.flatnonzero(fold == k) for k in range(3)}
    drawn = {k: rng[k].integers(0, len(rows[k]), size=(40, len(rows[k]))) for k in range(3)}
    for b in range(40):
        index = np.concatenate([rows[k][drawn[k][b]] for k in range(3)])
        for m, risk in enumerate(risks):
            expected = np.mean([fold_mean_concordance(time[index], event[index], fold[index], r[index]) for r in risk])
            assert found.replicates[m, b] == pytest.approx(expected, abs=1e-12)
    for m, risk in enumerate(risks):
        point = np.mean([fold_mean_concordance(time, event, fold, r) for r in risk])
        assert found.point[m] == pytest.approx(point, abs=1e-12)


def test_blocks_change_no_replicate(monkeypatch):
    time, event, fold, truth = simulated()
    whole = bootstrap(time, event, fold, [truth], resamples=100, seed=1)
    monkeypatch.setattr(significance, "BLOCK", 7)
    assert np.array_equal(bootstrap(time, event, fold, [truth], resamples=100, seed=1).replicates, whole.replicates)


def test_replicates_without_a_comparable_pair_are_dropped_for_all_and_counted():
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, False])
    fold = np.zeros(4)
    found = bootstrap(time, event, fold, [time, -time], resamples=300, seed=0)
    assert 0 < found.excluded < 300
    assert found.replicates.shape == (2, 300 - found.excluded)
    assert np.isfinite(found.interval(0)).all()


def test_a_method_against_itself_has_no_difference():
    time, event, fold, truth = simulated()
    found = bootstrap(time, event, fold, [truth, truth], resamples=200, seed=0)
    assert found.difference_interval(0, 1) == (0.0, 0.0)
    assert found.difference_p(0, 1) == 1.0
    a = influence(time, event, fold, truth)
    assert paired_jackknife(a, a, 0.0).p == 1.0


def test_a_perfect_against_a_constant_ranking_has_no_jackknife_p():
    time, event = np.arange(1.0, 13), np.ones(12, dtype=bool)
    fold = np.zeros(12)
    perfect, constant = (influence(time, event, fold, r) for r in (-time, np.zeros(12)))
    assert np.isnan(paired_jackknife(perfect, constant, 0.5).p)


def test_a_far_better_method_is_found_and_p_has_its_floor():
    time, event, fold, truth = simulated(n=300, strength=3.0)
    found = bootstrap(time, event, fold, [truth, -truth], resamples=99, seed=0)
    assert found.difference_p(0, 1) == pytest.approx(2 / 100)
    assert found.difference_interval(0, 1)[0] > 0.5


def test_standard_error_agrees_with_the_bootstraps():
    time, event, fold, truth = simulated(n=240)
    found = bootstrap(time, event, fold, [truth], resamples=4000, seed=0)
    assert standard_error(influence(time, event, fold, truth)) == pytest.approx(found.replicates[0].std(), rel=0.1)


@pytest.mark.slow
def test_type_one_error_of_the_jackknife_is_about_nominal():
    rejected = 0
    for seed in range(400):
        time, event, fold, truth = simulated(n=120, seed=seed)
        rng = np.random.default_rng([seed, 1])
        a, b = (truth + rng.normal(size=len(truth)) for _ in range(2))
        difference = fold_mean_concordance(time, event, fold, a) - fold_mean_concordance(time, event, fold, b)
        p = paired_jackknife(influence(time, event, fold, a), influence(time, event, fold, b), difference).p
        rejected += p < 0.05
    # 20 expected; four binomial standard deviations on either side
    assert 3 <= rejected <= 37


def test_holm_equals_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).uniform(0, 0.1, 12)
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert np.isnan(holm([0.5, np.nan])[1])
