"""Intervals and tests against R, against explicit bootstrap, and by their error rate."""

from __future__ import annotations

import numpy as np
import pytest
from reference_values import DATA_SETS, data_set, from_r, stored
from survbench.metrics import fold_mean_concordance, pooled_concordance
from survbench.significance import (
    adjust_by_group,
    all_pairs,
    benjamini_hochberg,
    bootstrap,
    compare,
    compare_c,
    corrected_resampled_t,
    holm,
    influence,
    paired_jackknife,
    rank_swap_test,
    rank_swap_tests,
    smallest_detectable_difference,
    standard_error,
    tie_groups,
)
from survbench.statistics import bootstrap as resampling
from survbench.statistics import pairs
from toy_survival import simulated


@pytest.fixture(scope="module")
def veteran():
    reference, data = stored("significance.json"), data_set("veteran")
    return reference, data.time, data.event, np.array(reference["risk_a"]), np.array(reference["risk_b"])


def test_jackknife_equals_rs_variances_covariance_and_p(veteran):
    reference, time, event, y, z = veteran
    one = np.zeros(len(time))
    a, b = influence(time, event, one, y), influence(time, event, one, z)
    expected = reference["jackknife"]
    assert standard_error(a) ** 2 == pytest.approx(expected["var_a"], rel=1e-9)
    assert standard_error(b) ** 2 == pytest.approx(expected["var_b"], rel=1e-9)
    assert float(a @ b) == pytest.approx(expected["cov"], rel=1e-9)
    test = paired_jackknife(a, b, reference["difference"])
    assert test.se == pytest.approx(expected["se"], rel=1e-9)
    assert test.z == pytest.approx(expected["z"], rel=1e-8)
    assert test.p == pytest.approx(expected["p"], rel=1e-7)


@pytest.mark.parametrize("limit", [1000, 0])
@pytest.mark.parametrize("name", DATA_SETS)
def test_standard_errors_equal_rs(name, limit, monkeypatch):
    monkeypatch.setattr(pairs, "MATRIX_LIMIT", limit)
    values, data, risks = from_r(name)
    for key, expected in values["concordance"].items():
        found = standard_error(influence(data.time, data.event, np.zeros(len(data.time)), risks[key]))
        assert found == pytest.approx(expected["se"], abs=1e-9)


def test_compare_c_equals_rs_package(veteran):
    reference, time, event, y, z = veteran
    found = compare_c(time, event, np.zeros(len(time)), y, z)
    assert found.se**2 == pytest.approx(reference["compareC"]["var_diff"], rel=1e-9)
    assert found.z == pytest.approx(reference["compareC"]["z"], rel=1e-8)
    assert found.p == pytest.approx(reference["compareC"]["p"], rel=1e-7)


def test_compare_c_equals_rs_package_with_many_ties_in_risk():
    _, data, risks = from_r("veteran")
    expected = stored("significance.json")["compareC_with_many_ties"]
    one, other = (risks[name] for name in expected["risks"])
    found = compare_c(data.time, data.event, np.zeros(len(data.time)), one, other)
    assert found.difference == pytest.approx(expected["difference"], abs=1e-9)
    assert found.se**2 == pytest.approx(expected["var_diff"], rel=1e-9)
    assert found.p == pytest.approx(expected["p"], rel=1e-6)


@pytest.mark.parametrize("limit", [500, 0])
def test_replicates_are_harrells_c_of_the_resampled_patients(monkeypatch, limit):
    monkeypatch.setattr(pairs, "MATRIX_LIMIT", limit)
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
    monkeypatch.setattr(resampling, "BLOCK", 7)
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


def test_adjustments_equal_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).uniform(0, 0.1, 12)
    with_hole = np.insert(p, 3, np.nan)
    for adjust, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        assert adjust(p) == pytest.approx(multipletests(p, method=method)[1])
        assert np.delete(adjust(with_hole), 3) == pytest.approx(adjust(p))
        assert np.isnan(adjust(with_hole)[3])
        assert adjust([]).shape == (0,)


