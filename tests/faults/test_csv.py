"""Row 19: no CSV file that is written makes a spreadsheet compute something."""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path

import pytest
from survbench.io.csv_text import csv_text

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
WRITERS = {"writer", "DictWriter", "to_csv", "savetxt", "to_excel"}


def read_back(cell):
    return [*csv.reader(io.StringIO(csv_text(("id",), [(cell,)])))][1][0]


@pytest.mark.parametrize(
    "cell",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "＝1+1",
        "＋1+A1",
        "－A1",
        "＠x",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "   =1+1",
        "\u200b=1+1",
        "\ufeff=1+1",
        "\x00=1+1",
        "\u3000＝1+1",
        "-HYPERLINK(1)",
        "+49 30 1234",
    ],
)
def test_row_19_a_formula_is_written_as_text(cell):
    assert read_back(cell) == "'" + " ".join(cell.split())
    assert len(csv_text((cell,), []).splitlines()) == 1, "headers too"


@pytest.mark.parametrize("cell", ["-1.5", "+3", "-1,5", "1e-5", "-12%", "+", "-", "--", "P01", "a=b", "ER+", "'x"])
def test_row_19_numbers_signs_and_other_text_are_written_as_they_are(cell):
    assert read_back(cell) == cell


def test_row_19_there_is_one_writer_of_csv_files():
    found = []
    for room in ("benchmark", "datasets", "features", "models", "leaderboard"):
        for path in sorted((ROOT / room).rglob("*.py")):
            calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
            found += [path.name for call in calls if isinstance(call, ast.Attribute) and call.attr in WRITERS]
    assert found == ["csv_text.py"]
