"""Plugins: ours and outside ones by the same door, broken ones named, wrong names met with the right ones."""

from __future__ import annotations

import pytest
from survbench.api import FAMILIES, MethodInfo, Seeds
from survbench.errors import BenchError, UnknownNameError
from survbench.job import source_fingerprint
from survbench.registry import construct, registry, settings

OURS = registry().methods


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


def test_the_settings_of_a_method_are_what_it_was_given_and_the_defaults_of_its_bases():
    info = OURS["mt-casnet-unet"]
    found = settings(construct(info.target, info.params), info.params)
    assert (found["backbone"], found["l2"]) == ("unet", 0.1)
    assert found["schedule"][1] == [2500, 5e-5]  # of the class that it inherits from

    class Odd:
        def __init__(self, *, loss=len, rate=float("inf"), layers=(1, 2)): ...

    assert settings(Odd(), {}) == {"loss": "<built-in function len>", "rate": "inf", "layers": [1, 2]}


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


def test_a_wrong_name_is_met_with_the_right_one():
    with pytest.raises(UnknownNameError, match=r"Unknown method 'deepmst'. Did you mean 'deepmts'"):
        registry().get("deepmst")
    with pytest.raises(UnknownNameError, match="Did you mean '@marker'"):
        registry().select("@markers")


def test_methods_are_selected_by_name_family_and_tag():
    names = lambda wanted: {m.name for m in registry().select(wanted)}  # noqa: E731
    assert names("all") == set(OURS)
    assert names("@marker") == {"volume", "tlg", "suvmax"}
    assert names("deepmts, volume") == {"deepmts", "volume"}
    assert "deepmts" in names("@table-2")
    with pytest.raises(BenchError, match="names no method"):
        names(",")


def test_only_reference_rows_may_see_the_truth():
    with pytest.raises(ValueError, match="only reference rows"):
        MethodInfo(name="x", title="x", family="marker", target="a:B", needs_predict=frozenset({"truth"}))


def test_seeds_differ_by_axis_fold_seed_and_method_and_repeat():
    base = Seeds(0, 0, "a")
    others = [Seeds(1, 0, "a"), Seeds(0, 1, "a"), Seeds(0, 0, "b")]
    assert base.of("init") == Seeds(0, 0, "a").of("init")
    assert len({s.of("init") for s in [base, *others]} | {base.of("sampler")}) == 5


def test_changed_code_changes_the_key_of_what_imports_it(tmp_path, monkeypatch):
    package = tmp_path / "pluginx"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "method.py").write_text("from pluginx import helper\nfrom . import other\nimport os\n")
    (package / "helper.py").write_text("A = 1\n")
    (package / "other.py").write_text("B = 1\n")
    (package / "unrelated.py").write_text("C = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = source_fingerprint("pluginx.method")
    prints = [before]
    for name, text in (("unrelated.py", "C = 2\n"), ("helper.py", "A = 2\n"), ("other.py", "B = 2\n")):
        (package / name).write_text(text)
        source_fingerprint.cache_clear()
        prints.append(source_fingerprint("pluginx.method"))
    assert prints[1] == before
    assert prints[2] != prints[1]
    assert prints[3] != prints[2]
