"""``bench compare --csv``: what it prints, and what it says of arguments that do not go together."""

from __future__ import annotations

import json

import numpy as np
import pytest
from survbench.significance import compare
from toy_survival import simulated

KEYS = {
    "n",
    "events",
    "pairs",
    "c_index_a",
    "c_index_b",
    "difference",
    "se",
    "ci_low",
    "ci_high",
    "estimand",
    "p",
    "z",
    "smallest_detectable_difference",
}


def write(path, columns):
    lines = [",".join(columns), *(",".join(str(x) for x in row) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def columns():
    time, event, fold, truth = simulated(n=40, folds=2)
    b = truth + np.random.default_rng(1).normal(size=40)
    ids = [f"P{i}" for i in range(40)]
    return {"id": ids, "time": time, "event": event.astype(int), "ours": truth, "theirs": b, "fold": fold}


def test_json_has_exactly_the_documented_keys_and_the_functions_numbers(bench, columns, tmp_path):
    ended = bench("compare", "--csv", write(tmp_path / "risks.csv", columns), "--json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found.pop("event") == {"column": "event", "observed": ["1"], "censored": ["0"]}
    assert found.pop("turned_round") == []
    assert set(found) == KEYS
    assert set(found["p"]) == {"bootstrap", "jackknife", "compareC", "permutation"}
    assert set(found["z"]) == {"jackknife", "compareC"}
    expected = compare(*(columns[name] for name in ("time", "event", "ours", "theirs", "fold")))
    assert {key: getattr(expected, key) for key in KEYS} == found
    assert "2 folds" in found["estimand"]


def test_text_ends_with_a_sentence_that_names_the_columns(bench, columns, tmp_path):
    renamed = {"months": columns["time"], "died": columns["event"], "x": columns["theirs"], "y": columns["ours"]}
    path = write(tmp_path / "risks.csv", {**renamed, "age": columns["fold"]})
    ended = bench("compare", "--csv", path, "--time", "months", "--event", "died", "--a", "y", "--b", "x")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    counted = f"({columns['event'].sum()} of 40 patients)"
    assert lines[0] == f"Event: '1' in column 'died' {counted}; censored: '0' (by the column's name)"
    assert lines[1].startswith("40 patients, ")
    assert "difference (y - x) of Harrell's C-index" in ended.stdout
    for test in ("bootstrap", "jackknife", "compareC", "permutation"):
        assert test in lines[4]
    assert " y " in lines[-1]
    assert " x " in lines[-1]


def test_data_without_an_answer_give_null_and_reasons(bench, tmp_path):
    path = write(tmp_path / "risks.csv", {"time": [1, 2, 3], "event": [0, 0, 1], "a": [1, 2, 3], "b": [3, 1, 2]})
    ended = bench("compare", "--csv", path, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["p"]["jackknife"] is None
    ended = bench("compare", "--csv", path)
    assert "no comparable pair" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("These data cannot compare a with b")


def test_censoring_is_no_event_whatever_its_code_and_turned_risks_are_named(bench, columns, tmp_path):
    told = {"time": columns["time"], "died": columns["event"], "a": -columns["ours"], "b": columns["theirs"]}
    turned = {**told, "censored": 1 - columns["event"]}
    del turned["died"]
    ended = bench("compare", "--csv", write(tmp_path / "risks.csv", turned), "--event", "censored", "--json")
    found = json.loads(ended.stdout)
    assert found["events"] == columns["event"].sum()
    assert found["event"] == {"column": "censored", "observed": ["0"], "censored": ["1"]}
    assert found["turned_round"] == ["a"]
    ended = bench("compare", "--csv", tmp_path / "risks.csv", "--event", "censored", "--event-code", "1")
    assert ended.stdout.startswith(f"Event: '1' in column 'censored' ({40 - columns['event'].sum()} of 40 patients)")
    ended = bench("compare", "--csv", write(tmp_path / "plain.csv", told), "--event", "died")
    assert "Note: a: C is far below 0.5" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give two methods of a study"),
        (["deepmts"], "Give two methods of a study"),
        (["deepmts", "--csv", "risks.csv"], "Name them with --a and --b"),
        (["deepmts", "tlg", "--event", "died"], "Add --csv FILE"),
        (["--csv", "risks.csv", "--study", "x"], "Leave out --study and --out"),
        (["--csv", "none.csv"], "There is no table none.csv"),
    ],
    ids=" ".join,
)
def test_wrong_combinations_end_with_2_and_a_remedy(bench, arguments, message, tmp_path):
    ended = bench("compare", *arguments)
    assert ended.returncode == 2, ended.stdout
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
