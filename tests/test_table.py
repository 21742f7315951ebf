"""Tables as spreadsheets write them."""

from __future__ import annotations

import pytest
from cohort_folder import CARD
from survbench.card import parse_card
from survbench.datasets.table import canonical, number, parse_patients, read_table
from survbench.errors import BenchError


def table(tmp_path, text, name="t.csv", encoding="utf-8"):
    (tmp_path / name).write_text(text, encoding=encoding)
    return read_table(tmp_path / name)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_quotes_marks_and_empty_lines(tmp_path, separator):
    rows = [["id", "note"], ["a", '"x, y; z"'], ["", ""], ["b", " spaced "]]
    text = "\r\n".join(separator.join(r) for r in rows) + "\r\n\r\n"
    found = table(tmp_path, text, encoding="utf-8-sig")
    assert found.columns == ("id", "note")
    assert [r.cells for r in found.rows] == [{"id": "a", "note": "x, y; z"}, {"id": "b", "note": "spaced"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,a,a\n1,2,3\n", "more than one column 'a'"),
        ("id,a\n1\n", "2 columns, but not in line 2"),
        ("id,a\n1,2,3\n", "2 columns, but not in line 2"),
        ("id,a\n", "holds no patients"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, message):
    with pytest.raises(BenchError, match=message):
        table(tmp_path, text)


def test_other_encodings_and_files_are_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes("id,ä\n1,2\n".encode("latin-1"))
    with pytest.raises(BenchError, match="not UTF-8"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(BenchError, match="no .csv or .tsv"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(BenchError, match="There is no table"):
        read_table(tmp_path / "none.csv")


def test_numbers_and_codes():
    assert [number(c) for c in ("1", "-2.5", "1e3", ".5")] == [1.0, -2.5, 1000.0, 0.5]
    assert [number(c) for c in ("", "1,5", "nan", "inf", "1 000", "0x10", "1e999")] == [None] * 7
    assert len({canonical(v) for v in ("1", 1, 1.0, "TRUE", "yes", True)}) == 1
    assert canonical("Dead") == canonical("dead ")


HEAD = "patient,months,event,age,sex\n"


def problems(tmp_path, rows, card=CARD):
    parsed = parse_patients(parse_card(card, source="card"), table(tmp_path, HEAD + rows))
    return {p.subject: p.what for p in parsed.problems}, parsed


@pytest.mark.parametrize("time", ["0", "-3", "", "nan", "12,5", "inf"])
def test_times_that_are_none_are_named(tmp_path, time):
    cell = f'"{time}"'
    found, parsed = problems(tmp_path, f"a,{cell},1,50,f\nb,3,0,50,f\n")
    assert "must be a number above 0" in found["a"]
    assert [p.id for p in parsed.patients] == ["b"]


@pytest.mark.parametrize("event", ["2", "", "maybe"])
def test_events_outside_the_cards_codes_are_named(tmp_path, event):
    found, _ = problems(tmp_path, f"a,5,{event},50,f\n")
    assert "the card knows 1 (observed) and 0 (censored)" in found["a"]


def test_missing_clinical_values_stay_missing_and_wrong_levels_get_a_suggestion(tmp_path):
    found, parsed = problems(tmp_path, "a,5,1,NA,\nb,5,1,50,F\n")
    assert parsed.patients[0].clinical == {"age": None, "sex": None}
    assert "Did you mean 'f'" in found["b"]


def test_a_code_cannot_mean_both(tmp_path):
    card = CARD.replace("unit: months}", "unit: months, observed: [1, 2], censored: [0, 2.0]}")
    found, parsed = problems(tmp_path, "a,5,1,50,f\n", card)
    assert "means both an event and censoring" in found[""]
    assert parsed.patients == ()


def test_ids_that_look_alike_are_named(tmp_path):
    found, _ = problems(tmp_path, "\ufb01x,5,1,50,f\nfix,6,0,50,f\n")
    assert "looks the same" in found["fix"]
