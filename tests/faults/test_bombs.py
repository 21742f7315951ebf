"""Row 13: files that declare, or unpack to, far more than they should; and YAML of row 16."""

from __future__ import annotations

import gzip
import re
import struct
import zipfile

import numpy as np
import pandas as pd
import pytest
from bounded import refused
from cohort_folder import CARD, write_cohort, write_image
from openpyxl import Workbook
from survbench.datasets.cohorts.validate import validate_named
from zip_parts import files_of, written

pytestmark = pytest.mark.faults

NIFTI = "survbench.datasets.readers.nifti:read_image"
TABLE = "survbench.io.workbooks:read_any_table"
CARD_READER = "survbench.datasets.cards.card:read_card"
MB = 10**6


def declaring(folder, *sides, bits=16):
    """Return the header of a NIfTI file that declares such a grid."""
    write_image(folder / "small.nii", np.zeros((4, 4, 4), np.int16 if bits == 16 else np.float32))
    head = bytearray((folder / "small.nii").read_bytes()[:352])
    head[40:56] = struct.pack("<8h", 3, *sides, 1, 1, 1, 1)
    return bytes(head)


def packed(path, *pieces, level=9):
    """Write pieces, or (piece, times), gzipped: one member after the other, which unpack as one stream."""
    pairs = [piece if isinstance(piece, tuple) else (piece, 1) for piece in pieces]
    path.write_bytes(b"".join(gzip.compress(content, level) * times for content, times in pairs))
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_row_13_a_header_of_32767_voxels_a_side_is_refused_before_anything_is_allocated(tmp_path, name):
    head = declaring(tmp_path, 32767, 32767, 32767)
    (tmp_path / name).write_bytes(gzip.compress(head + bytes(1000)) if name.endswith("gz") else head + bytes(1000))
    assert "at most" in refused(NIFTI, tmp_path / name).said


@pytest.mark.parametrize("level", [1, 9])
def test_row_13_an_image_of_some_mb_that_unpacks_to_2_gb_is_refused(tmp_path, level):
    path = packed(tmp_path / "a.nii.gz", declaring(tmp_path, 1024, 1024, 1000), (bytes(10 * MB), 210), level=level)
    assert path.stat().st_size < 12 * MB
    assert "unpacks to" in refused(NIFTI, path).said


def test_row_13_a_mask_of_a_large_ct_is_no_bomb(tmp_path):
    mask = np.zeros((512, 512, 150), np.uint8)
    mask[200:220, 200:220, 70:80] = 1
    write_image(tmp_path / "a.nii.gz", mask)
    from survbench.datasets.readers.nifti import read_image

    assert (tmp_path / "a.nii.gz").stat().st_size * 100 < mask.nbytes
    assert read_image(tmp_path / "a.nii.gz").sum() == 4000


@pytest.mark.parametrize(
    "pieces",
    [
        [(b"\n" * 10 * MB, 400)],
        [(b"\r\n" * 10 * MB, 100)],
        [(b"a" * 10 * MB, 600)],
        [b"id,time\n", ((b"," * 100_000 + b"\n") * 100, 100)],
        [(bytes(10 * MB), 400)],
        ["\ufeff".encode("utf-16-le"), ("\n".encode("utf-16-le") * MB, 1000)],
    ],
    ids=["blank lines", "blank lines of Windows", "one line", "blank cells", "zeros", "UTF-16"],
)
def test_row_13_a_table_of_some_megabytes_that_unpacks_to_gigabytes_is_refused(tmp_path, pieces):
    path = packed(tmp_path / "clinical.csv.gz", *pieces)
    assert "larger than what is read" in refused(TABLE, path).said


def test_row_13_a_table_that_is_one_long_line_is_refused_without_gzip_too(tmp_path):
    (tmp_path / "clinical.csv").write_bytes(b"a" * 20 * MB)
    assert "larger than what is read" in refused(TABLE, tmp_path / "clinical.csv").said


SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


@pytest.mark.parametrize(
    ("part", "pieces"),
    [
        ("xl/worksheets/sheet1.xml", [SHEET, (b" " * MB, 300)]),
        ("xl/worksheets/sheet1.xml", [SHEET, b'<row r="1">', (b"<c/>" * 1000, 1500)]),
        (
            "xl/worksheets/sheet1.xml",
            [SHEET, b'<row r="9999999999"><c r="A9999999999"><v>1</v></c></row></sheetData></worksheet>'],
        ),
        ("xl/sharedStrings.xml", [b"<sst>", (b"<si/>" * 1000, 3000)]),
        ("docProps/core.xml", [(b"<a>" * 1000, 1000)]),
    ],
    ids=["spaces", "one row", "far row", "texts", "nested"],
)
def test_row_13_a_workbook_that_unpacks_to_gigabytes_or_declares_them_is_refused(tmp_path, part, pieces):
    book = Workbook()
    book.active.append(["Patient", "Months"])
    book.active.append(["A", 1])
    book.save(tmp_path / "good.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "good.xlsx") as good,
        zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bad,
    ):
        for entry in good.infolist():
            if entry.filename != part:
                bad.writestr(entry.filename, good.read(entry))
        with bad.open(part, "w", force_zip64=True) as stream:
            for piece in pieces:
                content, times = piece if isinstance(piece, tuple) else (piece, 1)
                for _ in range(times):
                    stream.write(content)
    assert refused(TABLE, tmp_path / "t.xlsx").said.startswith("t.xlsx ")