def test_adjusting_by_group_is_adjusting_each_group_alone():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(1).uniform(0, 0.1, 12)
    groups = list("abacabbacbac")
    for adjust, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        adjusted = adjust_by_group(groups, p, adjust)
        for group in "abc":
            chosen = np.array(groups) == group
            assert adjusted[chosen] == pytest.approx(multipletests(p[chosen], method=method)[1])
        other = adjust_by_group([*groups, "b"], [*p, 0.5], adjust)[:-1]
        assert (other == adjusted).tolist() == [g != "b" for g in groups]
    assert np.isnan(adjust_by_group(["a", "b"], [np.nan, 0.5], holm)).tolist() == [True, False]
    assert adjust_by_group([], [], holm).shape == (0,)


def test_replicates_equal_scikit_survivals_value_on_resamples_with_ties():
    from sksurv.metrics import concordance_index_censored

    time, event, _, truth = simulated(n=80)
    risk = truth.round(1)
    found = bootstrap(time, event, np.zeros(80), [risk], resamples=200, seed=5)
    drawn = np.random.default_rng([5, 0]).integers(0, 80, size=(200, 80))
    assert len(np.unique(time)) < 80
    assert len(np.unique(risk)) < 80
    for b in range(200):
        rows = drawn[b]
        assert found.replicates[0, b] == concordance_index_censored(event[rows], time[rows], risk[rows])[0]


def test_the_pooled_estimand_counts_all_pairs_within_folds_together():
    time, event, fold, truth = simulated(n=50)
    found = bootstrap(time, event, fold, [truth], resamples=30, seed=2, estimand="pooled")
    assert found.point[0] == pytest.approx(pooled_concordance(time, event, fold, truth), abs=1e-14)
    drawn = [
        np.random.default_rng([2, k]).integers(0, (fold == k).sum(), size=(30, (fold == k).sum())) for k in range(3)
    ]
    for b in range(30):
        rows = np.concatenate([np.flatnonzero(fold == k)[drawn[k][b]] for k in range(3)])
        expected = pooled_concordance(time[rows], event[rows], fold[rows], truth[rows])
        assert found.replicates[0, b] == pytest.approx(expected, abs=1e-14)


def test_memory_of_a_large_cohort_is_bounded_by_smaller_blocks(monkeypatch):
    time, event, fold, truth = simulated()
    whole = bootstrap(time, event, fold, [truth], resamples=50, seed=1)
    monkeypatch.setattr(resampling, "BLOCK_NUMBERS", 60)  # three replicates of a fold of 20
    assert np.array_equal(bootstrap(time, event, fold, [truth], resamples=50, seed=1).replicates, whole.replicates)


def test_the_swap_test_equals_its_definition():
    """All 2^n exchanges of ranks within folds, each with C computed anew."""
    from itertools import product

    from scipy.stats import rankdata

    time, event, fold, truth = simulated(n=12, folds=2)
    rng = np.random.default_rng(0)
    a, b = ((truth + rng.normal(size=12)).round() for _ in range(2))
    ranks = np.zeros((2, 12))
    for k in range(2):
        ranks[:, fold == k] = rankdata(a[fold == k]), rankdata(b[fold == k])
    differences = []
    for swapped in product([False, True], repeat=12):
        x, y = np.where(swapped, ranks[::-1], ranks)
        differences.append(fold_mean_concordance(time, event, fold, x) - fold_mean_concordance(time, event, fold, y))
    exact = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)
    found = rank_swap_test(time, event, fold, a, b, permutations=40_000, seed=0)
    assert found.difference == pytest.approx(differences[0], abs=1e-14)
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000))


@pytest.mark.parametrize("limit", [500, 0])
def test_tests_of_several_seeds_are_of_the_mean_over_seeds(limit, monkeypatch):
    monkeypatch.setattr(pairs, "MATRIX_LIMIT", limit)
    time, event, fold, truth = simulated()
    rng = np.random.default_rng(1)
    a, b = truth + rng.normal(size=(3, 60)), truth + rng.normal(size=(1, 60))
    expected = np.mean([fold_mean_concordance(time, event, fold, r) for r in a]) - fold_mean_concordance(
        time, event, fold, b[0]
    )
    assert compare_c(time, event, fold, a, b).difference == pytest.approx(expected, abs=1e-12)
    assert rank_swap_test(time, event, fold, a, b, permutations=10, seed=0).difference == pytest.approx(expected)
    each = np.mean([influence(time, event, fold, r) for r in a], axis=0)
    assert influence(time, event, fold, a) == pytest.approx(each, abs=1e-15)
    # seeds that are all alike are one seed
    same = np.repeat(a[:1], 3, axis=0)
    assert compare_c(time, event, fold, same, b).p == pytest.approx(compare_c(time, event, fold, a[0], b).p, rel=1e-9)


