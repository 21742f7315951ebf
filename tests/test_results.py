"""Committed predictions: packed small, unpacked to the same board, and the committed boards are what follows."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from survbench.api import SURVIVAL_MONTHS
from survbench.bundle import pack, unpack
from survbench.errors import BenchError
from survbench.leaderboard.build import build_board
from survbench.leaderboard.render import json_text
from survbench.leaderboard.selection import selections
from survbench.store import Store
from survbench.study import Entry
from toy_study import IDS, OUTSIDE, method, outcomes, put, study

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "leaderboard" / "results"
TIME, _ = outcomes(IDS)
RNG = np.random.default_rng(5)


def script(name):
    """Return a script of the documentation as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def curves(risk):
    return np.exp(-np.exp(risk[:, None] / 30) * SURVIVAL_MONTHS / 30)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


@pytest.fixture
def chosen(store):
    """Return a study with survival curves, selected features, an external cohort, and a method that failed."""
    outside = RNG.normal(size=(1, 3, len(OUTSIDE)))
    kept = [[{"a": float(fold), "b": 1.0} for fold in range(3)]]
    entries = [
        method(store, "curves", -TIME + 20 * RNG.normal(size=30), outside=outside, survival=curves),
        method(store, "selects", RNG.normal(size=30), outside=outside, selected=kept),
        method(store, "failed", RNG.normal(size=30), outside=outside),
        Entry(name="skipped", title="s", family="marker", gives=("risk",), skipped="needs a PET channel"),
    ]
    error = {"type": "ValueError", "message": "no /home/somebody/secret", "traceback": "File /home/somebody/secret.py"}
    put(store, "failed-0-1", None, status="failed", error=error)
    made = study(entries)
    made.write(store.root)
    return made


def test_a_packed_study_gives_the_same_board_bit_for_bit(store, chosen, tmp_path):
    pack(chosen, store, tmp_path / "packed")
    other = Store(tmp_path / "other")
    again = unpack(tmp_path / "packed", other)
    assert again == chosen
    assert json_text(build_board(again, other)) == json_text(build_board(chosen, store))
    assert len(other.read("curves-0-0").curves()) == 0
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


def test_publishing_fills_a_folder_per_profile_and_building_again_changes_nothing(store, chosen, tmp_path):
    publish_results, results = script("publish_results"), tmp_path / "results"
    phantom = replace(chosen, name="phantom-smoke-1", cohort={**chosen.cohort, "name": "phantom"})
    phantom.write(store.root)
    with pytest.raises(SystemExit, match="are not complete"):
        publish_results.main([str(store.root)], results)
    assert not results.exists()
    phantom = replace(phantom, entries=tuple(e for e in phantom.entries if e.name != "failed"))
    phantom.write(store.root)
    publish_results.main([str(store.root)], results)
    assert [p.name for p in results.iterdir()] == ["phantom-smoke"], "only the phantom may travel with the code"
    before = {p: p.read_bytes() for p in results.rglob("*") if p.is_file()}
    assert {"leaderboard.md", "leaderboard.csv", "leaderboard.json"} <= {p.name for p in before}
    publish_results.main([], results)
    assert {p: p.read_bytes() for p in results.rglob("*") if p.is_file()} == before
    replace(phantom, name="phantom-smoke-2", protocol={**phantom.protocol, "tuning": "nested"}).write(store.root)
    publish_results.main([str(store.root)], results)
    assert {p: p.read_bytes() for p in results.rglob("*") if p.is_file()} == before, "a tuned study is another"
    replace(phantom, name="phantom-smoke-3").write(store.root)
    with pytest.raises(SystemExit, match="phantom-smoke-1, phantom-smoke-3 have one profile"):
        publish_results.main([str(store.root)], results)


def test_committed_boards_are_what_follows_from_committed_predictions(tmp_path):
    assert {p.parent.name for p in RESULTS.glob("*/study.json")} == {"phantom-quick", "phantom-smoke"}
    copy = tmp_path / "results"
    shutil.copytree(RESULTS, copy)
    for path in [*copy.glob("*/leaderboard.*"), *copy.glob("*/tables/*")]:
        path.unlink()
    script("publish_results").main([], copy)
    committed = {p.relative_to(RESULTS): p.read_bytes() for p in RESULTS.rglob("*") if p.is_file()}
    built = {p.relative_to(copy): p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    assert built.keys() == committed.keys()
    assert [str(name) for name in built if built[name] != committed[name]] == []
    assert sum(map(len, committed.values())) < 3_000_000


def test_the_readmes_table_is_the_committed_board():
    readme_leaderboard = script("readme_leaderboard")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme_leaderboard.with_board(text, readme_leaderboard.BOARD.read_text(encoding="utf-8")) == text
    with pytest.raises(SystemExit, match="0 blocks"):
        readme_leaderboard.with_board("no markers", "board")
