"""p values are adjusted within the groups that methods declare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.api import MethodInfo
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.site.board_page import html
from survbench.leaderboard.text.cells import comparisons
from survbench.leaderboard.writers.board_files import board_texts, read_board, terminal_table
from survbench.plan.study import Entry
from survbench.runs.store import Store
from toy_board import rows
from toy_study import TIME, method, study

RNG = np.random.default_rng(7)
REFERENCE = "radiomics-lasso-cox"
GROUPS = {
    REFERENCE: "paper",
    "p1": "paper",
    "p2": "paper",
    "p3": "paper",
    "m1": "marker",
    "m2": "marker",
    "s1": "simple",
    "s2": "simple",
}
RISKS = {
    name: -TIME + scale * RNG.normal(size=30)
    for name, scale in zip(GROUPS, (5, 20, 30, 60, 25, 45, 35, 1000), strict=True)
}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def entries(store):
    made = [method(store, name, risk, group=GROUPS[name]) for name, risk in RISKS.items()]
    return [*made, method(store, "oracle", -TIME, family="reference", group="reference")]


@pytest.fixture
def board(store, entries):
    return build_board(study(entries, external=False), store)


def plugin(store, group):
    """Return the entry of a plugin's method that has run, as its declaration makes it; about as good as the reference
    method, so that its p is the largest: Holm then multiplies every other p of its family by one more.
    """
    info = MethodInfo(name="newcomer", title="Newcomer", family="outside", group=group, target="m:C", reference="r")
    ran = method(store, info.name, -TIME + 6 * np.random.default_rng(1).normal(size=30))
    return replace(Entry.of(info), fits=ran.fits)


def holm_by_hand(p):
    """Holm (1979) as R's p.adjust states it: the k-th smallest of m times m - k + 1, never below one before it."""
    adjusted, highest = [0.0] * len(p), 0.0
    for k, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - k) * p[i]))
        adjusted[i] = highest
    return adjusted


def bh_by_hand(p):
    """Benjamini and Hochberg (1995) as R's p.adjust states it, from the largest p down."""
    adjusted, lowest = [0.0] * len(p), 1.0
    for k, i in sorted(enumerate(sorted(range(len(p)), key=lambda i: p[i]), start=1), reverse=True):
        lowest = min(lowest, len(p) / k * p[i])
        adjusted[i] = lowest
    return adjusted


def test_p_is_adjusted_within_each_group_for_its_comparisons_with_the_reference_method(board):
    found = rows(board)
    for group in ("paper", "marker", "simple"):
        members = [name for name in RISKS if GROUPS[name] == group and name != REFERENCE]
        p = [found[name].difference.p for name in members]
        assert [found[name].difference.p_holm for name in members] == pytest.approx(holm_by_hand(p), abs=0)
        assert [found[name].difference.p_bh for name in members] == pytest.approx(bh_by_hand(p), rel=1e-12)
    others = [name for name in RISKS if name != REFERENCE]
    over_all = holm_by_hand([found[name].difference.p for name in others])
    lower = [found[name].difference.p_holm < p for name, p in zip(others, over_all, strict=True)]
    assert sum(lower) >= 5, "another family"
    assert (found[REFERENCE].difference.p_holm, found["oracle"].difference.p_holm) == (None, None)


def test_the_only_row_of_a_group_keeps_its_p(store, entries):
    alone = rows(build_board(study([*entries, plugin(store, "related")], external=False), store))["newcomer"]
    assert alone.difference.p_holm == alone.difference.p_bh == alone.difference.p


@pytest.mark.parametrize("group", ["paper", "marker", "simple", "successors", "outside"])
def test_a_plugins_row_changes_no_p_of_another_group(store, entries, board, group):
    more = build_board(study([*entries, plugin(store, group)], external=False), store)
    before, after = rows(board), rows(more)
    assert (after["newcomer"].group, after["newcomer"].difference.p_holm is None) == (group, False)
    for name in RISKS:
        if GROUPS[name] != group:
            assert after[name].difference == before[name].difference, name
    in_group = [n for n in RISKS if GROUPS[n] == group and n != REFERENCE]
    assert after["newcomer"].difference.p > max(before[n].difference.p for n in RISKS if n != REFERENCE)
    assert all(after[n].difference.p_holm > before[n].difference.p_holm for n in in_group), "in its own group it counts"


def test_another_row_makes_no_two_methods_differ_that_shared_a_letter(store, entries, board):
    """Letters are for reading any two rows of the board, so their family is every pair, of all groups."""
    more = build_board(study([*entries, plugin(store, "successors")], external=False), store)
    place = {name: i for i, name in enumerate(more.pairs.methods)}
    pairs = [(a, b) for i, a in enumerate(board.pairs.methods) for b in board.pairs.methods[i + 1 :]]
    assert len(pairs) == 28
    changes = []
    for a, b in pairs:
        i, j = (board.pairs.methods.index(name) for name in (a, b))
        assert more.pairs.p[place[a]][place[b]] == board.pairs.p[i][j]
        changes.append(more.pairs.p_holm[place[a]][place[b]] - board.pairs.p_holm[i][j])
    assert min(changes) >= 0
    assert max(changes) > 0


def test_every_form_of_the_board_says_within_what_p_is_adjusted(board):
    from io import StringIO

    from rich.console import Console

    said = f"with {REFERENCE}, Holm p within each group: 3 of paper, 2 of simple, 2 of marker"
    assert comparisons(board) == {"Comparisons": said}
    console = Console(width=140, file=StringIO())
    console.print(terminal_table(board, width=140))
    for text in (board_texts(board)["md"], html(board), console.file.getvalue()):
        assert said in text.replace("\\", "")
    assert "| marker | " in board_texts(board)["md"]
    assert "adjusted by Holm within the row" in html(board)


def test_a_board_without_the_reference_method_compares_nothing(store, entries):
    alone = build_board(study(entries[1:], external=False), store)
    assert comparisons(alone) == {}
    assert "Comparisons" not in board_texts(alone)["md"]
    assert all(row.difference.p_holm is None for row in alone.rows)


def test_the_group_is_read_again_from_json(board, tmp_path):
    path = tmp_path / "leaderboard.json"
    path.write_text(board_texts(board)["json"], encoding="utf-8")
    assert {row.method: row.group for row in read_board(path).rows} == {**GROUPS, "oracle": "reference"}