def test_pairs_permuted_together_are_each_as_alone(monkeypatch):
    from survbench.statistics import paired_tests

    monkeypatch.setattr(paired_tests, "PAIRS", 2)
    time, event, fold, truth = simulated(n=40, folds=2)
    rng = np.random.default_rng(3)
    risks = [truth, rng.normal(size=(2, 40)), np.round(rng.normal(size=40))]
    pairs = [(0, 1), (1, 2), (2, 0), (1, 1)]
    found = rank_swap_tests(time, event, fold, risks, pairs, permutations=1100, seed=4)
    for (a, b), one in zip(pairs, found, strict=True):
        assert rank_swap_test(time, event, fold, risks[a], risks[b], permutations=1100, seed=4) == one
    unknown = rank_swap_tests(time, event & (fold == 0), fold, risks, pairs[:1], permutations=9, seed=4)
    assert unknown[0].reason == "a fold has no comparable pair"


def test_all_pairs_hold_every_single_test_with_its_sign():
    time, event, fold, truth = simulated()
    rng = np.random.default_rng(0)
    risks = [truth + s * rng.normal(size=60) for s in (0.3, 1, 3)]
    points = [fold_mean_concordance(time, event, fold, r) for r in risks]
    influences = [influence(time, event, fold, r) for r in risks]
    found = all_pairs(points, influences)
    single = paired_jackknife(influences[2], influences[0], points[2] - points[0])
    assert found.difference[2, 0] == -found.difference[0, 2] == single.difference
    assert found.p[2, 0] == found.p[0, 2] == single.p
    assert found.se[0, 2] == single.se
    upper = np.triu_indices(3, 1)
    assert found.p_holm[upper] == pytest.approx(holm(found.p[upper]))
    assert np.diag(found.p_holm).tolist() == [1, 1, 1]


def test_tie_groups_are_the_longest_runs_without_a_difference():
    p = np.ones((4, 4))
    p[1, 3] = p[3, 1] = 0.01
    assert tie_groups([0.9, 0.8, 0.7, 0.6], p) == ((0, 1, 2), (2, 3))
    assert tie_groups([0.9, np.nan, 0.7, 0.6], p) == ((0, 2, 3),)
    p[:] = 0.01
    assert tie_groups([0.6, 0.9, 0.7], p[:3, :3]) == ((1,), (2,), (0,))


def test_rank_intervals_of_a_clear_winner_and_of_equals():
    time, event, fold, truth = simulated(n=300, strength=2.0)
    found = bootstrap(time, event, fold, [truth, -truth, -truth], resamples=200, seed=0)
    assert found.rank_intervals() == [(1.0, 1.0), (2.5, 2.5), (2.5, 2.5)]


def test_a_true_difference_of_the_detectable_size_is_found_four_times_in_five():
    z = np.random.default_rng(0).normal(smallest_detectable_difference(0.03), 0.03, 20_000) / 0.03
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(0.8, abs=0.01)


def test_corrected_resampled_t_by_hand():
    d = np.array([0.01, 0.03, 0.02, 0.06, -0.01])
    found = corrected_resampled_t(d, test_share=0.25)
    assert found.z == pytest.approx(d.mean() / np.sqrt((1 / 5 + 1 / 4) * d.var(ddof=1)))
    from scipy.stats import ttest_1samp

    assert corrected_resampled_t(d, test_share=0).p == pytest.approx(ttest_1samp(d, 0).pvalue)
    assert np.isnan(corrected_resampled_t([0.1], test_share=0.25).p)


# --- two columns of risks


