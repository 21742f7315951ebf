"""What the checks find stands in the study and on its board, whether it was ignored or not."""

from __future__ import annotations

import json

import pytest
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.findings import CohortError
from survbench.leaderboard.writers.board_files import read_board
from survbench.plan.profile import load_profile
from survbench.plan.study import read_study
from table_cohort import CARD, table_rows, write_table_cohort

SMOKE = load_profile("smoke")


def request_for(folder, out, **more):
    return Request(profile=SMOKE, cohort=str(folder), methods="random,clinical-cox", out=out, **more)


def test_findings_of_both_cohorts_stand_on_the_board_and_ignored_ones_leave_a_trace(tmp_path):
    rows = table_rows()
    for row in rows[1:]:
        row[3] = "60"  # one age for all
    folder = write_table_cohort(tmp_path / "toy", rows)
    other = write_table_cohort(tmp_path / "other", table_rows(16, seed=1), card=CARD.replace("toy-", "other-"))
    result = run_study(request_for(folder, tmp_path / "out", external=str(other), ignored=("SB308",)), Silent())
    study_folder = result.study.folder(tmp_path / "out")
    for found in (read_study(study_folder).findings, read_board(study_folder / "leaderboard.json").findings):
        said = {(f.code, f.about): f for f in found}
        assert said["SB308", "cohort"].ignored
        assert said["SB308", "cohort"].sentence == "Column 'age' has one value only (60.0). (SB308, ignored)"
        assert not said["SB206", "external"].ignored
    assert "External cohort: There are only 8 events. (SB206)" in (study_folder / "leaderboard.md").read_text()
    again = json.loads((study_folder / "leaderboard.json").read_text())["findings"]
    assert {"code", "severity", "text", "remedy", "about", "ignored"} == set(again[0])


def test_an_outcome_among_the_features_stops_unless_it_is_ignored(tmp_path):
    rows = [[*row, cell] for row, cell in zip(table_rows(), ["f_days", *(r[1] for r in table_rows()[1:])], strict=True)]
    folder = write_table_cohort(tmp_path / "toy", rows)
    with pytest.raises(CohortError, match="SB306"):
        run_study(request_for(folder, tmp_path / "out"), Silent())
    board = run_study(request_for(folder, tmp_path / "out", ignored=("SB306",)), Silent()).board
    assert [f.ignored for f in board.findings if f.code == "SB306"] == [True]
