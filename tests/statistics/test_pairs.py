"""The fast ways of counting pairs: matrices, trees and the definition give the same numbers."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from survbench.statistics import pairs
from toy_survival import cohorts


def by_tree():
    return mock.patch.object(pairs, "MATRIX_LIMIT", 0)


def definition(time, event, own, other):
    """Return credit and comparable pairs as matrices, pair by pair."""
    n = len(time)
    credit, comparable = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                comparable[i, j] = 1
                credit[i, j] = 1 if own[i] > other[j] else 0.5 if own[i] == other[j] else 0
    return credit, comparable


@given(cohorts())
def test_whether_there_is_a_pair(cohort):
    time, event, (own, *_) = cohort
    for few in (slice(2), slice(3), slice(None)):
        expected = definition(time[few], event[few], own[few], own[few])[1].any()
        assert pairs.any_comparable(time[few], event[few]) == expected


@settings(max_examples=150, deadline=None)
@given(cohorts())
def test_pairs_of_each_patient(cohort):
    time, event, (own, other, *_) = cohort
    credit, comparable = definition(time, event, own, other)
    expected = [credit.sum(axis=1), comparable.sum(axis=1), credit.sum(axis=0), comparable.sum(axis=0)]
    by_matrix = pairs.count_by_patient(time, event, own, other)
    with by_tree():
        counts = pairs.count_by_patient(time, event, own, other)
    for found in (by_matrix, counts):
        of = (found.earlier_credit, found.earlier_pairs, found.later_credit, found.later_pairs)
        assert all(np.array_equal(x, y) for x, y in zip(of, expected, strict=True))


@settings(max_examples=150, deadline=None)
@given(cohorts())
def test_pairs_of_resampled_patients(cohort):
    time, event, (a, b, c, d) = cohort
    risks = [np.stack([a, b]), c[None], d[None]]
    weights = np.random.default_rng(0).integers(0, 4, size=(37, len(time))).astype(np.int32)
    by_matrix = pairs.weighted_counts(time, event, risks, weights)
    with by_tree():
        assert np.array_equal(pairs.weighted_counts(time, event, risks, weights), by_matrix)
    matrices = [sum(2 * definition(time, event, r, r)[0] for r in risk) for risk in risks]
    matrices.append(definition(time, event, a, a)[1])
    assert np.array_equal(by_matrix, [np.einsum("bi,ij,bj->b", weights, m, weights) for m in matrices])


@settings(max_examples=100, deadline=None)
@given(cohorts())
def test_squared_difference_of_credit_does_not_depend_on_blocks(cohort):
    time, event, (a, b, c, _) = cohort
    mean = (definition(time, event, a, a)[0] + definition(time, event, b, b)[0]) / 2
    expected = ((mean - definition(time, event, c, c)[0]) ** 2).sum()
    for cells in (10_000, 1, 60):
        with mock.patch.object(pairs, "BLOCK_CELLS", cells):
            found = pairs.squared_credit_difference(time, event, np.stack([a, b]), c[None])
        assert found == pytest.approx(expected, abs=1e-12)


def test_many_patients_are_counted_without_matrices():
    """Twenty thousand patients: one matrix of pairs would take 3 GB."""
    import resource

    rng = np.random.default_rng(0)
    n = 20_000
    time, event, risk = rng.exponential(size=n).round(3), rng.random(n) < 0.1, rng.normal(size=n)
    weights = rng.integers(0, 3, size=(3, n)).astype(np.int32)
    pairs.count_by_patient(time[:1000], event[:1000], risk[:1000])  # compiles
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = pairs.count_by_patient(time, event, risk)
    total = pairs.weighted_counts(time, event, [risk[None]], np.vstack([np.ones(n, np.int32), weights]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kilobytes"
    assert counts.earlier_credit.sum() == counts.later_credit.sum() == total[0, 0] / 2
    assert counts.earlier_pairs.sum() == counts.later_pairs.sum() == total[1, 0]
    # the pairs of one patient, by definition
    i = int(np.flatnonzero(event)[0])
    later = (time[i] < time) | ((time[i] == time) & ~event)
    assert counts.earlier_pairs[i] == later.sum()
    assert counts.earlier_credit[i] == (later & (risk[i] > risk)).sum() + (later & (risk[i] == risk)).sum() / 2