def test_compare_puts_the_tests_of_one_pair_together(veteran):
    reference, time, event, y, z = veteran
    found = compare(time, event, y, z, resamples=2000, permutations=2000)
    assert (found.n, found.events, found.pairs) == (137, 128, sum(list(reference["pairs_a"].values())[:3]))
    assert found.p["jackknife"] == pytest.approx(reference["jackknife"]["p"], abs=1e-6)
    assert found.p["compareC"] == pytest.approx(reference["compareC"]["p"], abs=1e-6)
    assert found.z["jackknife"] == pytest.approx(reference["jackknife"]["z"], abs=1e-6)
    assert found.p["bootstrap"] == pytest.approx(reference["jackknife"]["p"], abs=0.03)
    assert found.p["permutation"] == pytest.approx(reference["jackknife"]["p"], abs=0.03)
    assert found.ci_low == pytest.approx(found.difference - 1.96 * found.se, abs=0.006)
    assert "do not show" in found.meaning()


def test_compare_never_compares_patients_of_different_folds():
    time, event, fold, truth = simulated(n=90)
    shifted = truth + 100 * fold
    a, b = (compare(time, event, r, -truth, fold, resamples=50, permutations=50) for r in (truth, shifted))
    assert a == b
    assert "3 folds" in a.estimand
    assert a.pairs < compare(time, event, truth, -truth, resamples=50, permutations=50).pairs


def test_results_do_not_depend_on_the_number_of_threads():
    from threadpoolctl import threadpool_limits

    time, event, _, truth = simulated(n=400)
    rng = np.random.default_rng(0)
    a, b = (truth + rng.normal(size=(2, 400)) for _ in range(2))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(compare(time, event, a, b, resamples=1500, permutations=1500))
    assert found[0] == found[1]


def test_compare_names_the_better_model():
    time, event, _, truth = simulated(n=300, strength=3.0)
    found = compare(time, event, -truth, truth, resamples=200, permutations=200)
    assert "theirs orders survival of such patients better than ours" in found.meaning("ours", "theirs")


@pytest.mark.faults  # row 20
@pytest.mark.parametrize(
    ("time", "event", "risk", "reason"),
    [
        ([1, 2, 3, 4, 5], [0, 0, 0, 0, 0], [1, 2, 3, 4, 5], "comparable"),
        ([1, 2, 3, 4, 5], [0, 0, 0, 0, 1], [1, 2, 3, 4, 5], "comparable"),
        ([2, 2, 2, 2, 2], [1, 1, 1, 1, 1], [1, 2, 3, 4, 5], "comparable"),
        ([1], [1], [1], "comparable"),
    ],
    ids=["no event", "last event", "tied times", "one patient"],
)
def test_data_without_an_answer_give_nan_and_a_reason(time, event, risk, reason):
    found = compare(time, event, risk, np.ones(len(time)), resamples=50, permutations=50)
    assert np.isnan(found.p["jackknife"])
    assert reason in " ".join(found.reasons)
    assert "cannot compare" in found.meaning()


def test_where_no_patient_moves_either_index_permutation_still_answers():
    time = np.arange(1.0, 6)
    found = compare(time, np.ones(5), -time, np.ones(5), resamples=50, permutations=5000)
    assert np.isnan([found.p["jackknife"], found.p["compareC"], found.smallest_detectable_difference]).all()
    assert "neither index changes with the weight of any patient" in found.reasons[0]
    # four of the 2^5 exchanges are as extreme: all or none, and that of the patient in the middle changes nothing
    assert found.p["permutation"] == pytest.approx(4 / 32, abs=0.02)
    assert "5 patients do not show" in found.meaning()
    assert "nan" not in found.meaning()


@pytest.mark.parametrize(
    ("event", "a", "b"),
    [
        ([1, 0, 0, 0], [0, 1, 0, 0], [2, 2, 1, 0]),
        (np.ones(50), -np.arange(50).reshape(-1, 2)[:, ::-1].ravel(), np.zeros(50)),
    ],
)
def test_a_standard_error_of_nothing_but_rounding_is_none(event, a, b):
    found = compare(np.arange(1, len(event) + 1), event, a, b, resamples=50, permutations=50)
    assert found.difference != 0
    assert np.isnan([found.p["jackknife"], found.z["jackknife"]]).all()
    assert "standard error is 0" in " ".join(found.reasons)


