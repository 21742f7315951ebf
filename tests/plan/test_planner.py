"""Methods, seeds and folds become jobs: what each requires, which patients it may see, and what is not planned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.cohort import Cohort, Subject
from survbench.errors import BenchError
from survbench.plan.planner import plan
from survbench.plan.profile import load_profile
from survbench.plan.protocol import Protocol
from survbench.plan.registry import registry
from survbench.plan.requirements import PlannedCohort
from survbench.volume import Volume

METHODS = registry().methods
SMOKE = load_profile("smoke")
PATIENTS, FOLDS = 24, 3


def prepared(name="toy", *, modalities=("PET", "CT"), without=()):
    """Return a prepared cohort that offers everything but ``without``; every second patient has an event."""
    ids = [f"{name}-{n:02d}" for n in range(PATIENTS)]
    channels = [m.lower() for m in modalities]
    voxels = np.zeros((2, 2, 2))
    volumes = {
        c: Volume(m, voxels.shape, np.eye(4), lambda: voxels, lambda: "")
        for c, m in zip(channels, modalities, strict=True)
    }
    files = {c: f"file-of-{c}" for c in [*channels, "mask"] if c not in without}
    return PlannedCohort(
        name=name,
        fingerprint=f"prepared-{name}",
        rows={
            i: {"centre": "A", "volumes": files, "clinical": {"age": 50}, "radiomics": "key", "truth": 0.5} for i in ids
        },
        cohort=Cohort(
            subjects=tuple(Subject(i, "A", {}, volumes) for i in ids),
            time=np.arange(1.0, PATIENTS + 1),
            event=np.arange(PATIENTS) % 2 == 0,
        ),
        offers=frozenset({"images", "mask", "clinical", "radiomics", "truth"} - set(without)),
        declared={"channels": channels, "clinical_columns": [["age", "numeric", []]]},
        grid=(32, 32, 32),
    )


def planned(*names, train=None, external=None, profile=SMOKE, **protocol):
    train, infos = train or prepared(), [METHODS[name] for name in names]
    folds = tuple(tuple(sorted(train.rows)[k::FOLDS]) for k in range(FOLDS))
    return plan(
        infos,
        train,
        external,
        Protocol(folds=folds, **protocol),
        profile,
        device="cpu",
        upstreams={m.upstream: METHODS[m.upstream] for m in infos if m.upstream},
    )


def of_kind(made, kind, method=None):
    return [job for job in made.jobs if job.kind == kind and method in {None, job.method}]


def test_every_patient_is_predicted_once_by_a_fit_that_has_not_seen_it():
    fits = of_kind(planned("clinical-cox"), "fit")
    assert sorted(i for fit in fits for i in fit.test) == sorted(prepared().rows)
    for fit in fits:
        assert set(fit.train) == set(prepared().rows) - set(fit.test)


def test_what_has_no_chance_in_it_is_fitted_with_one_seed():
    made = planned("clinical-cox", "mdsn", seeds=3)
    seeds = {e.name: len(e.fits) for e in made.entries}
    assert seeds == {"clinical-cox": 1, "mdsn": 3}
    assert len(of_kind(made, "fit", "mdsn")) == len({j.key for j in of_kind(made, "fit", "mdsn")}) == 3 * FOLDS


def test_deep_features_come_from_the_network_of_their_own_fold_and_seed():
    made = planned("deepfeat-lasso-cox", "deepfeat-rsf", seeds=2)
    networks = {job.key: job for job in of_kind(made, "fit", "deepmts")}
    assert len(networks) == 2 * FOLDS, "two methods share them"
    order = [job.key for job in made.jobs]
    for name in ("deepfeat-lasso-cox", "deepfeat-rsf"):
        for fit in of_kind(made, "fit", name):
            above = networks[fit.upstream.key]
            assert (above.seed, above.fold, above.train) == (fit.seed, fit.fold, fit.train)
            assert order.index(above.key) < order.index(fit.key)
    assert [e.name for e in made.entries] == ["deepfeat-lasso-cox", "deepfeat-rsf"], "nobody asked for a row of it"


@pytest.mark.parametrize("tuning", ["none", "nested", "paper"])
@pytest.mark.parametrize("external", [None, prepared("outside")], ids=["alone", "with an external cohort"])
def test_every_job_stands_after_all_that_it_requires_and_stands_once(tuning, external):
    made = planned("deepfeat-rsf", "deepmts", "radiomics-rsf", tuning=tuning, external=external)
    done = set()
    for job in made.jobs:
        assert job.key not in done
        assert job.required_keys <= done, job.kind
        done.add(job.key)
    in_entries = {k for e in made.entries for part in (e.fits, e.predicts, e.tunes) for keys in part for k in keys}
    assert in_entries <= done


def test_nested_tuning_sees_no_patient_of_the_test_fold():
    made = planned("radiomics-lasso-cox", "volume", tuning="nested")
    fits = of_kind(made, "fit", "radiomics-lasso-cox")
    searches = {job.key: job for job in of_kind(made, "tune")}
    assert len(searches) == len(fits) == FOLDS
    for fit in fits:
        splits = searches[fit.tune].splits
        assert tuple(sorted(i for split in splits for i in split.validation)) == fit.train
        for split in splits:
            assert not set(split.train) & set(split.validation)
            assert set(split.train) | set(split.validation) == set(fit.train)
    assert of_kind(made, "fit", "volume")[0].tune is None, "it has no space to search"


def test_features_of_inner_folds_come_from_networks_that_have_not_seen_their_patients():
    made = planned("deepfeat-lasso-cox", tuning="nested")
    by_key = {job.key: job for job in made.jobs}
    for search in of_kind(made, "tune", "deepfeat-lasso-cox"):
        tunes = {by_key[split.upstream.key].tune for split in search.splits}
        assert len(tunes) == 1, "tuned as the fold's network is"
        assert by_key[tunes.pop()].fold == search.fold
        for split in search.splits:
            assert not set(by_key[split.upstream.key].train) & set(split.validation)


def test_published_tuning_is_one_search_scored_on_the_test_folds():
    made = planned("radiomics-lasso-cox", tuning="paper")
    (search,) = of_kind(made, "tune")
    fits = of_kind(made, "fit")
    assert search.fold is None
    assert {fit.tune for fit in fits} == {search.key}
    assert [split.validation for split in search.splits] == [fit.test for fit in fits]
    (entry,) = made.entries
    assert entry.tunes == ((search.key,),), "of several folds tuned at once there is one"


@pytest.mark.parametrize(
    ("name", "train", "why"),
    [
        ("volume", {"without": {"mask"}}, "needs mask: the cohort has no tumour masks"),
        ("tlg", {"modalities": ("CT",)}, "needs a PET channel"),
        ("tlg", {"modalities": ("CT",), "without": {"mask"}}, "no tumour masks; needs a PET channel"),
        ("deepfeat-rsf", {"without": {"mask"}}, "its upstream method deepmts needs mask"),
        ("clinical-cox", {"without": {"clinical"}}, "needs clinical: the card gives no clinical column"),
        ("oracle", {"without": {"truth"}}, "needs truth: only simulated cohorts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_method_that_a_cohort_cannot_serve_is_skipped_and_says_why(name, train, why):
    made = planned(name, train=prepared(**train))
    (entry,) = made.entries
    assert why in entry.skipped
    assert (made.jobs, entry.fits) == ((), ())


def test_clinical_columns_are_optional_beside_other_needs():
    made = planned("deepmts", train=prepared(without={"clinical"}))
    assert made.entries[0].skipped == ""


def test_an_external_cohort_without_masks_leaves_out_predictions_that_take_one_alone():
    made = planned("deepmts", "volume", external=prepared("outside", without={"mask"}))
    deepmts, volume = made.entries
    assert (volume.predicts, volume.skipped) == ((), "")
    assert "no tumour masks" in volume.skipped_external
    assert len(volume.fits[0]) == FOLDS
    assert len(deepmts.predicts[0]) == FOLDS
    for job in of_kind(made, "predict"):
        assert job.test == tuple(sorted(prepared("outside").rows))
        assert job.fit in deepmts.fits[0]


def test_what_is_asked_for_beside_a_method_changes_none_of_its_keys():
    together = planned("deepfeat-rsf", "mdsn", "volume", tuning="nested", external=prepared("outside"))
    for entry in together.entries:
        (alone,) = planned(entry.name, tuning="nested", external=prepared("outside")).entries
        assert alone == entry


def test_what_a_method_is_called_and_grouped_by_changes_none_of_its_keys(monkeypatch):
    names = ("mdsn", "deepfeat-rsf", "volume")
    before = planned(*names, tuning="nested", external=prepared("outside"))
    for name in (*names, "deepmts"):
        other = replace(METHODS[name], group="successors", pair=not METHODS[name].pair, tags=frozenset({"mine"}))
        monkeypatch.setitem(METHODS, name, other)
    after = planned(*names, tuning="nested", external=prepared("outside"))
    assert [entry.group for entry in after.entries] == ["successors"] * 3
    assert [job.key for job in after.jobs] == [job.key for job in before.jobs]


def test_another_image_of_a_patient_makes_other_jobs_where_it_is_seen_and_nowhere_else():
    names = ("mdsn", "tlg", "clinical-cox")
    train = prepared()
    rows = {i: dict(row) for i, row in train.rows.items()}
    rows[min(rows)]["volumes"] = {**rows[min(rows)]["volumes"], "pet": "another file"}
    before, after = planned(*names).entries, planned(*names, train=replace(train, rows=rows)).entries
    changed = {old.name: len(set(old.fits[0]) - set(new.fits[0])) for old, new in zip(before, after, strict=True)}
    assert changed == {"mdsn": FOLDS, "tlg": 1, "clinical-cox": 0}, "a marker sees no image of who is not predicted"


def test_selecting_on_inner_patients_is_refused_where_they_are_too_few():
    with pytest.raises(BenchError, match="needs 5 events"):
        planned("mdsn", selection="inner")
    assert len(planned("clinical-cox", selection="inner").jobs) == FOLDS, "it selects no checkpoint"
    made = planned("deepmts", "clinical-cox", train=prepared(without={"mask"}), selection="inner")
    assert [bool(e.skipped) for e in made.entries] == [True, False], "what is skipped needs no inner patients"
