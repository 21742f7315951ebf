"""The committed boards are what follows from the committed predictions."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from survbench.leaderboard.writers.board_files import read_board
from survbench.plan.profile import builtin_profiles
from survbench.plan.registry import registry
from survbench.plan.study import read_study
from survbench.runs.store import Store
from toy_study import mixed_study

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "leaderboard" / "results"


def script(name):
    """Return a script of the documentation as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


@pytest.fixture
def chosen(store):
    return mixed_study(store)


def test_publishing_fills_a_folder_per_profile_and_building_again_changes_nothing(store, chosen, tmp_path):
    publish_results, results = script("publish_results"), tmp_path / "results"
    phantom = replace(chosen, name="phantom-smoke-1", cohort=chosen.cohort.model_copy(update={"name": "phantom"}))
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
    nested = phantom.protocol.model_copy(update={"tuning": "nested"})
    replace(phantom, name="phantom-smoke-2", protocol=nested).write(store.root)
    publish_results.main([str(store.root)], results)
    assert {p: p.read_bytes() for p in results.rglob("*") if p.is_file()} == before, "a tuned study is another"
    replace(phantom, name="phantom-smoke-3").write(store.root)
    with pytest.raises(SystemExit, match="phantom-smoke-1, phantom-smoke-3 have the same profile"):
        publish_results.main([str(store.root)], results)


def test_committed_boards_are_what_follows_from_committed_predictions(tmp_path):
    names = {p.parent.name.removeprefix("phantom-") for p in RESULTS.glob("*/study.json")}
    assert names == {"smoke", "quick", "standard"}
    copy = tmp_path / "results"
    shutil.copytree(RESULTS, copy)
    for path in [*copy.glob("*/leaderboard.*"), *copy.glob("*/tables/*")]:
        path.unlink()
    script("publish_results").main([], copy)
    committed = {p.relative_to(RESULTS): p.read_bytes() for p in RESULTS.rglob("*") if p.is_file()}
    built = {p.relative_to(copy): p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    assert built.keys() == committed.keys()
    assert [str(name) for name in built if built[name] != committed[name]] == []
    assert sum(map(len, committed.values())) < 5_000_000


@pytest.mark.parametrize("folder", sorted(p.parent for p in RESULTS.glob("*/study.json")), ids=lambda p: p.name)
def test_committed_boards_are_of_the_built_in_profiles_as_they_are_now(folder):
    profile = read_study(folder).profile
    built_in = builtin_profiles()[profile.name]
    assert profile.model_copy(update={"description": built_in.description}) == built_in


def test_the_readmes_table_is_the_committed_board():
    readme_leaderboard = script("readme_leaderboard")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    board = read_board(readme_leaderboard.BOARD)
    assert readme_leaderboard.with_table(text, board) == text
    assert len(readme_leaderboard.table(board).splitlines()) == 2 + len(readme_leaderboard.METHODS)
    with pytest.raises(SystemExit, match="0 blocks"):
        readme_leaderboard.with_table("no markers", board)


def test_no_committed_fit_took_more_memory_than_declared_and_networks_not_much_less():
    runs = json.loads((RESULTS / "phantom-quick" / "runs.json").read_text(encoding="utf-8")).values()
    peaks: dict[str, int] = {}
    for run in runs:
        if run["job"]["kind"] == "fit":
            method = run["job"]["method"]
            peaks[method] = max(peaks.get(method, 0), run["record"]["peak_memory_mb"])
    declared = {name: registry().methods[name].resources.quick_mb for name in peaks}
    assert {name: peak for name, peak in peaks.items() if peak > declared[name]} == {}
    networks = [name for name in peaks if registry().methods[name].selects]
    assert [name for name in networks if peaks[name] < 0.8 * declared[name]] == []
    assert len(networks) > 15
