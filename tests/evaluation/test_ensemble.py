"""Ensembles: the mean of standardised risks, by fold and outside, and a row made of other rows' predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.actions.ensemble import add_ensemble
from survbench.errors import BenchError
from survbench.evaluation.ensemble import Member, combine, mean_risk
from survbench.evaluation.feature_selection import NoSelectionError, selection
from survbench.evaluation.gather import gather
from survbench.evaluation.standardised import standardised
from survbench.leaderboard.board.build import build_board
from survbench.metrics import concordance_index
from survbench.plan.study import read_study
from survbench.runs.store import Store
from toy_board import FAIR, GOOD, rows
from toy_study import EVENT, FOLD, IDS, OUTSIDE, TIME, method, study

MEMBERS = [np.array(m) for m in ((1.0, 2.0, 3.0, 4.0), (10.0, 40.0, 30.0, 20.0), (0.1, 0.2, 0.9, 0.3))]
MEAN = [-1.188941, 0.110725, 0.860396, 0.217820]
"""Mean of the members' z values, sd with divisor n."""
TESTED = [np.flatnonzero(k == FOLD) for k in range(3)]
RNG = np.random.default_rng(11)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


def test_the_mean_equals_the_values_by_hand():
    assert mean_risk([standardised(m, m) for m in MEMBERS]) == pytest.approx(MEAN, abs=1e-6)


def test_each_fold_has_its_own_scale_and_a_constant_member_drops_out_there():
    fold = np.repeat([0, 1], 4)
    members = {
        # the models of the two folds have other scales
        "a": Member(risk=np.concatenate([MEMBERS[0], 1000 * MEMBERS[0] - 5])[None]),
        "b": Member(risk=np.concatenate([MEMBERS[1], np.full(4, 7.0)])[None]),
        "c": Member(risk=np.concatenate([MEMBERS[2], MEMBERS[2]])[None]),
    }
    made = combine(members, fold)
    assert made.risk[0, :4] == pytest.approx(MEAN, abs=1e-6)
    assert made.risk[0, 4:] == pytest.approx(mean_risk([standardised(m, m) for m in (MEMBERS[0], MEMBERS[2])]))
    assert made.constant == {"b": 1}
    assert made.external is None


def test_a_member_without_seeds_stands_beside_each_seed_of_the_others():
    seeds = np.stack([GOOD, FAIR])
    made = combine({"a": Member(risk=seeds), "b": Member(risk=-TIME[None])}, FOLD)
    flat = combine({"a": Member(risk=seeds), "b": Member(risk=np.where(FOLD == 1, 7.0, GOOD)[None])}, FOLD)
    assert flat.constant == {"b": 1}, "it has a single fit of that fold"
    for seed in range(2):
        alone = combine({"a": Member(risk=seeds[[seed]]), "b": Member(risk=-TIME[None])}, FOLD)
        assert made.risk[seed] == pytest.approx(alone.risk[0])


def test_the_row_is_made_of_stored_predictions_inside_and_outside(store):
    outside = {name: RNG.normal(size=(1, 3, len(OUTSIDE))) for name in "ab"}
    risks = {"a": GOOD, "b": 100 * FAIR}
    made = study([method(store, name, risks[name], outside=outside[name]) for name in "ab"])
    before = sorted((store.root / "runs").iterdir())
    add_ensemble(made, store, ["a", "b"])
    read = read_study(made.folder(store.root))
    result = gather(read, store).methods["ensemble"]
    scale = {n: [(risks[n][test].mean(), risks[n][test].std()) for test in TESTED] for n in "ab"}
    z = {n: (risks[n] - np.array(scale[n])[FOLD, 0]) / np.array(scale[n])[FOLD, 1] for n in "ab"}
    assert result.risk[0] == pytest.approx((z["a"] + z["b"]) / 2)
    of_models = [[(outside[n][0, k] - scale[n][k][0]) / scale[n][k][1] for k in range(3)] for n in "ab"]
    assert result.external[0] == pytest.approx(np.mean(of_models, axis=(0, 1)))
    row = rows(build_board(read, store))["ensemble"]
    by_fold = [concordance_index(TIME[test], EVENT[test], result.risk[0][test]).value for test in TESTED]
    assert row.c_index == pytest.approx(np.mean(by_fold))
    assert row.external_c_index is not None
    assert (row.group, row.coverage, row.survival) == ("ensemble", 1.0, "none")
    assert "a, b" in row.notes
    assert sorted((store.root / "runs").iterdir()) == before
    with pytest.raises(NoSelectionError, match="averages the risks of a, b"):
        selection(read, store, "ensemble")


