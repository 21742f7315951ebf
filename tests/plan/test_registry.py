"""Plugins: ours and outside ones by the same door, broken ones named, wrong names met with the right ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from survbench.api import FAMILIES
from survbench.errors import BenchError, UnknownNameError
from survbench.plan import registry as registry_module
from survbench.plan.registry import Registry, registry
from survbench.work.construct import construct

OURS = registry().methods
RELATED = (
    "univariate-cox",
    "en-cox",
    "survival-svm",
    "survival-svm-rank",
    "minlip",
    "gradient-boosting-cox",
    "componentwise-boosting",
    "faraggi-simon",
    "deephit",
    "nnet-survival",
    "mtlr",
    "svcr",
    "lssvm-survival",
    "boostci",
    "mtlsa",
    "transfer-cox",
)
LISTED = {name for name, info in OURS.items() if info.in_all}


@pytest.mark.parametrize("name", OURS)
def test_every_method_is_declared_well(name):
    info = OURS[name]
    assert info.family in FAMILIES
    assert info.title
    assert info.reference or info.family == "reference", "a method says where it comes from"
    method = construct(info.target, info.params)
    assert callable(method.fit)
    assert callable(method.save)
    assert callable(method.load)
    verbs = {"risk": "predict_risk", "survival": "predict_survival", "segmentation": "segment", "embedding": "embed"}
    for gives, verb in verbs.items():
        assert hasattr(method, verb) or gives not in info.gives, f"{name} declares {sorted(info.gives)}"


def test_an_outside_plugin_comes_by_the_same_door(odd_plugins):
    found = registry()
    assert "well" in found.methods
    assert set(OURS) < set(found.methods)


def test_broken_plugins_are_listed_with_their_reason_and_break_nothing(odd_plugins):
    broken = {b.name: b.reason for b in registry().broken}
    assert "odd_methods_that_are_missing" in broken["odd-broken"]
    assert "already taken" in broken["odd-name-taken"] or "iterable" in broken["odd-name-taken"]
    with pytest.raises(BenchError, match="cannot be used: ModuleNotFoundError"):
        registry().get("odd-broken")


def test_no_plugin_takes_the_place_of_a_built_in_method(monkeypatch):
    class Point:
        name = "aaa"
        value = "elsewhere:INFO"

        def load(self):
            return replace(OURS["deepmts"], title="Another")

    points = registry_module.entry_points(group=registry_module.GROUP)
    monkeypatch.setattr(registry_module, "entry_points", lambda **_: [Point(), *points])
    registry.cache_clear()
    try:
        found = registry()
    finally:
        registry.cache_clear()
    assert found.methods["deepmts"] == OURS["deepmts"]
    assert [(b.name, "'deepmts', which is already taken" in b.reason) for b in found.broken] == [("aaa", True)]


def test_a_wrong_name_is_met_with_the_right_one():
    with pytest.raises(UnknownNameError, match=r"Unknown method 'deepmst'. Did you mean 'deepmts'"):
        registry().get("deepmst")
    with pytest.raises(UnknownNameError, match="Did you mean '@marker'"):
        registry().select("@markers")


def names(wanted):
    return {m.name for m in registry().select(wanted)}


def test_every_method_of_ours_is_in_all_and_in_the_group_it_belongs_to():
    assert names("all") == LISTED
    of = {
        "marker": {"volume", "tlg", "suvmax", "lesions", "dmax"},
        "reference": {"oracle", "random", "padding"},
        "simple": {"clinical-cox", "clinical-volume-cox", "clinical-volume-mtlr"},
        "successors": {"radiomics-icare", "radiomics-icare-bagged"},
        "related": {"clinical-matsuo-dnn"} | {f"radiomics-{learner}" for learner in RELATED},
    }
    assert {group: names(f"@{group}") for group in of} == of
    assert names("@paper") == LISTED - set().union(*of.values())


def test_all_leaves_out_the_pairs_that_no_publication_reports(odd_plugins):
    assert "pair-of-mine" not in names("all")
    assert {"pair-in-print", "well"} <= names("all")
    assert names("all,-well") == names("-well") == names("all") - {"well"}
    assert names("pair-of-mine") == {"pair-of-mine"}
    assert names("@successors") == {"pair-in-print", "radiomics-icare", "radiomics-icare-bagged"}
    assert names("all,pair-of-mine") == names("all") | {"pair-of-mine"}


def test_a_word_that_is_a_group_and_a_family_means_the_group(odd_plugins):
    assert {"well", "hangs"} <= names("@outside")
    assert "pair-of-mine" not in names("@outside"), "its family is 'outside', its group is not"
    found = registry().groups()
    assert (found["outside"].kind, found["radiomics"].kind, found["table-2"].kind) == ("group", "family", "tag")
    for word, chosen in found.items():
        assert not chosen.methods or names(f"@{word}") == set(chosen.methods)


def test_a_group_without_a_method_leaves_nothing_out_and_cannot_be_run():
    assert names("all,-@ensemble") == LISTED
    with pytest.raises(BenchError, match="'@ensemble': no installed method is in that group"):
        names("@ensemble")


def test_a_learner_without_a_pair_in_all_names_its_pairs():
    mine = replace(OURS["volume"], name="radiomics-mine", pair=True, learner="mine", published=None)
    with pytest.raises(BenchError, match="No pair with the learner 'mine' is in 'all'. Name one: radiomics-mine."):
        Registry({mine.name: mine}, ()).select("mine")


def test_a_learner_chooses_its_published_pairs_and_a_name_any_pair():
    assert names("rsf") == {"radiomics-rsf", "deepfeat-rsf"}
    assert names("en-cox") == {"radiomics-en-cox"}
    assert names("mtlr,-clinical-volume-mtlr") == {"radiomics-mtlr"}
    assert names("deepfeat-deephit") == {"deepfeat-deephit"}
    with pytest.raises(UnknownNameError, match="Did you mean 'deephit'"):
        names("deephitt")


def test_methods_are_selected_by_name_family_and_tag():
    assert names("@marker") == {"volume", "tlg", "suvmax", "lesions", "dmax"}
    assert names("deepmts, volume") == {"deepmts", "volume"}
    assert "deepmts" in names("@table-2")
    with pytest.raises(BenchError, match="names no method"):
        names(",")
