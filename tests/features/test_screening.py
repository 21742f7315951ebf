"""Which features are strong and which say the same, against lifelines, scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.features import screening
from survbench.features.screening import screened, spearman_redundancy, univariate_cox


def test_the_score_test_is_the_log_rank_test_for_a_group():
    from lifelines.statistics import logrank_test

    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 80)
    # no tied times: there the log-rank test takes another variance
    time, event = rng.permutation(np.arange(1.0, 81)), rng.random(80) < 0.7
    expected = logrank_test(time[group == 1], time[group == 0], event[group == 1], event[group == 0]).test_statistic
    found = univariate_cox(np.column_stack([group, np.ones(80), -3 * group + 1]).astype(float), time, event)
    assert found[0] == pytest.approx(expected, rel=1e-9)
    assert found[1] == 0
    assert found[2] == pytest.approx(expected, rel=1e-9)


def test_the_score_test_with_tied_times_is_score_squared_over_information():
    time, event = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 4.0]), np.array([1, 1, 1, 0, 1, 0], dtype=bool)
    x = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    score = information = 0.0
    for i in np.flatnonzero(event):
        at_risk = x[time >= time[i]]
        score += x[i] - at_risk.mean()
        information += at_risk.var()
    assert univariate_cox(x[:, None], time, event)[0] == pytest.approx(score**2 / information)


def test_of_two_redundant_features_the_weaker_goes():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    base = rng.normal(size=(100, 3))
    values = np.column_stack([base, base[:, 0] ** 3, base[:, 1] + 0.1 * rng.normal(size=100), np.ones(100)])
    kept = spearman_redundancy(values, np.array([1.0, 5.0, 2.0, 3.0, 4.0, 9.0]))
    assert kept.tolist() == [1, 2, 3]
    correlation = np.abs(spearmanr(values[:, kept]).statistic)
    assert correlation[~np.eye(3, dtype=bool)].max() <= 0.7


@pytest.mark.parametrize(("rows", "columns", "at_once"), [(90, 47, 90 * 46), (50, 9, 100), (40, 3, 1)])
def test_a_large_table_has_the_results_of_a_small_one(monkeypatch, rows, columns, at_once):
    rng = np.random.default_rng(3)
    values, time, event = rng.normal(size=(rows, columns)), rng.exponential(30, rows), rng.random(rows) < 0.5
    values[:, -1] = values[:, 0]
    whole = univariate_cox(values, time, event)
    kept = spearman_redundancy(values, whole)
    monkeypatch.setattr(screening, "CELLS_AT_ONCE", at_once)
    assert univariate_cox(values, time, event).tolist() == whole.tolist()
    assert spearman_redundancy(values, whole).tolist() == kept.tolist()
    assert columns - 1 not in kept, "of two equal features the first stays"


def test_screening_is_benjamini_and_hochbergs():
    from scipy.stats import chi2
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(2)
    statistic = np.concatenate([rng.chisquare(1, 200), rng.chisquare(1, 20) + 8])
    expected, *_ = multipletests(chi2.sf(statistic, 1), alpha=0.1, method="fdr_bh")
    assert 5 < expected.sum() < 40
    assert screened(statistic, rate=0.1).tolist() == np.flatnonzero(expected).tolist()
    assert screened(np.array([0.5, 2.0, 1.0]), rate=0.01).tolist() == [1], "the strongest stays where none passes"
