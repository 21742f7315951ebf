"""`bench compare --csv`: what it prints, and what it says about files that are no table of risks."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from survbench.errors import BenchError
from survbench.risk_table import read_risks
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


def bench(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "survbench.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=300,
    )


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


def test_json_has_exactly_the_documented_keys_and_the_functions_numbers(columns, tmp_path):
    ended = bench("compare", "--csv", write(tmp_path / "risks.csv", columns), "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert set(found) == KEYS
    assert set(found["p"]) == {"bootstrap", "jackknife", "compareC", "permutation"}
    assert set(found["z"]) == {"jackknife", "compareC"}
    expected = compare(*(columns[name] for name in ("time", "event", "ours", "theirs", "fold")))
    assert {key: getattr(expected, key) for key in KEYS} == found
    assert "2 folds" in found["estimand"]


def test_text_ends_with_a_sentence_that_names_the_columns(columns, tmp_path):
    renamed = {"months": columns["time"], "died": columns["event"], "x": columns["theirs"], "y": columns["ours"]}
    path = write(tmp_path / "risks.csv", {**renamed, "age": columns["fold"]})
    ended = bench("compare", "--csv", path, "--time", "months", "--event", "died", "--a", "y", "--b", "x", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("40 patients, ")
    assert "difference (y - x) of Harrell's C-index" in ended.stdout
    for test in ("bootstrap", "jackknife", "compareC", "permutation"):
        assert test in lines[3]
    assert " y " in lines[-1]
    assert " x " in lines[-1]


def test_data_without_an_answer_give_null_and_reasons(tmp_path):
    path = write(tmp_path / "risks.csv", {"time": [1, 2, 3], "event": [0, 0, 1], "a": [1, 2, 3], "b": [3, 1, 2]})
    ended = bench("compare", "--csv", path, "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["p"]["jackknife"] is None
    ended = bench("compare", "--csv", path, cwd=tmp_path)
    assert "no comparable pair" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("These data cannot compare a with b")


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
def test_wrong_combinations_end_with_2_and_a_remedy(arguments, message, tmp_path):
    ended = bench("compare", *arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stdout
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,event,a\n1,1,2\n", "needs two risk columns"),
        ("time,event,a,b,c\n1,1,2,3,4\n", "left besides time, event and fold: a, b, c"),
        ("time,event,a,b\n1,1,2,high\n", "left besides time, event and fold: a "),
        ("time,evnt,a,b\n1,1,2,3\n", "Did you mean 'evnt'"),
        ("time,event,a,b\n1,2,2,3\n", r"'event' .* must be 0 \(censored\) or 1 \(event\) \(line 2: '2'\)"),
        ("time,event,a,b\n1,1,2,3\n0,1,2,3\n-1,0,1,1\n", r"must be positive \(line 3: '0', line 4: '-1'\)"),
        ("time,event,a,b\nsoon,1,2,3\n", r"'time' .* must be a finite number \(line 2: 'soon'\)"),
        ("time,event,a,b\n1,1,2,3\n1,1,2\n", "has 4 columns, but not in line 3"),
        ("time,event,a,a\n1,1,2,3\n", "more than one column 'a'"),
        ("time,event,a,b,fold\n1,1,2,3,\n", "'fold' .* is empty"),
        ("time,event,a,b\n1,1,2,3\n2,0,,4\n3,1,1,1\n", r"'a' .* must be a finite number \(line 3: ''\)"),
        ("time;event;a;b\n1;1;0,5;3\n2;0;0.7;4\n3;1;0.1;1\n", r"'a' .* must be a finite number \(line 2: '0,5'\)"),
        ("time,event,a,b\n", "holds no patients"),
        ("", "holds no patients"),
    ],
)
def test_bad_files_are_named_with_the_row_and_what_is_allowed(text, message, tmp_path):
    path = tmp_path / "risks.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match=message):
        read_risks(path, a=None, b=None, fold=None)


def test_semicolons_and_words_for_events_are_read(tmp_path):
    path = tmp_path / "risks.csv"
    path.write_text("time;event;a;b\n1;TRUE;0.5;3\n2;FALSE;0.7;4\n", encoding="utf-8")
    found = read_risks(path, a=None, b=None, fold=None)
    assert found.event.tolist() == [True, False]
    assert found.risk_a.tolist() == [0.5, 0.7]


def test_numbers_of_patients_are_no_risk_and_no_patient_counts_twice(tmp_path):
    path = tmp_path / "risks.csv"
    path.write_text("id,time,event,a,b,fold\n1,1,1,2,3,1\n2,2,0,2.5,1,1.0\n", encoding="utf-8")
    found = read_risks(path, a=None, b=None, fold=None)
    assert (found.a, found.b) == ("a", "b")
    assert len(set(found.fold.tolist())) == 1
    path.write_text("Patient,time,event,a,b\n1,1,1,2,3\n1,2,0,2.5,1\n", encoding="utf-8")
    with pytest.raises(BenchError, match=r"names a patient twice.* \(line 2: '1', line 3: '1'\)"):
        read_risks(path, a=None, b=None, fold=None)


def test_a_column_that_is_named_by_option_is_no_id(tmp_path):
    path = tmp_path / "risks.csv"
    path.write_text("time,case,a,b\n1,1,2,3\n2,1,2.5,1\n", encoding="utf-8")
    assert read_risks(path, event="case", a=None, b=None, fold=None).event.all()


def test_columns_are_chosen_by_name_and_the_rest_by_type(tmp_path):
    path = tmp_path / "risks.csv"
    path.write_text("\ufeffid,time,event,a,b,centre\nP1,1,1,2,3,x\nP2,2,0,2.5,1e-3,y\n", encoding="utf-8")
    found = read_risks(path, a=None, b=None, fold="centre")
    assert (found.a, found.b) == ("a", "b")
    assert found.fold.tolist() == ["x", "y"]
    turned = read_risks(path, a="b", b=None, fold=None)
    assert (turned.a, turned.b) == ("b", "a")
    assert turned.fold is None
    with pytest.raises(BenchError, match="'a' .* must be a finite number|used twice"):
        read_risks(path, a="a", b="a", fold=None)
    with pytest.raises(BenchError, match=r"must be a finite number \(line 2: 'P1'"):
        read_risks(path, a="id", b="b", fold=None)
