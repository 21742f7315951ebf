"""What is planned, and which changes make jobs others."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from cohort_folder import CARD, write_cohort
from survbench.actions.planning import dry_run
from survbench.actions.request import Request
from survbench.plan import code_key
from survbench.plan.profile import load_profile


def request_for(out, methods, **more):
    return Request(profile=load_profile("smoke"), methods=methods, out=out, **more)


@pytest.fixture
def fresh_code():
    """Let no test read a module's source as another has changed it."""
    yield
    code_key.clear()


def test_a_key_covers_all_code_that_runs_and_the_libraries(fresh_code, monkeypatch, tmp_path):
    def keys():
        code_key.clear()
        planned = dry_run(request_for(tmp_path, "clinical-cox"))
        return {j.key for j in planned.plan.jobs if j.kind == "fit"}

    before = keys()
    assert keys() == before
    source = code_key._content
    for name in ("survbench.api", "survbench.work.prepared", "survbench.work.fit", "survbench.features.clinical"):
        changed = cache(lambda m, n=name: source(m) + ("# changed" if m == n else ""))
        monkeypatch.setattr(code_key, "_content", changed)
        assert keys().isdisjoint(before), name
    monkeypatch.setattr(code_key, "_content", source)
    assert keys() == before
    monkeypatch.setattr(code_key, "installed_version", lambda _: "99")
    assert keys().isdisjoint(before)


def test_the_budget_of_networks_is_in_the_keys_of_networks_alone(tmp_path):
    def keys(steps):
        profile = load_profile("smoke")
        training = profile.training.model_copy(update={"steps": steps})
        request = replace(
            request_for(tmp_path, "clinical-cox,mdsn"), profile=profile.model_copy(update={"training": training})
        )
        planned = dry_run(request)
        return {j.method: j.key for j in planned.plan.jobs if j.kind == "fit"}

    few, many = keys(6), keys(7)
    assert few["clinical-cox"] == many["clinical-cox"]
    assert few["mdsn"] != many["mdsn"]


def test_a_dry_run_prepares_and_writes_no_run(tmp_path):
    planned = dry_run(request_for(tmp_path, "volume"))
    assert len(planned.to_do) == 4
    assert not (tmp_path / "runs").exists()


def keys_of(folder, out, methods="clinical-cox,volume"):
    planned = dry_run(request_for(out, methods, cohort=str(folder)))
    return {m: {j.key for j in planned.plan.jobs if j.method == m} for m in methods.split(",")}


def test_keys_follow_what_the_card_declares_and_the_table_says(tmp_path):
    folder, out = write_cohort(tmp_path / "toy", 24), tmp_path / "out"
    base = keys_of(folder, out)
    assert keys_of(folder, out) == base
    assert not (out / "cohorts").exists(), "a plan that is only looked at writes nothing"
    ordinal = CARD.replace("kind: categorical, levels: [f, m]}", "kind: ordinal, levels: [m, f], model: true}")
    only_sex = CARD.replace("kind: numeric, model: true", "kind: numeric").replace("[f, m]}", "[f, m], model: true}")
    changes = {
        "another kind": (("clinical-cox",), ordinal),
        "another column": (("clinical-cox",), only_sex),
        "another field of view": (("volume",), CARD.replace("[64, 64, 64]", "[60, 60, 60]")),
    }
    for why, (changed, card) in changes.items():
        (folder / "cohort.yaml").write_text(card)
        found = keys_of(folder, out)
        for method in base:
            assert (not found[method] & base[method]) == (method in changed), f"{why}: {method}"