def test_an_ensemble_is_as_incomplete_as_its_members(store):
    entries = [method(store, "a", GOOD), method(store, "b", FAIR)]
    made = add_ensemble(study(entries, external=False), store, ["a", "b"])
    skipped = replace(made, entries=(entries[0], replace(entries[1], skipped="needs mask"), made.entries[2]))
    row = rows(build_board(skipped, store))["ensemble"]
    assert (row.status, row.reason, row.c_index) == ("skipped", "its member b: needs mask", None)
    lost = replace(made, entries=(entries[0], made.entries[2]))
    row = rows(build_board(lost, store))["ensemble"]
    assert (row.status, row.reason) == ("failed", "its members b are not in the study")


def test_a_member_that_does_not_predict_outside_keeps_the_ensemble_inside(store):
    entries = [
        method(store, "a", GOOD, outside=RNG.normal(size=(1, 3, len(OUTSIDE)))),
        replace(method(store, "b", FAIR), skipped_external="needs mask"),
    ]
    row = rows(build_board(add_ensemble(study(entries), store, ["a", "b"]), store))["ensemble"]
    assert row.c_index is not None
    assert row.external_c_index is None
    assert row.reasons["external_c_index"] == "its member b: needs mask"


def test_an_ensemble_has_the_scale_of_the_folds_outside_where_other_rows_have_that_of_the_external_cohort(store):
    outside = {name: RNG.normal(size=(1, 3, len(OUTSIDE))) for name in "ab"}
    entries = [method(store, name, risk, outside=outside[name]) for name, risk in (("a", GOOD), ("b", 100 * FAIR))]
    last, paper = (
        gather(add_ensemble(study(entries, selection=selection), store, ["a", "b"]), store).methods
        for selection in ("last", "paper")
    )
    assert not np.allclose(paper["a"].external, last["a"].external)
    assert np.array_equal(paper["ensemble"].external, last["ensemble"].external)


def test_what_is_said_of_the_members_follows_them(store):
    outside = RNG.normal(size=(1, 3, len(OUTSIDE)))
    entries = [method(store, name, risk, outside=outside) for name, risk in (("a", GOOD), ("b", FAIR))]
    add_ensemble(study(entries), store, ["a", "b"]).write(store.root)
    made = read_study(study(entries).folder(store.root))
    later = replace(entries[1], needs_mask=True, stochastic=True, predicts=(), skipped_external="needs mask")
    changed = replace(made, entries=(entries[0], later, made.entries[2]))
    for of, expected in ((made, (False, False, "")), (changed, (True, True, "its member b: needs mask"))):
        told = gather(of, store).methods["ensemble"].entry
        assert (told.needs_mask, told.stochastic, told.skipped_external) == expected


@pytest.mark.parametrize(
    ("members", "name", "why"),
    [
        (["a"], "e", "at least two different rows, given: a"),
        (["a", "a"], "e", "at least two different rows, given: a, a"),
        (["a", "zz"], "e", "zz"),
        (["a", "oracle"], "e", "oracle cannot be a member.*Choose among a, b"),
        (["a", "segments"], "e", "segments cannot be a member"),
        (["a", "b"], "volume", "another row of this study"),
        (["a", "b"], "b", "another row of this study"),
        (["a", "b"], "No", "lower case"),
    ],
)
def test_what_cannot_be_an_ensemble_is_refused(store, members, name, why):
    entries = [
        method(store, "a", GOOD),
        method(store, "b", FAIR),
        method(store, "oracle", -TIME, family="reference"),
        method(store, "segments", np.full(len(IDS), np.nan), gives=("segmentation",)),
    ]
    with pytest.raises(BenchError, match=why):
        add_ensemble(study(entries, external=False), store, members, name=name)