def test_row_13_a_parquet_table_of_a_billion_equal_cells_is_refused(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    zeros = pa.array(np.zeros(20 * MB, np.int8))
    parquet.write_table(pa.table({"id": zeros, "time": zeros}), tmp_path / "t.parquet")
    assert "20,000,000 rows" in refused(TABLE, tmp_path / "t.parquet").said


@pytest.mark.parametrize("name", ["t.parquet", "t.xlsx"])
def test_row_13_a_long_text_that_is_stored_once_for_many_cells_is_refused(tmp_path, name):
    text = "".join(np.random.default_rng(0).choice([*"abcdefgh"], 30_000))
    if name == "t.xlsx":
        write_shared(tmp_path / name, text, times=10_000)
    else:
        pd.DataFrame({"id": range(10_000), "note": pd.Categorical([text] * 10_000)}).to_parquet(tmp_path / name)
    assert (tmp_path / name).stat().st_size < MB
    assert re.search("MB of text|bytes are read of a file", refused(TABLE, tmp_path / name).said)


def write_shared(path, text, times):
    """Write a workbook as Excel does, with a text that its cells share; openpyxl writes the text into each."""
    names = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    row = '<row><c t="s"><v>0</v></c><c t="s"><v>0</v></c></row>'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    declared = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    Workbook().save(path)
    parts = files_of(path)
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(b"</Types>", declared.encode())
    parts["xl/sharedStrings.xml"] = f"<sst {names}><si><t>{text}</t></si></sst>".encode()
    parts["xl/worksheets/sheet1.xml"] = f"<worksheet {names}><sheetData>{row * times}</sheetData></worksheet>".encode()
    written(path, parts)


LAUGHS = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS + CARD.replace("title: Toy cohort", "title: *a9"), "has an alias in line 2"),
        ("[" * 100_000, "goes beyond what is read in line 1"),
        ("{a: " * 50_000, "goes beyond what is read in line 1"),
        ("- " * 100_000, "goes beyond what is read in line 1"),
        (CARD + "missing: [" + "1," * 100_000 + "]", "goes beyond what is read in line 16"),
        (CARD.replace("Toy cohort", "x" * 100_000), "goes beyond what is read in line 3"),
        (CARD.replace("Toy cohort", "[" + "x" * 10_000 + "]"), "given ['xxx"),
        (CARD.replace("Toy cohort", "9" * 10_000), "is not valid YAML"),
        (CARD + "#" * 10**6, "bytes; at most"),
        (CARD.replace("Toy cohort", '"\\e[2J"'), "has a control character in line 3 ('\\x1b[2J')"),
        (CARD.replace("Toy cohort", '"\\ud800"'), "has a control character in line 3 ('\\ud800')"),
        (CARD.replace("Toy cohort", '"\\u202etac"'), "has a control character in line 3 ('\\u202etac')"),
        (CARD + "title: Another\n", "the key 'title' is given twice"),
    ],
    ids=[
        *("laughs", "lists", "mappings", "dashes", "values", "long", "shown", "digits", "comment"),
        *("escape", "surrogate", "turned", "twice"),
    ],
)
def test_row_13_and_16_yaml_that_a_person_does_not_write_is_refused(tmp_path, text, said):
    (tmp_path / "cohort.yaml").write_text(text)
    assert said in refused(CARD_READER, tmp_path / "cohort.yaml").said
    (tmp_path / "ours.yaml").write_text(text)
    profile = refused("survbench.plan.profile:load_profile", tmp_path / "ours.yaml").said
    assert said in profile or "unknown key" in profile


def test_row_13_a_bomb_among_good_files_costs_its_patient_alone(tmp_path):
    folder = write_cohort(tmp_path / "toy")
    (folder / "images/P03_ct.nii.gz").write_bytes(gzip.compress(declaring(tmp_path, 32767, 32767, 32767)))
    findings = [f for f in validate_named(str(folder)).findings if f.severity == "error"]
    assert [(f.code, f.subject) for f in findings] == [("SB402", "P03")]
