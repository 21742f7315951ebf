"""The one list of columns: it names all that a row holds, and every place is made from it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from reading import cells_of
from survbench.leaderboard.site.board_page import html
from survbench.leaderboard.text import columns
from survbench.leaderboard.text.columns import COLUMNS, Place, metrics, of
from survbench.leaderboard.writers.board_files import board_texts, terminal_table
from survbench.runs.store import Store
from toy_board import five_methods

ROOT = Path(__file__).parents[2]


@pytest.fixture
def board(tmp_path):
    return five_methods(Store(tmp_path))


def test_every_key_of_a_row_stands_in_the_list_once(board):
    listed = [key for column in COLUMNS for key in column.keys]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(json.loads(board_texts(board)["json"])["rows"][0])


def test_a_column_that_is_listed_is_shown_in_its_places(board, monkeypatch):
    """Uno's C, which no table shows, is given a heading: nothing else needs to change."""
    uno = next(column for column in COLUMNS if column.key == "uno_c")
    shown = replace(uno, head="Uno's C", text=lambda r: f"{r.uno_c or 0:.4f}", where=frozenset(Place))
    monkeypatch.setattr(columns, "COLUMNS", tuple(shown if c is uno else c for c in COLUMNS))
    cell = f"{board.rows[0].uno_c:.4f}"
    heads, first = cells_of(board_texts(board)["md"])[:2]
    assert first[heads.index("Uno's C")] == cell
    page = html(board)
    assert f'title="{shown.meaning.replace(chr(39), "&#39;")}">Uno&#39;s C</th>' in page
    assert f'data-label="Uno&#39;s C" data-value="{board.rows[0].uno_c}">{cell}' in page
    table = terminal_table(board, width=100)
    place = [column.header for column in table.columns].index("Uno's C")
    assert str(next(table.columns[place].cells)) == cell


def test_a_heading_stands_for_one_column_and_every_visible_one_says_what_it_means():
    heads = [column.head for column in COLUMNS if column.head]
    assert len(heads) == len(set(heads))
    for column in COLUMNS:
        assert column.meaning.endswith("."), column.key
        assert column.head or not column.where - {Place.METRICS}, column.key


def test_a_narrow_terminal_shows_some_of_the_columns_of_a_wide_one(board):
    narrow, wide, widest = (
        [str(column.header) for column in terminal_table(board, width=width).columns] for width in (80, 120, 150)
    )
    assert narrow == ["#", "Method", "C-index (95 % CI)", "External C (95 % CI)", "Dice", "Holm p"]
    assert [head for head in wide if head in narrow] == narrow
    assert set(wide) - set(narrow) == {"Ties", "p", "Time", "Published C"}
    assert set(widest) - set(wide) == {"Group"}


def test_the_csv_has_a_column_for_every_number(board):
    rows = json.loads(board_texts(board)["json"])["rows"]
    for line, row in zip(csv.DictReader(io.StringIO(board_texts(board)["csv"])), rows, strict=True):
        for key, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert float(line[key]) == value


def test_metrics_that_mlflow_and_the_list_show():
    logged = [key for column in of(Place.MLFLOW) for key in column.keys]
    assert logged == [
        *("c_index", "c_index_low", "c_index_high"),
        *("external_c_index", "external_c_index_low", "external_c_index_high"),
        *("dice", "p", "p_holm", "coverage", "seconds", "parameters"),
    ]
    assert {"c_index", "uno_c", "brier", "hd95", "p.compareC", "risk_groups"} <= {m.name for m in metrics()}
