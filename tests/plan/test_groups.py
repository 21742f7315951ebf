"""Rows of one group, such as the lesions of a patient, stay together wherever patients are dealt."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from survbench.cohort import Cohort, Subject
from survbench.findings import CohortError
from survbench.models.learners.selection_folds import selection_folds
from survbench.plan.folds import inner_folds, inner_split, stratified_folds
from survbench.plan.protocol import read_splits


def cohort(patients=40, rows=2, *, grouped=True):
    """Return a cohort of so many patients with so many rows each; every second patient has an event."""
    names = [(f"P{p:02d}", f"P{p:02d}_L{r}") for p in range(patients) for r in range(rows)]
    event = np.array([int(p[1:]) % 2 == 0 for p, _ in names])
    return Cohort(
        subjects=tuple(Subject(i, "A", {}, {}, p if grouped else "") for p, i in names),
        time=np.arange(1.0, len(names) + 1),
        event=event,
    )


def groups_of(ids):
    return {i.split("_")[0] for i in ids}


def test_rows_of_a_group_lie_in_one_fold_and_folds_are_balanced():
    c = cohort()
    folds = stratified_folds(c, 4)
    assert sorted(i for fold in folds for i in fold) == sorted(c.ids)
    assert [len(groups_of(fold)) for fold in folds] == [10] * 4
    assert [c.event[[c.ids.index(i) for i in fold]].sum() for fold in folds] == [10] * 4
    assert stratified_folds(c.take(np.random.default_rng(0).permutation(len(c))), 4) == folds


def test_without_groups_rows_are_dealt_one_by_one():
    c = cohort(grouped=False)
    folds = stratified_folds(c, 4)
    assert sum(len(groups_of(fold)) for fold in folds) > 40
    alone = replace(c, subjects=tuple(replace(s, group=s.id) for s in c.subjects))
    assert stratified_folds(alone, 4) == folds


def test_inner_folds_and_the_inner_split_keep_groups():
    c = cohort()
    assert sum(len(groups_of(fold)) for fold in inner_folds(c, 5)) == 40
    train, validation = inner_split(c)
    assert not groups_of(c.ids[n] for n in train) & groups_of(c.ids[n] for n in validation)
    assert len(train) + len(validation) == len(c)


def test_learners_deal_groups_into_their_inner_folds():
    event = np.array([True, True, False, False] * 10)
    alone = selection_folds(event, range(40), most=10)
    assert alone[event].tolist() == [n % 10 for n in range(20)]
    pairs = selection_folds(event, [n // 2 for n in range(40)], most=10)
    assert (pairs[::2] == pairs[1::2]).all()
    assert set(pairs) == set(range(10))


def test_too_few_patients_count_groups_and_not_rows():
    with pytest.raises(CohortError, match="3 events cannot be divided into 4 folds"):
        stratified_folds(cohort(6, 5), 4)


def test_splits_that_part_a_group_are_refused(tmp_path):
    c = cohort(8)
    path = tmp_path / "splits.json"
    whole = [[i for i in c.ids if int(i[1:3]) % 4 < 2], [i for i in c.ids if int(i[1:3]) % 4 >= 2]]
    path.write_text(json.dumps({"folds": whole}))
    assert len(read_splits(path, c)) == 2
    path.write_text(json.dumps({"folds": [c.ids[:5], c.ids[5:]]}))
    with pytest.raises(CohortError, match=r"Rows of one patient .* are in several folds. P02"):
        read_splits(path, c)
