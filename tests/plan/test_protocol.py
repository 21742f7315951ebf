"""Folds: stratified, stable, checked when they are given."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from survbench.cohort import Cohort, Subject
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.plan.folds import inner_folds, inner_split, stratified_folds
from survbench.plan.protocol import Protocol, read_splits, write_splits


def cohort_of(n=60, events=24, centres=("A",)):
    subjects = tuple(Subject(f"p{i:03d}", centres[i % len(centres)], {}, {}) for i in range(n))
    event = np.zeros(n, dtype=bool)
    event[np.random.default_rng(0).choice(n, events, replace=False)] = True
    return Cohort(subjects=subjects, time=np.arange(1.0, n + 1), event=event)


@pytest.mark.parametrize(("n", "events", "folds"), [(60, 24, 5), (170, 48, 5), (24, 14, 2), (51, 27, 3)])
def test_every_patient_is_tested_once_and_events_are_spread_evenly(n, events, folds):
    cohort = cohort_of(n, events)
    made = stratified_folds(cohort, folds)
    assert sorted(i for fold in made for i in fold) == sorted(cohort.ids)
    counts = [int(cohort.select(fold).event.sum()) for fold in made]
    assert max(counts) - min(counts) <= 1
    sizes = [len(fold) for fold in made]
    assert max(sizes) - min(sizes) <= 1


def test_centres_are_spread_where_every_cell_is_large_enough():
    cohort = cohort_of(80, 40, ("A", "B"))
    for fold in stratified_folds(cohort, 4):
        chosen = cohort.select(fold)
        for event in (True, False):
            cells = [s.centre for s, e in zip(chosen.subjects, chosen.event, strict=True) if e == event]
            assert abs(cells.count("A") / len(cells) - 0.5) < 0.2


def test_folds_do_not_depend_on_the_order_of_the_table():
    cohort = cohort_of()
    shuffled = cohort.take(np.random.default_rng(1).permutation(len(cohort)))
    assert stratified_folds(cohort, 5) == stratified_folds(shuffled, 5)


@pytest.mark.faults  # row 20
def test_too_few_events_are_refused_with_the_reason():
    with pytest.raises(CohortError, match="4 events cannot be divided into 5 folds"):
        stratified_folds(cohort_of(60, 4), 5)


@pytest.mark.faults  # row 20
def test_generated_folds_without_comparable_pairs_are_refused_as_given_ones_are():
    alone = cohort_of(5, 5)
    with pytest.raises(CohortError, match="Folds 0, 1, 2, 3, 4 have no two patients whose order is known"):
        stratified_folds(alone, 5)
    late = replace(cohort_of(24, 12), time=np.where(cohort_of(24, 12).event, 10.0, 1.0))
    with pytest.raises(CohortError, match="SB601 Folds 0, 1 have no two patients"):
        stratified_folds(late, 2)
    with pytest.raises(BenchError, match="cannot be divided into 2 inner folds. Folds 0, 1 have no two"):
        inner_folds(late, 2)


def test_inner_validation_is_a_stratified_fifth_and_refused_where_it_has_too_few_events():
    cohort = cohort_of(100, 40)
    train, validation = inner_split(cohort)
    assert len(validation) == 20
    assert cohort.event[validation].sum() == 8
    assert set(train) | set(validation) == set(range(100))
    assert not set(train) & set(validation)
    with pytest.raises(BenchError, match="needs 5 events"):
        inner_split(cohort_of(60, 20))


def test_splits_written_are_read_back(tmp_path):
    cohort = cohort_of()
    folds = stratified_folds(cohort, 3)
    write_splits(tmp_path / "splits.json", folds)
    assert read_splits(tmp_path / "splits.json", cohort) == folds
    rows = ["id,fold", *(f"{i},{k}" for k, fold in enumerate(folds) for i in fold)]
    (tmp_path / "splits.csv").write_text("\n".join(rows))
    assert read_splits(tmp_path / "splits.csv", cohort) == folds


def test_all_faults_of_given_splits_are_listed_at_once(tmp_path):
    cohort = cohort_of(6, 3)
    event_ids = [i for i, e in zip(cohort.ids, cohort.event, strict=True) if e]
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"folds": [[*event_ids, "stranger"], [event_ids[0]], ["p999"]]}))
    with pytest.raises(CohortError) as caught:
        read_splits(path, cohort)
    text = str(caught.value)
    for part in (
        "are not in the cohort. 2 patients: p999, stranger.",
        "are not in any fold",
        "are in several folds",
        "Fold 1 has no two patients whose order is known.",
        "Fold 2 has no event, so no C-index.",
        "Fold 0 has too few events outside it to train on.",
    ):
        assert part in text


def test_unreadable_splits_say_which_form_is_expected(tmp_path):
    path = tmp_path / "splits.json"
    path.write_text("[1, 2]")
    with pytest.raises(BenchError, match="is not of the form"):
        read_splits(path, cohort_of())
    with pytest.raises(BenchError, match="no splits file"):
        read_splits(tmp_path / "none.json", cohort_of())


@pytest.mark.parametrize("blank", ["", "NA", "nan"])
def test_a_patient_without_a_fold_is_named(tmp_path, blank):
    first, *others = cohort_of().ids
    rows = ["id,fold", f"{first},{blank}", *(f"{i},{n % 2}" for n, i in enumerate(others))]
    (tmp_path / "splits.csv").write_text("\n".join(rows))
    with pytest.raises(BenchError, match=f"no fold for 1 patient, the first of them '{first}'"):
        read_splits(tmp_path / "splits.csv", cohort_of())


def test_the_fingerprint_changes_with_the_folds_and_with_nothing_else():
    folds = stratified_folds(cohort_of(), 3)
    assert Protocol(folds=folds).to_json()["fingerprint"] == Protocol(folds=folds).to_json()["fingerprint"]
    other = stratified_folds(cohort_of(), 4)
    assert Protocol(folds=folds).to_json()["fingerprint"] != Protocol(folds=other).to_json()["fingerprint"]


def test_the_published_selection_brings_the_published_standardisation():
    folds = stratified_folds(cohort_of(), 3)
    assert Protocol(folds=folds).standardisation == "out-of-fold"
    assert Protocol(folds=folds, selection="paper").standardisation == "external"
