"""``bench study export``: a row's risks as a submission to HECKTOR 2022, and the challenge's score."""

from __future__ import annotations

import csv
import json
import re

from lifelines.utils import concordance_index
from survbench.datasets.cohorts.named import load_source
from survbench.plan.profile import load_profile


def test_a_row_is_exported_with_the_score_of_the_challenge(bench, finished, tmp_path):
    ended = bench("study", "export", "tlg", "--to", tmp_path / "out.csv", "--out", finished)
    assert ended.returncode == 0, ended.stderr
    with (tmp_path / "out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [*rows[0]] == ["PatientID", "Prediction"]
    cohort = load_source("phantom-external", profile=load_profile("smoke")).cohort
    by_id = {row["PatientID"]: float(row["Prediction"]) for row in rows}
    assert by_id.keys() == {*cohort.ids}
    # anti-concordant with the time, as the challenge asks; scored as its evaluation does
    expected = concordance_index(cohort.time, [-by_id[i] for i in cohort.ids], cohort.event)
    score, board = map(float, re.findall(r"0\.\d{4}", ended.stdout))
    assert score == round(expected, 4)
    (stored,) = (finished / "studies").glob("*/leaderboard.json")
    (row,) = (r for r in json.loads(stored.read_text())["rows"] if r["method"] == "tlg")
    assert board == round(row["external_c_index"], 4)


def test_a_row_that_is_not_there_is_named(bench, finished, tmp_path):
    ended = bench("study", "export", "tlgg", "--to", tmp_path / "out.csv", "--out", finished)
    assert ended.returncode == 2
    assert "Unknown row of this study 'tlgg'. Did you mean 'tlg'?" in ended.stderr
    assert not (tmp_path / "out.csv").exists()
