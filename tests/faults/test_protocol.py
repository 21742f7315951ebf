"""Rows 21 and 22: patients in training and test at once, and folds that are not what they say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cohort_folder import write_cohort
from survbench.actions import planning
from survbench.actions.planning import dry_run
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.plan.profile import load_profile
from survbench.plan.protocol import write_splits
from table_cohort import table_rows, write_table_cohort

pytestmark = pytest.mark.faults


@pytest.fixture
def request_of(tmp_path):
    folder = write_table_cohort(tmp_path / "toy", table_rows(40))
    return Request(
        profile=load_profile("smoke"), cohort=str(folder), methods="clinical-cox", out=tmp_path / "out", workers=1
    )


def ids(count=40):
    return [row[0] for row in table_rows(count)[1:]]


# --- row 21


def test_row_21_the_same_patients_as_external_cohort_are_refused_under_whatever_features(request_of, tmp_path):
    rows = table_rows(40, seed=1)
    for row, own in zip(rows[1:], table_rows(40)[1:], strict=True):
        row[1:3] = own[1:3]
    other = replace(request_of, external=str(write_table_cohort(tmp_path / "other", rows)))
    with pytest.raises(CohortError, match=r"SB609 A patient with this id, time and event is in the cohort. 40 pat"):
        dry_run(other)
    planned = dry_run(replace(other, ignored=("SB609",)))
    assert [f.ignored for f in planned.study.findings if f.code == "SB609"] == [True]


def test_row_21_a_patient_in_two_folds_and_rows_of_one_patient_in_two_folds_are_refused(request_of, tmp_path):
    path = tmp_path / "splits.json"
    write_splits(path, [ids()[:20], ids()[19:]])
    with pytest.raises(CohortError, match="Patients are in several folds"):
        dry_run(replace(request_of, splits=path))


# --- row 22


def test_row_22_folds_that_were_changed_under_their_fingerprint_are_refused(request_of, tmp_path):
    path = tmp_path / "splits.json"
    write_splits(path, [ids()[:20], ids()[20:]])
    given = replace(request_of, splits=path)
    assert dry_run(given).protocol.folds == (tuple(ids()[:20]), tuple(ids()[20:]))
    raw = json.loads(path.read_text())
    raw["folds"][0][3], raw["folds"][1][3] = raw["folds"][1][3], raw["folds"][0][3]
    path.write_text(json.dumps(raw))
    with pytest.raises(BenchError, match="was changed: its fingerprint is not that of its folds"):
        dry_run(given)
    del raw["fingerprint"]
    path.write_text(json.dumps(raw))
    assert ids()[23] in dry_run(given).protocol.folds[0]


@pytest.mark.parametrize(
    "text",
    ['{"folds": "P00"}', '{"folds": {"a": ["P00"]}}', '{"folds": ["P00", "P01"]}', "[" * 100_000, "\ud800", "{}", "3"],
)
def test_row_22_splits_of_another_form_are_refused_in_a_sentence(request_of, tmp_path, text):
    path = tmp_path / "splits.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BenchError, match="is not of the form"):
        dry_run(replace(request_of, splits=path))


@pytest.mark.parametrize("skip_bad", [False, True])
def test_row_22_splits_that_do_not_fit_are_refused_before_anything_is_prepared(tmp_path, monkeypatch, skip_bad):
    def prepared(*_, **__):
        pytest.fail("images were prepared first")

    monkeypatch.setattr(planning, "prepare_source", prepared)
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"folds": [["P00", "P01"], ["stranger"]]}))
    request = Request(
        profile=load_profile("smoke"),
        cohort=str(write_cohort(tmp_path / "toy", 24)),
        methods="volume",
        out=tmp_path / "out",
        splits=path,
        skip_bad=skip_bad,
    )
    with pytest.raises(CohortError, match="Patients of the splits are not in the cohort. stranger") as error:
        run_study(request, Silent())
    assert ("are not in any fold" in str(error.value)) != skip_bad
