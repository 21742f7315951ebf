"""ICARE against the numbers of the published code, and its scores against scikit-survival."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw, cumulative_dynamic_auc
from sksurv.util import Surv
from survbench.api import Context, DeadlineError, Seeds
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Subject
from survbench.models.learners.icare import (
    AUC_PERCENTILES,
    Icare,
    IcareBagged,
    Member,
    Rules,
    _drawn,
    _uncorrelated,
    column_signs,
    pair_weights,
)
from survbench.plan.profile import load_profile

NAN = np.nan
TIME = np.array([2.0, 4, 5, 7, 8, 10, 11, 13])
EVENT = np.array([1, 1, 0, 1, 1, 0, 1, 0], dtype=bool)
TABLE = FeatureTable(
    ("a", "b", "c", "d", "k"),
    np.column_stack(
        [
            [8.0, 7, 6, 5, 4, 3, 2, 1],
            [1.0, 2, 3, 4, 5, 6, 8, 7],
            [3.0, 1, 3, 1, 3, 1, 3, 1],
            [5.0, NAN, 4, 4, 3, 2, 2, 1],
            np.ones(8),
        ]
    ),
)


CTX = Context(seeds=Seeds(0, 0, "test"), training=load_profile("smoke").training, scratch=Path())


def member(cmin):
    rules = Rules(signs=("harrell",), cmin=cmin)
    return Member.fit(TABLE, TIME, EVENT, rules=rules, mandatory=(), rng=np.random.default_rng(0), ctx=CTX)


def weights(fitted):
    return dict(zip(fitted.names, fitted.signs, strict=True))


def test_the_published_codes_example_with_a_least_score():
    fitted = member(0.6)
    assert weights(fitted) == {"a": 1, "b": -1, "d": 1}
    at = {name: (m, s) for name, m, s in zip(fitted.names, fitted.means, fitted.sds, strict=True)}
    assert at["a"] == pytest.approx((4.5, 2.449490), abs=1e-6)
    assert at["b"] == pytest.approx((4.5, 2.449490), abs=1e-6)
    assert at["d"] == pytest.approx((3.0, 1.414214), abs=1e-6)
    assert (fitted.mean, fitted.sd) == pytest.approx((0.042526, 0.922417), abs=1e-6)
    expected = [1.497650, 1.060361, 0.652009, 0.356953, -0.193631, -0.744215, -1.186800, -1.442327]
    assert fitted.vote(TABLE) == pytest.approx(expected, abs=1e-5)
    new = FeatureTable(TABLE.names, np.array([[9.0, NAN, 1.0, NAN, 1.0]]))
    assert fitted.vote(new) == pytest.approx([1.945531], abs=1e-5)


def test_the_published_codes_example_without():
    fitted = member(None)
    assert weights(fitted) == {"a": 1, "b": -1, "c": 1, "d": 1, "k": 1}
    expected = [1.703854, 0.443923, 0.933057, 0.047887, 0.162259, -0.955822, -0.743011, -1.592148]
    assert fitted.vote(TABLE) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("order", "kept"), [("pqr", "p"), ("prq", "pr")])
def test_a_dropped_column_still_drops_those_after_it(order, kept):
    columns = {"p": [1, 2, 3, 4, 5, 6], "q": [1, 2, 3, 4, 6, 5], "r": [1, 3, 2, 4, 6, 5]}
    stays = _uncorrelated(np.column_stack([columns[name] for name in order]).astype(float), 0.93)
    assert "".join(name for name, stay in zip(order, stays, strict=True) if stay) == kept


def test_the_three_scores_are_those_of_scikit_survival():
    rng = np.random.default_rng(3)
    time, event = rng.exponential(20, 60) + 0.1, rng.random(60) < 0.6
    risk = np.round(rng.normal(size=60), 1)  # with ties
    outcome = Surv.from_arrays(event, time)
    times = np.percentile(time, AUC_PERCENTILES)
    expected = {
        "harrell": concordance_index_censored(event, time, risk)[0],
        "uno": concordance_index_ipcw(outcome, outcome, risk, tau=time[event].max())[0],
        "tAUC": cumulative_dynamic_auc(outcome, outcome, risk, times)[1],
    }
    higher = np.heaviside(risk[:, None] - risk[None, :], 0.5)
    for kind, value in expected.items():
        pairs = pair_weights(kind, time, event)
        assert (pairs * higher).sum() / pairs.sum() == pytest.approx(value, abs=1e-9), kind


def test_scores_that_disagree_leave_a_column_out():
    rng = np.random.default_rng(0)
    time, event = rng.exponential(20, 50) + 0.1, rng.random(50) < 0.5
    values = rng.normal(size=(50, 200))
    single = {
        kind: column_signs(values, time, event, rules=Rules(signs=(kind,)), ctx=CTX) for kind in ("harrell", "uno")
    }
    both = column_signs(values, time, event, rules=Rules(signs=("harrell", "uno")), ctx=CTX)
    agree = single["harrell"] == single["uno"]
    assert np.array_equal(both, np.where(agree, single["harrell"], 0))
    assert not agree.all()


def test_a_share_is_drawn_of_all_columns_and_mandatory_ones_are_added_once():
    names, rng = tuple("abcdefghij"), np.random.default_rng(0)
    draws = [_drawn(names, 0.4, ("c", "d"), rng).tolist() for _ in range(200)]
    assert all({2, 3} <= set(columns) for columns in draws)
    assert all(len(set(columns)) == len(columns) for columns in draws)
    assert {len(columns) for columns in draws} == {4, 5, 6}, "four, with both, one or none of the mandatory ones"
    assert sorted(_drawn(names, 1.0, ("c",), rng)) == list(range(10))


def test_columns_with_the_same_gaps_and_with_others_are_each_scored_on_the_patients_who_have_them():
    rng = np.random.default_rng(1)
    time, event = rng.exponential(20, 50) + 0.1, rng.random(50) < 0.5
    values = rng.normal(size=(50, 30))
    values[:9, ::3] = NAN
    values[:, 1::3][rng.random((50, 10)) < 0.2] = NAN
    alone = [
        column_signs(column[known, None], time[known], event[known], rules=Rules(), ctx=CTX)[0]
        for column, known in zip(values.T, np.isfinite(values).T, strict=True)
    ]
    assert column_signs(values, time, event, rules=Rules(), ctx=CTX).tolist() == alone
    assert len(set(alone)) == 3


def test_a_fit_ends_at_its_deadline_in_the_midst_of_its_columns():
    late = replace(CTX, deadline=monotonic() - 1)
    with pytest.raises(DeadlineError):
        column_signs(TABLE.values, TIME, EVENT, rules=Rules(), ctx=late)


def cohort(n=60, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 40))
    time = rng.exponential(20 * np.exp(-values[:, 0])) + 0.1
    values[rng.random(values.shape) < 0.1] = NAN
    return Cohort(
        subjects=tuple(Subject(f"P{i:02d}", "", {"age": None if i % 7 == 0 else float(i)}, {}) for i in range(n)),
        clinical_columns=(ClinicalColumn("age", "numeric"),),
        features=FeatureTable(tuple(f"f{i}" for i in range(40)), values),
        time=time,
        event=rng.random(n) < 0.6,
    )


@pytest.mark.parametrize("kind", [Icare, IcareBagged])
def test_missing_values_do_not_vote_and_a_patient_without_any_value_has_the_mean(kind):
    train = cohort()
    model = kind().fit(train, validation=None, ctx=CTX)
    empty = Cohort(
        subjects=(Subject("N0", "", {"age": None}, {}), Subject("N1", "", {"age": None}, {})),
        clinical_columns=train.clinical_columns,
        features=FeatureTable(train.features.names, np.vstack([np.full(40, NAN), train.features.values[1]])),
        time=np.ones(2),
        event=np.ones(2, dtype=bool),
    )
    risk = model.predict_risk(empty)
    assert risk[0] == 0
    assert np.isfinite(risk).all()
    assert risk[1] != 0
    assert model.selected()["f0"] > 0
    assert "age" in model.selected()


def test_the_settings_decide_how_members_are_made_and_joined():
    train = cohort()
    package, challenge = (
        IcareBagged(settings=s, members=10).fit(train, validation=None, ctx=CTX) for s in ("package", "challenge")
    )
    sizes = {m: [len(one.names) for one in m._require()] for m in (package, challenge)}
    assert min(sizes[package]) > 20, "all columns vote whose sign is sure"
    assert max(sizes[challenge]) <= 1 + int(0.16 * 40), "a sixth at most, and the clinical column"
    table = FeatureTable(
        (*train.features.names, "age"),
        np.column_stack([train.features.values, [s.clinical["age"] or NAN for s in train.subjects]]),
    )
    for model, join in ((package, np.nanmean), (challenge, np.nanmedian)):
        assert model.predict_risk(train) == pytest.approx(join([one.vote(table) for one in model._require()], axis=0))
