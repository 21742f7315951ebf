"""Predictions packed small, and unpacked to the same board."""

from __future__ import annotations

import pytest
from survbench.errors import BenchError
from survbench.evaluation.bundle import pack, unpack
from survbench.evaluation.feature_selection import selections
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.writers.board_files import board_texts
from survbench.runs.store import Store
from toy_study import mixed_study


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


@pytest.fixture
def chosen(store):
    return mixed_study(store)


def test_a_packed_study_gives_the_same_board_bit_for_bit(store, chosen, tmp_path):
    pack(chosen, store, tmp_path / "packed")
    other = Store(tmp_path / "other")
    again = unpack(tmp_path / "packed", other)
    assert again == chosen
    assert board_texts(build_board(again, other))["json"] == board_texts(build_board(chosen, store))["json"]
    assert len(other.read("curves-0-0").curves()) == 0
    assert other.read("curves-0-1").learning() == store.read("curves-0-1").learning()
    assert store.read("curves-0-1").learning() is not None
    assert other.read("curves-0-2").learning() is None
    assert [s.columns for s in selections(again, other)] == [s.columns for s in selections(chosen, store)]


def test_what_is_packed_is_small_and_names_no_machine(store, chosen, tmp_path):
    pack(chosen, store, tmp_path / "packed")
    # no run of this study has curves
    assert {p.name for p in (tmp_path / "packed").iterdir()} == {
        "study.json",
        "runs.json",
        "predictions.parquet",
        "selected.parquet",
    }
    assert "secret" not in (tmp_path / "packed" / "runs.json").read_text()
    assert sum(p.stat().st_size for p in (tmp_path / "packed").iterdir()) < 60_000


def test_damaged_runs_are_not_packed(store, chosen, tmp_path):
    (store.folder("curves-0-0") / "predictions.parquet").write_bytes(b"")
    with pytest.raises(BenchError, match="curves-0-0 are damaged"):
        pack(chosen, store, tmp_path / "packed")
