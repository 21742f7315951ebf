"""What is written of the features that methods keep."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from survbench.evaluation.feature_selection import TOP, selection
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.site.board_page import html
from survbench.leaderboard.writers.selection_files import render, selection_csv, svg, write_selections
from survbench.runs.store import Store
from toy_study import method, study

RISK = np.arange(30.0)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def chosen_of(store, selected, *, seeds=1, name="m", **more):
    entry = method(store, name, np.tile(RISK, (seeds, 1)), selected=selected, **more)
    return selection(study([entry], external=False), store, name)


EVIL = "=cmd()|<script>alert(1)</script> $x^"


@pytest.fixture
def evil(store):
    return chosen_of(store, [[{EVIL: 1.0, "b": -0.25}, {EVIL: 2.0, "b": 0.0}, {EVIL: 1.0, "b": 0.0}]])


def test_the_csv_has_a_column_per_fit_and_no_formula(evil):
    first, second = csv.DictReader(io.StringIO(selection_csv(evil)))
    assert first["name"] == f"'{EVIL}"
    assert [float(first[f"seed_0_fold_{k}"]) for k in range(3)] == [1.0, 2.0, 1.0]
    assert (second["name"], second["kept"], second["fits"]) == ("b", "1", "3")
    assert float(second["mean_weight"]) == -0.25


def test_the_plot_is_the_same_every_time_and_takes_any_name(evil):
    first = svg(evil)
    assert svg(evil) == first
    assert "<script>" not in first
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $x^ (3 of 3)" in first
    assert "prefers-color-scheme: dark" in first
    dots = re.findall(r'<circle class="dot c1" cx="([\d.]+)" cy="([\d.]+)"', first)
    assert len(dots) == 3 + 1 + 1, "the fits that kept a column, and one in the legend"
    rows = [float(y) for _, y in dots[:4]]
    assert rows[0] > rows[1] == rows[2] == rows[3], "what is kept most often stands on top"


def test_files_of_methods_that_have_nothing_to_show_go(evil, tmp_path):
    folder = tmp_path / "selection"
    write_selections((), folder)
    assert not folder.exists()
    write_selections((evil,), folder)
    (folder / "gone.csv").write_text("old")
    (folder / "notes.txt").write_text("somebody's")
    write_selections((evil,), folder)
    assert sorted(p.name for p in folder.iterdir()) == ["m.csv", "m.svg", "notes.txt"]
    write_selections((), folder)
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]


def test_the_page_shows_them_folded_and_needs_no_network(store, evil):
    board = build_board(study([method(store, "m", RISK)], external=False), store)
    page = html(board, [evil])
    assert "Which features the methods keep" in page
    assert "<script>alert" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("inside weight") == 4
    assert "Which features the methods keep" not in html(board)


def test_the_terminal_shows_the_first_and_counts_the_rest(store):
    from rich.console import Console

    names = {f"f{n:02d}": 1.0 + n for n in range(TOP + 5)}
    console = Console(width=100, file=io.StringIO())
    console.print(render(chosen_of(store, [[names] * 3])))
    text = console.file.getvalue()
    assert f"f{TOP + 4}" in text
    assert "f00" not in text, "the smallest weight comes last"
    assert "... and 5 more" in text
