"""Tables as spreadsheets write them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from survbench.errors import BenchError
from survbench.io.cells import PackedCells
from survbench.io.tables import canonical, number, read_table
from survbench.io.workbooks import read_any_table


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
        ("id,a\n1\n", "2 names of columns, but line 2 has"),
        ("id,a\n1,2,3\n", "2 names of columns, but line 2 has"),
        ("id,a\n", "holds no patients"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, message):
    with pytest.raises(BenchError, match=message):
        table(tmp_path, text)


def test_other_encodings_and_files_are_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes("id,Größe\n1,2\n".encode("mac-roman"))
    with pytest.raises(BenchError, match="not UTF-8"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(BenchError, match="is a spreadsheet. Save it as CSV"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(BenchError, match="There is no table"):
        read_table(tmp_path / "none.csv")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.parquet"])
def test_what_is_there_but_is_no_file_is_named_and_not_waited_for(tmp_path, make, name):
    make(tmp_path / name)
    with pytest.raises(BenchError, match="is a folder, a pipe or a device"):
        read_any_table(tmp_path / name)


def test_numbers_and_codes():
    assert [number(c) for c in ("1", "-2.5", "1e3", ".5")] == [1.0, -2.5, 1000.0, 0.5]
    assert [number(c) for c in ("", "1,5", "nan", "inf", "1 000", "0x10", "1e999", "-1e308")] == [None] * 8
    assert len({canonical(v) for v in ("1", 1, 1.0, "TRUE", "yes", True)}) == 1
    assert canonical("Dead") == canonical("dead ")


def test_damaged_files_are_refused_with_what_to_do(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"id,a\n1,2\n" * 500)[:40])
    with pytest.raises(BenchError, match="is damaged"):
        read_table(tmp_path / "t.csv.gz")
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(BenchError, match="is not a Parquet file"):
        read_table(tmp_path / "t.parquet")


def test_text_that_a_parquet_file_holds_as_bytes_is_text(tmp_path):
    pd.DataFrame({"id": ["Müller".encode()], "age": [60]}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").column("id") == ["Müller"]
    pd.DataFrame({"id": [b"M\xfcller"], "age": [60]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(BenchError, match="holds text that is not UTF-8"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_exports_in_other_encodings_are_read(tmp_path, encoding):
    found = table(tmp_path, "id\tGröße\nMüller\t2\nGruß\t3\n", encoding=encoding)
    assert found.columns == ("id", "Größe")
    assert found.column("id") == ["Müller", "Gruß"]
    assert bool(found.notes) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("id;a\np;12,5\nq;7\n", ["12.5", "7"]),
        ("id\ta\np\t12,5\nq\t0,125\n", ["12.5", "0.125"]),
        ("id;a\np;1.234,5\nq;7,25\n", ["1234.5", "7.25"]),
        ("id;a;b\np;1,234;0,5\nq;2,345;1,5\n", ["1.234", "2.345"]),  # b proves that the comma is decimal
        ('id,a\np,"1,234.5"\nq,7\n', ["1234.5", "7"]),
        ('id,a\np,"1,234,567"\nq,7\n', ["1234567", "7"]),
        ('id,a\np,"1,323"\nq,147\nr,\n', ["1323", "147", ""]),
        ('id,a\np,"1,323"\nq,"21,047"\nr,999\ns,unknown\n', ["1323", "21047", "999", "unknown"]),
        ("id,a\np,1\u202f234\nq,7\n", ["1234", "7"]),
        ("id,a\np,1\u2019234\nq,7\n", ["1234", "7"]),
        ("id,a\np,\u22121.5\nq,7\n", ["-1.5", "7"]),
        ("id,a\np,1.234\nq,2.345\n", ["1.234", "2.345"]),
        ("id,a\np,1.234\nq,0.345\nr,1\n", ["1.234", "0.345", "1"]),
        ("id,a\np,1.234\nq,2.5\nr,1\n", ["1.234", "2.5", "1"]),
    ],
)
def test_numbers_are_read_where_the_column_proves_what_they_mean(tmp_path, text, cells):
    assert table(tmp_path, text).column("a") == cells


@pytest.mark.parametrize(
    "text",
    [
        'id,a\np,"1,234"\nq,"2,345"\n',  # thousands, or decimals that a comma separates
        'id,a\np,"1,234"\nq,1470\n',
        'id,a\np,"1,234"\nq,"0,147"\nr,3\n',
        'id,a\np,"1,23"\nq,"2,345"\nr,3\n',
        'id,a\np,"12,5"\nq,147\n',
        "id;a\np;12,5\nq;7.5\n",
        "id;a\np;1,234\nq;147\n",
    ],
)
def test_numbers_that_the_column_does_not_prove_stay_no_numbers(tmp_path, text):
    found = table(tmp_path, text)
    assert number(found.column("a")[0]) is None
    assert found.notes == ()


@pytest.mark.parametrize("text", ["id,a\np,1.234\nq,147\n", "id;a;b\np;1.234;0,5\nq;2.345;1,5\n"])
def test_a_point_that_may_mean_thousands_is_refused(tmp_path, text):
    with pytest.raises(BenchError, match=r"may be thousands or decimals \(a: 1.234"):
        table(tmp_path, text)


def test_what_stands_around_the_patients_is_no_patient(tmp_path):
    rows = "".join(f"P{n};{n},5;{n % 2}\n" for n in range(1, 6))
    around = f"sep=;\nid;time;event;;\n;months;0/1;;\n{rows};;\n\n* from the registry\nTotal;5;3\n"
    found = table(tmp_path, around)
    assert found.columns == ("id", "time", "event")
    assert found.column("id") == [f"P{n}" for n in range(1, 6)]
    assert found.column("time")[0] == "1.5"
    assert found.labels == {"time": "months", "event": "0/1"}
    assert [row.line for row in found.rows] == [4, 5, 6, 7, 8]
    assert len(found.notes) == 3


@pytest.mark.parametrize(
    "text",
    [
        "id,time,event\nP1,pending,\nP2,3,1\nP3,4,0\n",  # a patient whose time is not known yet
        "id,time,event\nP1,3,1\nP2,4,0\nP3,,\n",  # a patient of whom nothing is known
        "id,time,event\nJohn A,3,1\nMary B,4,0\nLucy C,,\n",
    ],
)
def test_patients_with_little_data_stay_patients(tmp_path, text):
    found = table(tmp_path, text)
    assert (len(found.rows), found.labels, found.notes) == (3, {}, ())


def test_comments_of_a_portal_are_passed_over_and_a_title_is_named(tmp_path):
    found = table(tmp_path, "#Patient\tMonths\n#STRING\tNUMBER\nid\ttime\nP1\t3\nP2\t4\n")
    assert (found.columns, found.rows[0].line) == (("id", "time"), 4)
    assert table(tmp_path, "#id,time\nP1,3\nP2,4\n").columns == ("#id", "time")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "title", ["Our study", "Our study||", '"Our study, 2020; final"|', "Our study||\n\nExported by us"]
)
def test_a_title_above_and_footnotes_below_are_passed_over_and_named(tmp_path, separator, title):
    names = "id|time|event\nP1|3|1\nP2|4|0\n\n* from the registry||\nn = 2||\n"
    found = table(tmp_path, f"{title}\n{names}".replace("|", separator))
    assert (found.columns, found.column("id")) == (("id", "time", "event"), ["P1", "P2"])
    above, below = map(str, found.notes)
    assert above.startswith("Lines above the names of columns were passed over as a title: line 1 ('Our study")
    assert "passed over as footnotes: line " in below


@pytest.mark.parametrize(
    "text", ["id,,\nP1,3,1\nP2,4,0\n", "Our study\nid,time\nP1,3\n", "T\nid,time,event\nP1,3,1,x\n"]
)
def test_a_line_of_one_cell_that_may_be_no_title_is_refused(tmp_path, text):
    with pytest.raises(BenchError, match="Line 1 of .* alone, above lines of several cells"):
        table(tmp_path, text)


MERGED = "Patient;;Survie globale;;Survie sans progression;\nN°;sexe;délai;statut;délai;statut\n"


def test_two_lines_of_names_are_refused_in_one_message(tmp_path):
    rows = "1;H;30;1;20;1\n2;F;40;0;40;0\n"
    with pytest.raises(
        BenchError, match=r"\(lines 1 and 2\): 'Survie globale' stands above 'délai' .* 'Survie globale: délai'"
    ):
        table(tmp_path, MERGED + rows)
    full_height = "N°;âge;OS;;PFS;\n;;mois;statut;mois;statut\n1;60;30;1;20;1\n2;61;40;0;40;0\n"
    with pytest.raises(BenchError, match="such as 'OS: mois'"):
        table(tmp_path, full_height)
    patient = "id;sex;;months\nP1;m;x;pending\nP2;f;y;3\nP3;f;y;4\n"
    assert table(tmp_path, patient).column("months") == ["pending", "3", "4"]
    units = "N°;sexe;délai;statut\n;;jours;0/1\n"
    assert table(tmp_path, units + "1;H;30;1\n2;F;40;0\n3;F;41;0\n").labels == {"délai": "jours", "statut": "0/1"}
    assert table(tmp_path, "N°;;délai\n1;H;30\n2;F;40\n3;F;41\n").columns == ("N°", "délai")


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (b"PK\x03\x04\x14\x00", "an Excel or OpenDocument workbook", "Name it .xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook", "Open it in Excel"),
        (b"\n<html><table><tr><td>id</td></tr></table></html>", "a web page", "Open it in a spreadsheet"),
        (b"$FL2@(#) SPSS DATA FILE", "an SPSS file", "export the data"),
        (b"%PDF-1.7", "a PDF", "Export the table"),
    ],
)
def test_files_of_other_formats_are_refused_by_name(tmp_path, content, what, remedy):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(BenchError, match=f"is {what}.*{remedy}.*CSV in UTF-8"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("word", ["żyje", "zmarł", "płeć", "mężczyzna", "ułamek"])
def test_polish_text_is_not_taken_for_western(tmp_path, word):
    with pytest.raises(BenchError, match="is not UTF-8 text"):
        table(tmp_path, f"id,a\n1,{word}\n2,x\n", encoding="cp1250")


@pytest.mark.parametrize("word", ["cm³", "¿Fallecido?", "même", "MTV (cm³)", "bygge træ", "mm³/h"])
def test_marks_of_western_text_stay_western(tmp_path, word):
    assert word in table(tmp_path, f"id,a\n1,{word}\n2,é\n", encoding="cp1252").column("a")


def test_a_large_table_is_read_from_a_large_file_and_from_no_small_one(tmp_path):
    """70 MB are more than what is read of any file; packed, these are some 300 KB."""
    rows = "".join(f"P{n:05d},{'x' * 10_000},{n}\n" for n in range(7000))
    (tmp_path / "t.csv").write_text(f"id,text,n\n{rows}", encoding="utf-8")
    found = read_table(tmp_path / "t.csv")
    assert len(found.rows) == 7000
    assert found.rows[-1].cells["n"] == "6999"
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes(), 1))
    with pytest.raises(BenchError, match=r"larger than what is read: for a file of [\d,]+ bytes 64 MB unpacked"):
        read_table(tmp_path / "packed.csv.gz")


@given(st.lists(st.text(max_size=5), max_size=6))
def test_packed_cells_are_a_sequence_of_them(cells):
    packed = PackedCells(cells)
    assert [*packed] == cells == [packed[n] for n in range(len(packed))]
    assert [packed[-n] for n in range(1, len(cells) + 1)] == cells[::-1]
    assert packed[1:-1] == cells[1:-1]
    for beyond in (len(cells), -len(cells) - 1):
        with pytest.raises(IndexError):
            packed[beyond]


def test_columns_are_replaced_added_and_left_out(tmp_path):
    changed = table(tmp_path, "a,b\n1,2\n3,4\n").with_columns({"b": ["5", "6"], "c": ["", "7"]})
    assert changed.columns == ("a", "b", "c")
    assert [dict(row.cells) for row in changed.rows] == [{"a": "1", "b": "5", "c": ""}, {"a": "3", "b": "6", "c": "7"}]
    assert [dict(row.cells) for row in changed.without({"a", "c"}).rows] == [{"b": "5"}, {"b": "6"}]
    assert [row.line for row in changed.rows] == [2, 3]
