"""``bench compare`` with methods of two studies."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import toy_study
from survbench.evaluation.compare import compare_methods
from survbench.plan import study as study_files
from survbench.runs.store import Store
from toy_study import IDS, method, study

TIME, EVENT = toy_study.outcomes(IDS)
RNG = np.random.default_rng(7)
GOOD, FAIR = (-TIME + scale * RNG.normal(size=30) for scale in (5.0, 25.0))
ONE, TWO = "toy-smoke-00000001", "toy-smoke-00000002"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


def written(store, name, risks, *, tau=21.0):
    """Write a study under a name, with a method for each risk, whose keys are the study's own."""
    entries = [replace(method(store, f"{name}-{m}", risk), name=m, title=m) for m, risk in risks.items()]
    made = study(entries, external=False)
    made = replace(
        made,
        name=name,
        protocol=made.protocol.model_copy(update={"folds": tuple(map(tuple, toy_study.folds())), "tau": tau}),
    )
    made.write(store.root)
    return made


@pytest.fixture
def two(store):
    """Return two studies on the same patients, each with ``good``; the second with ``fair``, too."""
    first = written(store, ONE, {"good": GOOD})
    return first, written(store, TWO, {"good": FAIR, "fair": FAIR}, tau=22.0)


def test_two_studies_compare_as_one_that_holds_both_methods(store, two, tmp_path):
    first, second = two
    across = compare_methods(first, store, "good", "fair", resamples=100, study_b=second)
    entries = [method(store, "good", GOOD), method(store, "fair", FAIR)]
    within = compare_methods(study(entries, external=False), store, "good", "fair", resamples=100)
    assert replace(across, study_a="", study_b="") == replace(within, study_a="", study_b="")
    assert within.labels == ("good", "fair")
    assert across.labels == (f"good@{ONE}", f"fair@{TWO}")


def test_methods_of_two_studies_are_told_apart_in_text_and_json(bench, store, two):
    ended = bench("compare", f"good@{ONE}", f"good@{TWO}", "--out", store.root)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[:2] == [
        f"Study {ONE} (selection last, tuning none)",
        f"Study {TWO} (selection last, tuning none)",
    ]
    assert f"difference (good@{ONE} - good@{TWO}) of Harrell's C-index" in ended.stdout
    told = json.loads(bench("compare", f"good@{ONE}", f"fair@{TWO}", "--out", store.root, "--json").stdout)
    assert (told["a"], told["study_a"], told["b"], told["study_b"]) == ("good", ONE, "fair", TWO)


def test_without_a_name_the_study_is_that_of_the_option_or_the_latest(bench, store, two):
    def studies(*arguments):
        told = json.loads(bench("compare", *arguments, "--out", store.root, "--json").stdout)
        return told["study_a"], told["study_b"]

    assert studies("good", "fair") == (TWO, TWO)
    assert studies("good", f"fair@{TWO}", "--study", ONE) == (ONE, TWO)
    ended = bench("compare", "good", "fair", "--out", store.root)
    assert ended.stdout.splitlines()[0] == f"Study {TWO} (selection last, tuning none)"
    assert "difference (good - fair) of" in ended.stdout


def test_a_study_is_read_once(bench, store, two, monkeypatch):
    read = []

    def reading(folder):
        read.append(folder.name)
        return actual(folder)

    actual = study_files.read_study
    monkeypatch.setattr(study_files, "read_study", reading)
    assert bench("compare", "good", "fair", "--out", store.root).returncode == 0
    assert read == [TWO]


def others(store, monkeypatch, **changed):
    """Write a study whose patients, outcomes or folds are others, and return what comparing with it says."""
    for name, value in changed.items():
        monkeypatch.setattr(toy_study, name, value)
    written(store, TWO, {"good": FAIR})
    monkeypatch.undo()


def refused(ended, store, line):
    assert (ended.returncode, ended.stdout) == (2, "")
    first, what, remedy = ended.stderr.splitlines()
    assert first == f"Error: {ONE} and {TWO} cannot be compared:"
    assert what.strip() == line
    assert remedy.endswith(f"with --splits {store.root / 'studies' / ONE / 'splits.json'}.")


def test_other_folds_are_refused_and_other_numbers_of_the_same_are_not(bench, store):
    written(store, ONE, {"good": GOOD})
    with pytest.MonkeyPatch.context() as patch:
        others(store, patch, folds=lambda: [IDS[k::3] for k in (2, 0, 1)])
    assert bench("compare", f"good@{ONE}", f"good@{TWO}", "--out", store.root).returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        others(store, patch, folds=lambda: [IDS[k::2] for k in range(2)])
    ended = bench("compare", f"good@{ONE}", f"good@{TWO}", "--out", store.root)
    refused(
        ended, store, "patients who share their fold with others (30, 3 against 2 folds): P00, P01, P02, P03, P04, ..."
    )


def test_other_outcomes_are_refused(bench, store):
    written(store, ONE, {"good": GOOD})
    time = TIME.copy()
    time[[3, 5]] += 1.0
    with pytest.MonkeyPatch.context() as patch:
        others(store, patch, outcomes=lambda ids: (time, EVENT))
    ended = bench("compare", f"good@{ONE}", f"good@{TWO}", "--out", store.root)
    refused(ended, store, "patients with other outcomes (2): P03, P05")


def test_other_patients_are_refused(bench, store):
    written(store, ONE, {"good": GOOD})
    with pytest.MonkeyPatch.context() as patch:
        others(store, patch, folds=lambda: [IDS[:14], IDS[14:29]])
    ended = bench("compare", f"good@{ONE}", f"good@{TWO}", "--out", store.root)
    refused(ended, store, f"patients that only {ONE} has (1): P29")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good", "fair", "--study", ONE], f"fair is not in {ONE}. Choose a study of both with --study: {TWO}."),
        (["good", f"fair@{ONE}"], f"fair is not in {ONE}. Choose a study of both with --study: {TWO}."),
        (["only", "fair"], f"only is not in {TWO}. Name its study: only@{ONE}."),
        (["good", "fare"], "Unknown method of this study 'fare'. Did you mean 'fair'? See 'bench status'."),
        (["good@nowhere", "fair"], f"Unknown study 'nowhere'. Known: {ONE}, {TWO}. See 'bench status'."),
        (["good@", "fair"], "'good@' names no method of a study. Give METHOD or METHOD@STUDY; see 'bench status'."),
        (["good"], "Give two methods of a study ('bench status' lists them), or a file with --csv FILE."),
        (["good", "fair", "--a", "x"], "--a belong to a table of risks. Add --csv FILE."),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_cannot_be_found_is_said_with_where_it_is(bench, store, arguments, message):
    written(store, ONE, {"good": GOOD, "only": GOOD})
    written(store, TWO, {"good": FAIR, "fair": FAIR})
    ended = bench("compare", *arguments, "--out", store.root)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"Error: {message}\n")
