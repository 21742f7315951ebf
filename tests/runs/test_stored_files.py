"""Files that survbench has written stay readable: an example of each kind, as it was written once, is kept here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from survbench.errors import BenchError
from survbench.io.layout import SCHEMA, CurveSource, Status
from survbench.leaderboard.writers.board_files import board_texts, read_board
from survbench.plan.job import FitJob, ImportJob, JobKind, PredictJob, TuneJob, job_from_json
from survbench.plan.study import read_study
from survbench.runs.record import RunRecord

STORED = Path(__file__).parent / "stored"
RESULTS = Path(__file__).parents[2] / "leaderboard" / "results"


def job(name):
    return job_from_json(json.loads((STORED / f"{name}.json").read_text(encoding="utf-8")))


def test_a_stored_fit_names_its_patients_its_budget_and_the_fit_whose_features_it_takes():
    fit = job("fit")
    assert isinstance(fit, FitJob)
    assert fit.label == "deepfeat-lasso-cox seed 0 fold 1"
    assert len(fit.train) == len(fit.test) == 3
    assert fit.upstream is not None
    assert fit.required_keys == {fit.upstream.key}
    assert fit.training.steps == 6


def test_a_stored_search_prediction_and_import_are_read():
    search, prediction, imported = job("tune"), job("predict"), job("import")
    assert isinstance(search, TuneJob)
    assert search.required_keys == {"f" * 32}
    assert search.splits[0].validation == ("P3",)
    assert isinstance(prediction, PredictJob)
    assert prediction.required_keys == {prediction.fit}
    assert (prediction.method, prediction.cohort_name) == ("clinical-cox", "phantom-external")
    assert isinstance(imported, ImportJob)
    assert (imported.kind, imported.place) == (JobKind.IMPORT, "seed 0 fold 1")


def test_stored_records_say_how_jobs_ended():
    ran = RunRecord.model_validate_json((STORED / "fit-run.json").read_bytes())
    assert (ran.status, ran.survival) == (Status.OK, CurveSource.PREDICTED)
    assert (ran.seconds, ran.error) == (0.119, None)
    failed = RunRecord.model_validate_json((STORED / "failed-run.json").read_bytes())
    assert (failed.status, failed.error and failed.error.type) == ("timeout", "Timeout")


@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, "cached"])
def test_what_has_not_ended_is_not_stored(status):
    with pytest.raises(ValueError, match="status"):
        RunRecord(status=status)


@pytest.mark.parametrize("name", ["fit", "tune", "predict", "import"])
def test_what_a_later_version_adds_to_a_file_is_passed_over(name):
    raw = json.loads((STORED / f"{name}.json").read_text(encoding="utf-8"))
    assert job_from_json({**raw, "colour": "blue"}) == job_from_json(raw)


def with_more(raw):
    """Return JSON with a key more in every mapping of which survbench knows the keys."""
    later = {**raw, "colour": "blue"}
    for key in ("cohort", "protocol", "pairs"):
        if key in raw:
            later[key] = {**raw[key], "colour": "blue"}
    for key in ("entries", "rows", "contrasts", "findings"):
        later |= {key: [{**each, "colour": "blue"} for each in raw[key]]} if key in raw else {}
    for each in (*later.get("entries", ()), *later.get("rows", ())):
        for part in ("published", "learning"):
            each.update({part: {**each[part], "colour": "blue"}} if each.get(part) else {})
    return later


def test_what_a_later_version_adds_to_a_study_and_its_board_is_passed_over(tmp_path):
    folder = RESULTS / "phantom-smoke"
    for name in ("study.json", "leaderboard.json"):
        later = with_more(json.loads((folder / name).read_text(encoding="utf-8")))
        (tmp_path / name).write_text(json.dumps(later), encoding="utf-8")
    assert read_study(tmp_path) == read_study(folder)
    assert read_board(tmp_path / "leaderboard.json") == read_board(folder / "leaderboard.json")


def test_a_board_of_another_schema_is_not_taken_for_one_of_this(tmp_path):
    raw = json.loads((RESULTS / "phantom-smoke" / "leaderboard.json").read_text(encoding="utf-8"))
    (tmp_path / "board.json").write_text(json.dumps({**raw, "schema": 1}), encoding="utf-8")
    with pytest.raises(BenchError, match="it was written by another version of survbench: schema 1, not 2"):
        read_board(tmp_path / "board.json")


@pytest.mark.parametrize("raw", [{}, [], {"kind": "fit"}, {"kind": "sing", "key": "k", "method": "m"}])
def test_what_is_no_job_is_refused(raw):
    with pytest.raises(ValueError, match="validation error"):
        job_from_json(raw)


@pytest.mark.parametrize("folder", sorted(RESULTS.iterdir()), ids=lambda path: path.name)
def test_a_stored_study_and_its_board_are_read_and_written_alike(folder, tmp_path):
    study = read_study(folder)
    study.write_to(tmp_path)
    assert read_study(tmp_path) == study
    assert json.loads((folder / "study.json").read_text(encoding="utf-8"))["schema"] == SCHEMA
    board = read_board(folder / "leaderboard.json")
    assert board.protocol == study.protocol
    assert board_texts(board)["json"] == (folder / "leaderboard.json").read_text(encoding="utf-8")
