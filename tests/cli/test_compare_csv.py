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
    assert found.pop("notes") == []
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
    told = {"time": [1, 2, 3, 1], "event": [0, 0, 1, 1], "a": [1, 2, 3, 1], "b": [3, 1, 2, 1], "fold": [1, 1, 1, 2]}
    path = write(tmp_path / "risks.csv", told)
    ended = bench("compare", "--csv", path, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["p"]["jackknife"] is None
    ended = bench("compare", "--csv", path)
    assert "no comparable pair" in ended.stdout
    assert "These data cannot compare a with b" in ended.stdout


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


def test_a_verdict_of_better_says_where_the_risks_of_the_worse_are_turned_round(bench, columns, tmp_path):
    turned = {**columns, "theirs": columns["time"]}
    ended = bench("compare", "--csv", write(tmp_path / "risks.csv", turned))
    assert "ours orders survival of such patients better than theirs" in ended.stdout
    assert "Yet C of theirs is far below 0.5" in ended.stdout
    both = {**columns, "ours": columns["time"], "theirs": -columns["theirs"]}
    ended = bench("compare", "--csv", write(tmp_path / "both.csv", both))
    assert "Yet neither C-index reaches 0.5" in ended.stdout


def test_risks_that_are_the_times_codes_for_missing_and_few_events_are_noted(bench, columns, tmp_path):
    wrong = {**columns, "ours": -columns["time"], "theirs": np.where(np.arange(40) == 3, -999.0, columns["theirs"])}
    wrong["event"] = np.where(np.cumsum(columns["event"]) <= 9, columns["event"], 0)
    ended = bench("compare", "--csv", write(tmp_path / "risks.csv", wrong))
    assert "Note: There are only 9 events" in ended.stdout
    assert "Note: ours orders patients as the times do, the other way round (Spearman's rho -1.000)" in ended.stdout
    assert "Note: theirs holds -999 (once)" in ended.stdout


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"fold": range(40)}, [], "Each patient has a fold of its own"),
        ({"event": [1] + [0] * 39}, [], "1 patient has: Event: '1' in column 'event' (1 of 40 patients)"),
        ({"event": [0, 1, 1, 9] * 10}, ["--event-code", "1"], "holds '9' beside '1'"),
        ({"event": [0, 1, 1, "unknown"] * 10}, ["--event-code", "1"], "holds 'unknown' beside '1'"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(bench, columns, tmp_path, changed, options, message):
    ended = bench("compare", "--csv", write(tmp_path / "risks.csv", {**columns, **changed}), *options)
    assert ended.returncode == 2, ended.stdout
    assert message in ended.stderr


@pytest.mark.parametrize("column", ["LC", "lost_to_fu"])
def test_columns_of_control_and_of_who_left_need_the_code_of_the_event(bench, columns, tmp_path, column):
    named = {column if name == "event" else name: cells for name, cells in columns.items()}
    path = write(tmp_path / "risks.csv", named)
    ended = bench("compare", "--csv", path, "--event", column)
    assert ended.returncode == 2
    assert "--event-code" in ended.stderr
    assert bench("compare", "--csv", path, "--event", column, "--event-code", "1").returncode == 0


def test_the_codes_that_are_taken_for_censored_are_said(bench, columns, tmp_path):
    coded = {**columns, "event": [0, 1, 1, 2] * 10}
    ended = bench("compare", "--csv", write(tmp_path / "risks.csv", coded), "--event-code", "1")
    assert "(as --event-code says; '0', '2' are all taken for censored)" in ended.stdout


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
