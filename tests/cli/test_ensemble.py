"""``bench study ensemble``, and what the plan of a following run makes of the row."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from survbench.actions.planning import entries_still_valid
from survbench.plan.study import read_study
from survbench.runs.store import Store
from toy_board import FAIR, GOOD
from toy_study import method, study


@pytest.fixture
def made(tmp_path):
    """Return a written study of two rows, which no code here has fitted: a plan does not ask for their code."""
    store = Store(tmp_path / "out")
    rows = [replace(method(store, name, risk), imported=True) for name, risk in (("a", GOOD), ("b", FAIR))]
    written = study(rows, external=False)
    written.write(store.root)
    return written


def test_the_command_puts_the_row_on_the_board_and_says_how_it_ranks(bench, made, tmp_path):
    ended = bench("study", "ensemble", "a", "b", "--name", "both", "--title", "Both", "--out", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    folder = made.folder(tmp_path / "out")
    rows = {row["method"]: row for row in json.loads((folder / "leaderboard.json").read_text())["rows"]}
    both = rows["both"]
    assert both["title"] == "Both"
    assert ended.stdout.startswith(f"both is on the board of {made.name}: C {both['c_index']:.3f}, rank {both['rank']}")
    assert "SB716 note: both: the mean of a, b." in ended.stdout
    assert (folder / "leaderboard.html").is_file()
    refused = bench("study", "ensemble", "a", "volume", "--out", tmp_path / "out")
    assert refused.returncode == 2
    assert "volume" in refused.stderr


def test_a_following_plan_keeps_the_row_for_as_long_as_its_members_and_says_why_it_goes(bench, made, tmp_path, caplog):
    assert bench("study", "ensemble", "a", "b", "--out", tmp_path / "out").returncode == 0
    earlier = read_study(made.folder(tmp_path / "out")).entries
    planned = SimpleNamespace(study=study([], external=False))

    def kept(entries):
        return [e.name for e in entries_still_valid(None, None, planned, entries)]

    assert kept(earlier) == ["a", "b", "ensemble"]
    assert not caplog.records
    assert kept([e for e in earlier if e.name != "b"]) == ["a"]
    assert [r.getMessage() for r in caplog.records] == ["ensemble was removed from the leaderboard with its members b."]
