"""``bench method``: write one, test it, and see what its fits made."""

from __future__ import annotations

import json

import numpy as np
import pytest
from survbench.actions import masks
from survbench.runs.store import Store
from toy_study import method, study

RISK = np.linspace(1, 0, 30)


@pytest.fixture
def out(tmp_path):
    """Return an output folder with a study of a method that tells nothing and one that segments."""
    store = Store(tmp_path / "out")
    segments = method(store, "segments", np.full(30, np.nan), gives=("segmentation",), dice=0.7)
    study([method(store, "good", RISK), segments], external=False).write(store.root)
    return store.root


def test_a_new_method_is_written_with_its_name_and_never_over_another(bench, tmp_path):
    ended = bench("method", "new", "my-own-method", "--no-install")
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "Wrote my-own-method/my_own_method.py; change it into your method.",
        "Install it with: pip install -e my-own-method. Then: bench method test my-own-method",
    ]
    text = (tmp_path / "my-own-method" / "my_own_method.py").read_text()
    assert "class MyOwnMethod:" in text
    assert 'my-own-method = "my_own_method:INFO"' in (tmp_path / "my-own-method" / "pyproject.toml").read_text()
    again = bench("method", "new", "my-own-method", "--no-install")
    assert again.stderr == "Error: my-own-method exists. Choose another name, or remove it.\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [("Bad Name", "Use kebab case"), ("deepmts", "There is already a method 'deepmts'.")],
)
def test_a_name_that_cannot_be_is_refused(bench, tmp_path, name, message):
    ended = bench("method", "new", name)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_method_is_tested(bench):
    ended = bench("method", "test", "volume")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.splitlines()[-1] == "volume: all checks passed."
    checks = json.loads(bench("method", "test", "volume", "--json").stdout)
    assert {c["outcome"] for c in checks} <= {"passed", "skipped"}
    unknown = bench("method", "test", "tgl")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("Error: Unknown method 'tgl'. Did you mean 'tlg'")


def test_masks_are_written_for_the_cohort_of_the_study(bench, out, tmp_path, monkeypatch):
    asked = []

    def export(of, store, name, source, target):
        asked.append((of.name, name, target))
        return [target / "P00_mask.nii.gz"]

    monkeypatch.setattr(masks, "export_masks", export)
    monkeypatch.setattr("survbench.datasets.cohorts.named.load_source", lambda name, **_: asked.append(name))
    monkeypatch.setattr("survbench.plan.profile.Profile.model_validate", dict)
    ended = bench("method", "show", "segments", "--masks", "there", "--out", out)
    assert (ended.returncode, ended.stdout) == (0, "Wrote 1 masks to there.\n")
    told = json.loads(bench("method", "show", "segments", "--masks", "there", "--json", "--out", out).stdout)
    assert told == {"study": "toy-smoke-00000000", "masks": ["there/P00_mask.nii.gz"]}
    bench("method", "show", "segments", "--masks", "there", "--cohort", "mine/", "--out", out)
    assert [a for a in asked if isinstance(a, str)] == ["toy", "toy", "mine/"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good"], "good does not say which features it keeps: its class has no 'selected'.\n"),
        (["segments"], "It segments: 'bench method show segments --masks FOLDER' writes its masks.\n"),
        (["goood"], "Unknown method of this study 'goood'. Did you mean 'good'? See 'bench status'.\n"),
        (["segments", "--cohort", "phantom"], "Add --masks FOLDER, or leave them out.\n"),
        (["segments", "--study", "toy"], "See 'bench status'.\n"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_cannot_be_shown_ends_with_2(bench, out, arguments, message):
    ended = bench("method", "show", *arguments, "--out", out)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith(message)
