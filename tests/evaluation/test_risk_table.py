"""Tables of risks: which columns are meant, and what is said of files that are none."""

from __future__ import annotations

import pytest
from survbench.errors import BenchError
from survbench.evaluation.risk_table import read_risks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,event,a\n1,1,2\n", "needs two risk columns"),
        ("time,event,a,b,c\n1,1,2,3,4\n", "besides time, event and fold there is: a, b, c"),
        ("time,event,a,b\n1,1,2,high\n", "besides time, event and fold there is: a "),
        ("time,evnt,a,b\n1,1,2,3\n", "Did you mean 'evnt'"),
        ("time,event,a,b\n1,2,2,3\n", r"'event': the codes do not say .* \(its values are '2' \(1\)\). Recode it"),
        ("time,event,a,b\n1,1,2,3\n0,1,2,3\n-1,0,1,1\n", r"must be positive \(line 3: '0', line 4: '-1'\)"),
        ("time,event,a,b\nsoon,1,2,3\n", r"'time' .* must be a finite number \(line 2: 'soon'\)"),
        ("time,event,a,b\n1,1,2,3\n1,1,2\n", "has 4 names of columns, but line 3 has 3"),
        ("time,event,a,a\n1,1,2,3\n", "more than one column 'a'"),
        ("time,event,a,b\n1,1,2,3\n2,,2,3\n", r"'event' .* is empty \(line 3: ''\)"),
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
    assert read_risks(path, event="case", event_code="1", a=None, b=None, fold=None).event.all()


@pytest.mark.parametrize(("name", "code"), [("event", "1"), ("censorship", "0"), ("CNSR", "0"), ("alive", "0")])
def test_a_column_of_the_censored_is_turned_round(name, code, tmp_path):
    path = tmp_path / "risks.csv"
    path.write_text(f"time,{name},a,b\n1,0,2,3\n2,1,2.5,1\n", encoding="utf-8")
    found = read_risks(path, event=name, a=None, b=None, fold=None)
    assert found.event.tolist() == [code == "0", code == "1"]
    assert f"'{code}' in column '{name}'" in found.event_sentence


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
