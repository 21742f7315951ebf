"""Tables as spreadsheets write them."""

from __future__ import annotations

import gzip

import pytest
from survbench.errors import BenchError
from survbench.io.tables import canonical, number, read_table


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


def test_damaged_files_are_refused_with_what_to_do(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"id,a\n1,2\n" * 500)[:40])
    with pytest.raises(BenchError, match="is damaged"):
        read_table(tmp_path / "t.csv.gz")
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(BenchError, match="is no Parquet file"):
        read_table(tmp_path / "t.parquet")