def test_equal_differences_of_all_folds_have_no_corrected_t():
    found = corrected_resampled_t([0.1, 0.1, 0.1], test_share=0.25)
    assert np.isnan(found.p)
    assert "no spread" in found.reason
    assert corrected_resampled_t([0.0, 0.0], test_share=0.25).p == 1
    assert "at least two folds" in corrected_resampled_t([], test_share=0.25).reason


def test_few_events_in_a_fold_are_judged_by_permutation():
    time, event, fold, truth = simulated(n=100, folds=10, strength=3.0)
    assert event.sum() >= 30
    assert "permutation p" in compare(time, event, truth, -truth, fold, resamples=100, permutations=200).meaning()
    assert "jackknife p" in compare(time, event, truth, -truth, resamples=100, permutations=200).meaning()


def test_the_sentence_names_the_level_of_its_interval():
    time, event, _, truth = simulated(n=40)
    found = compare(time, event, truth, -truth, resamples=100, permutations=50, level=0.9)
    assert "90 % interval" in found.meaning()
    whole = compare(time, event, truth, -truth, resamples=100, permutations=50)
    assert found.smallest_detectable_difference == whole.smallest_detectable_difference


def test_what_folds_are_called_changes_nothing():
    time, event, fold, truth = simulated(n=220, folds=11)
    risks = [truth, np.random.default_rng(0).normal(size=220)]
    named = bootstrap(time, event, fold, risks, resamples=50, seed=0)
    text = bootstrap(time, event, [f"fold {k}" for k in fold], risks, resamples=50, seed=0)
    assert np.array_equal(named.replicates, text.replicates)


@pytest.mark.parametrize("call", [influence, lambda t, e, f, r: bootstrap(t, e, f, [r], resamples=5, seed=0)])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"e": [1, 2, 2]}, "event must be 0"),
        ({"e": [1, np.nan, 0]}, "event must be 0"),
        ({"r": [1, np.nan, 2]}, "risk must be finite"),
        ({"r": [1, 2, 3, 4]}, "risk needs the shape"),
        ({"f": ["a", None, "a"]}, "fold must name"),
    ],
    ids=str,
)
def test_the_parts_refuse_what_is_no_survival_data(call, change, message):
    data = {"t": [1, 2, 3], "e": [1, 1, 0], "f": [0, 0, 0], "r": [1, 2, 3], **change}
    with pytest.raises(ValueError, match=message):
        call(*data.values())


def test_few_events_are_judged_by_permutation():
    time, event, _, truth = simulated(n=40, strength=3.0)
    found = compare(time, event, truth, -truth, resamples=100, permutations=200)
    assert "permutation p 0.005" in found.meaning()


def test_two_constant_risks_do_not_differ():
    found = compare([1, 2, 3, 4, 5], [1, 0, 1, 1, 0], np.ones(5), np.zeros(5), resamples=50, permutations=50)
    assert found.difference == 0
    assert set(found.p.values()) == {1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": [1, -2, 3]}, "time must be positive"),
        ({"event": [1, 2, 0]}, "event must be 0"),
        ({"event": [1.0, np.nan, 0]}, "event must be 0"),
        ({"risk_a": [1, np.nan, 2]}, "must be finite"),
        ({"risk_b": [1, 2]}, "risk needs the shape"),
        ({"fold": [1, 2]}, "fold needs the shape"),
        ({"fold": [0, 0, np.nan]}, "fold must name the fold of every patient"),
        ({"event": ["1", "1", "0"]}, "event must be 0"),
        ({"event": [1, 1]}, "must have the same length"),
    ],
    ids=str,
)
def test_what_is_no_survival_data_is_refused(change, message):
    data = {"time": [1, 2, 3], "event": [1, 1, 0], "risk_a": [1, 2, 3], "risk_b": [3, 2, 1], **change}
    with pytest.raises(ValueError, match=message):
        compare(**data)
