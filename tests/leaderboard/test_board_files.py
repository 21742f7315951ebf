"""A board as files, on a page and in a terminal."""

from __future__ import annotations

import csv
import io
import json

import pytest
from reading import READER, cells_of
from survbench.api import Published
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.site.board_page import html
from survbench.leaderboard.text.notes import notes
from survbench.leaderboard.writers.board_files import board_texts, terminal_table, write_board
from survbench.runs.store import Store
from toy_board import FAIR, GOOD, five_methods, rows
from toy_study import figures, method, put, study


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def board(store):
    return five_methods(store)


def test_json_has_the_documented_keys(board):
    raw = json.loads(board_texts(board)["json"])
    assert {"schema", "cohort", "protocol", "profile", "provenance", "rows"} <= set(raw)
    expected = {
        "method", "title", "family", "status", "c_index", "c_index_low", "c_index_high", "external_c_index",
        "external_c_index_low", "external_c_index_high", "dice", "p", "p_holm", "coverage", "seconds", "parameters",
        "published", "reference",
    }  # fmt: skip
    assert all(expected <= set(row) for row in raw["rows"])
    assert {row["method"]: row["reference"] for row in raw["rows"]}["oracle"] is True
    assert {row["method"]: row["reference"] for row in raw["rows"]}["good"] is False


def test_every_documented_key_exists_and_every_key_is_documented(board):
    from pathlib import Path

    reference = Path(__file__).parents[2] / "docs" / "reference"
    page = "".join((reference / name).read_text(encoding="utf-8") for name in ("leaderboard-json.md", "metrics.md"))
    raw = json.loads(board_texts(board)["json"])
    for key in [*raw, *raw["rows"][0]]:
        assert f"`{key}`" in page, key


def test_the_same_board_gives_the_same_bytes(board, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        write_board(board, folder)
    names = {p.name for p in first.iterdir()}
    assert names == {f"leaderboard.{kind}" for kind in ("md", "csv", "tex", "json", "html")}
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


EVIL = "=cmd()|<script>alert(1)</script>"


@pytest.fixture
def evil(store):
    published = Published(source=EVIL, c_index=0.7)
    entry = method(store, "evil", GOOD, title=EVIL, notes="</script><b>", published=published)
    return build_board(study([entry], external=False), store)


def test_foreign_text_is_no_formula_no_html_and_breaks_no_table(evil):
    (row,) = csv.DictReader(io.StringIO(board_texts(evil)["csv"]))
    assert row["title"] == f"'{EVIL}"
    assert float(row["c_index"]) == pytest.approx(rows(evil)["evil"].c_index, rel=1e-5)
    page = html(evil)
    assert "<script>alert" not in page
    assert "</script><b>" not in page
    heads, cells = cells_of(board_texts(evil)["md"])
    assert cells[3] == EVIL
    assert len(cells) == len(heads) == 16


@pytest.mark.parametrize(
    "title",
    [
        "[click](javascript:alert(1)) `x` a\\|b\\",
        "![x](y) <b>bold</b> <https://a.example> &lt; &#60; R&D",
        "TypeError: __init__() missing, _this_ and *that* and ~~the rest~~",
        "\\_ \\\\ \\| || \\\\|",
    ],
)
def test_foreign_text_is_nothing_but_text_in_markdown(store, title):
    text = board_texts(build_board(study([method(store, "m", GOOD, title=title)], external=False), store))["md"]
    heads, cells = cells_of(text)
    assert cells[3] == title
    assert len(cells) == len(heads)


def test_a_failure_is_told_as_it_was_raised(store):
    entry = method(store, "m", GOOD)
    error = {"type": "TypeError", "message": "__init__() missing", "traceback": ""}
    put(store, "m-0-1", None, status="failed", error=error)
    page = READER.render(board_texts(build_board(study([entry], external=False), store))["md"])
    assert "TypeError: __init__() missing" in page


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " \n=", "＝"])
def test_no_cell_of_text_starts_like_a_formula(store, start):
    board = build_board(study([method(store, "m", GOOD, title=f"{start}1+1")], external=False), store)
    (row,) = csv.DictReader(io.StringIO(board_texts(board)["csv"]))
    assert row["title"] == f"'{start.strip()}1+1"


def test_a_negative_number_stays_a_number(board):
    found = {row["method"]: row for row in csv.DictReader(io.StringIO(board_texts(board)["csv"]))}
    assert float(found["bad"]["difference"]) == pytest.approx(rows(board)["bad"].difference.value, rel=1e-5)
    assert rows(board)["bad"].difference.value < 0


def test_the_page_needs_no_network(board):
    page = html(board)
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("width", "has_time", "has_group"), [(150, True, True), (140, True, False), (80, False, False)]
)
def test_the_terminals_table_drops_columns_rather_than_letters(board, width, has_time, has_group):
    from rich.console import Console

    console = Console(width=width, file=io.StringIO())
    console.print(terminal_table(board, width=width))
    text = console.file.getvalue()
    assert ("Published" in text) == has_time
    assert ("Group" in text) == has_group
    assert "good" in text
    assert max(map(len, text.splitlines())) <= width


def test_what_fits_have_learned_is_counted_in_json_and_csv_and_said_beside_the_row(store):
    learned = [[figures(0.9), figures(0.6), figures(0.6)]]
    made = build_board(study([method(store, "net", GOOD, learning=learned), method(store, "m", FAIR)]), store)
    by_name = {row["method"]: row for row in json.loads(board_texts(made)["json"])["rows"]}
    assert by_name["net"]["learning"] == {"fits": 3, "learned": 1, "over_fitted": 0, "not_learned": 2}
    assert by_name["m"]["learning"] is None
    table = {row["method"]: row for row in csv.DictReader(io.StringIO(board_texts(made)["csv"]))}
    keys = ("fits", "learned", "over_fitted", "not_learned")
    assert [table["net"][f"learning_{key}"] for key in keys] == ["3", "1", "0", "2"]
    assert table["m"]["learning_fits"] == ""
    assert notes(rows(made)["net"])[0] == "Learned: 1 of 3 fits (2 not learned)."
    assert "learned 1/3" in html(made)
    assert "2 of 3 fits that were checked were not shown to have learned" in board_texts(made)["md"]
