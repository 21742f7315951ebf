"""Excel workbooks read as tables of text."""

import datetime as dt

import pytest
from openpyxl import Workbook
from survbench.errors import BenchError
from survbench.io.workbooks import read_any_table
from zip_parts import files_of, written


def workbook(path, **sheets):
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


HEAD = ["Patient", "Months", "Seen"]


def test_cells_are_spelled_as_a_table_of_text_would(tmp_path):
    rows = [HEAD, ["A-1", 12.0, dt.date(2020, 1, 2)], ["A-2", 3.5, True], ["A-3", None, " x "], [None, None, None]]
    table = read_any_table(workbook(tmp_path / "t.xlsx", One=rows))
    assert table.columns == tuple(HEAD)
    assert [[*row.cells.values()] for row in table.rows] == [["A-1", "12", "2020-01-02"], ["A-2", "3.5", "1"], ["A-3", "", "x"]]  # fmt: skip  # noqa: E501
    assert [row.line for row in table.rows] == [2, 3, 4]


def test_sheets_of_the_same_columns_are_one_table_and_others_are_named(tmp_path):
    path = workbook(tmp_path / "t.xlsx", HGJ=[HEAD, ["A-1", 1, 0]], CHUM=[HEAD, ["B-1", 2, 0]], Empty=[])
    assert read_any_table(path).column("Patient") == ["A-1", "B-1"]
    assert read_any_table(path, sheet="CHUM").column("Patient") == ["B-1"]
    with pytest.raises(BenchError, match="no sheet 'chum'; there are HGJ, CHUM, Empty"):
        read_any_table(path, sheet="chum")
    workbook(path, A=[HEAD, ["A-1", 1, 0]], B=[["Other", "x"], [1, 2]])
    with pytest.raises(BenchError, match="differ in their columns: A, B. Name one"):
        read_any_table(path)


def test_names_may_stand_further_down_and_notes_below_are_passed_over(tmp_path):
    rows = [["Our hospital"], [], HEAD, ["A-1", 1, 0], ["A-2", 2, 0], ["* until 2020"]]
    table = read_any_table(workbook(tmp_path / "t.xlsx", One=rows), header_row=3)
    assert table.column("Patient") == ["A-1", "A-2"]
    assert [row.line for row in table.rows] == [4, 5]


def test_other_tables_are_read_as_before_and_what_is_no_workbook_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("Patient,Months\nA-1,3\n")
    assert read_any_table(tmp_path / "t.csv").column("Months") == ["3"]
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(BenchError, match=r"t\.xlsx is not a workbook"):
        read_any_table(tmp_path / "t.xlsx")
    with pytest.raises(BenchError, match="There is no table"):
        read_any_table(tmp_path / "other.xlsx")


def test_a_cell_that_refers_to_a_text_that_is_not_there_is_damage(tmp_path):
    path = workbook(tmp_path / "t.xlsx", One=[HEAD, ["A-1", 1, 0]])
    parts, sheet = files_of(path), "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b"<sheetData>", b'<sheetData><row><c t="s"><v>99</v></c></row>')
    written(path, parts)
    with pytest.raises(BenchError, match=r"t\.xlsx is not a workbook that can be read"):
        read_any_table(path)
