"""Risks of an outside model on a board: as if it had run here, and every way in which a file can be wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.actions.import_risks import import_risks
from survbench.errors import BenchError
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.writers.board_files import board_texts
from survbench.metrics import concordance_index
from survbench.plan.study import read_study
from survbench.runs.store import Store
from toy_study import IDS, OUTSIDE, TIME, folds, method, outcomes, study

RNG = np.random.default_rng(3)
RISK, BEYOND = -TIME + 20 * RNG.normal(size=30), RNG.normal(size=20)
FOLD = {i: k for k, fold in enumerate(folds()) for i in fold}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


@pytest.fixture
def chosen(store):
    """Return a study with one complete method and its external predictions."""
    outside = RNG.normal(size=(1, 3, 20))
    made = study([method(store, "radiomics-lasso-cox", RNG.normal(size=30), outside=outside)])
    made.write(store.root)
    return made


@pytest.fixture
def put(store, chosen, tmp_path):
    """Return a function that imports lines of a file."""

    def importing(lines, **more):
        path = tmp_path / "risks.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return import_risks(read_study(chosen.folder(store.root)), store, path, **{"name": "in-r", **more})

    return importing


def inside(risk=RISK, ids=IDS):
    return [f"{i},{r!r}" for i, r in zip(ids, map(float, risk), strict=True)]


def outside(risk=BEYOND):
    return [f"{i},{r!r}" for i, r in zip(OUTSIDE, map(float, risk), strict=True)]


def by_name(board):
    return {row.method: row for row in board.rows}


def test_imported_risks_are_tested_as_if_the_model_had_run_here(put, store):
    same = method(store, "here", RISK)
    done = put(["id,risk", *inside(), *outside()], title="Cox in R")
    rows = by_name(build_board(study([*done.entries, same]), store))
    assert rows["in-r"].family == "outside"
    assert rows["in-r"].title == "Cox in R"
    assert "imported" in rows["in-r"].notes
    for key in ("c_index", "c_index_low", "c_index_high", "uno_c", "auc", "coverage"):
        assert getattr(rows["in-r"], key) == getattr(rows["here"], key), key
    assert replace(rows["in-r"].difference, a="here") == rows["here"].difference
    assert rows["in-r"].seconds is None
    time, event = outcomes(OUTSIDE)
    assert rows["in-r"].external_c_index == pytest.approx(concordance_index(time, event, BEYOND).value)


def test_the_same_file_again_changes_nothing_in_whatever_order(put, store, chosen):
    lines = [*inside(), *outside()]
    put(["id,risk", *lines])
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in store.root.rglob("*") if p.is_file()}
    put(["id,risk", *lines[::-1]])
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in store.root.rglob("*") if p.is_file()} == before
    assert [e.name for e in read_study(chosen.folder(store.root)).entries] == ["radiomics-lasso-cox", "in-r"]


def test_another_file_replaces_the_first_and_external_risks_may_be_missing(put, store):
    put(["id,risk", *inside(), *outside()])
    done = put(["id,risk", *inside(-RISK)])
    assert [e.name for e in done.entries] == ["radiomics-lasso-cox", "in-r"]
    row = by_name(build_board(done, store))["in-r"]
    fold = np.array([FOLD[i] for i in IDS])
    time, event = outcomes(IDS)
    parts = [concordance_index(time[k == fold], event[k == fold], -RISK[k == fold]).value for k in range(3)]
    assert row.c_index == pytest.approx(np.mean(parts))
    assert row.external_c_index is None


def test_folds_may_have_other_names(put, store):
    labelled = [f"{line},{'abc'[FOLD[line.split(',')[0]]]}" for line in inside()]
    plain = put(["id,risk", *inside()])
    assert put(["id,risk,fold", *labelled]) == plain
    assert put(["id,risk,cohort,fold", *[f"{line.rsplit(',', 1)[0]},toy,{line[-1]}" for line in labelled]]) == plain


def test_the_board_says_that_risks_are_imported(put, store):
    board = build_board(put(["id,risk", *inside()]), store)
    assert any("Imported risks (in-r)" in note for note in board.notes)
    assert board_texts(board)["json"] == board_texts(build_board(put(["id,risk", *inside()]), store))["json"]


def test_the_board_asks_whether_risks_are_turned_round(put, store):
    def said(board):
        return [f.text for f in board.findings if f.code == "SB715"]

    (cause,) = said(build_board(put(["id,risk", *inside(TIME)]), store))
    assert cause.startswith("in-r: C is far below 0.5 (0.")
    assert "give its negative" in cause
    assert said(build_board(put(["id,risk", *inside()]), store)) == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["id,risk", *inside()[2:]], "2 of toy have no risk: P00, P01"),
        (["id,risk", *inside(), "X1,0.5"], "1 are not patients of toy or outside: X1"),
        (["id,risk", *inside(), "P03,0.5"], "1 are in toy more than once: P03"),
        (["id,risk", *inside()[:-1], "P29,nan"], "1 have a risk that is not a finite number: P29 (nan)"),
        (["id,risk", *inside()[:-1], "P29,"], "P29 (empty)"),
        (["id,risk", *inside(), *outside()[1:]], "1 of outside have no risk: E00"),
        (["id,risk,cohort", *(f"{x},toy" for x in inside()), "E00,1,elsewhere"], "one of toy, outside: elsewhere"),
        (["id,risk,cohort", *(f"{x},toy" for x in inside()), "P00,1,outside"], "1 are not patients of outside: P00"),
        (
            ["id,risk,fold", *(f"{x},{FOLD[x[:3]] if x[:3] != 'P04' else 2}" for x in inside())],
            "P04 (fold 2, in the study 1)",
        ),
        (["id,risk,fold", *(f"{x},0" for x in inside())], "20 are not in the folds of the study"),
        (["id,score", *inside()], "it needs id and risk"),
        (["id,risk,fould", *(f"{x},0" for x in inside())], "Rename or drop fould"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_nothing_is_stored(put, store, chosen, lines, said):
    before = sorted(p.name for p in (store.root / "runs").iterdir())
    with pytest.raises(BenchError) as error:
        put(lines)
    assert said in str(error.value)
    assert sorted(p.name for p in (store.root / "runs").iterdir()) == before
    assert [e.name for e in read_study(chosen.folder(store.root)).entries] == ["radiomics-lasso-cox"]


def test_all_problems_are_listed_at_once(put):
    with pytest.raises(BenchError) as error:
        put(["id,risk", *inside()[3:], "P05,0.1", "X1,inf"])
    for said in ("P00, P01, P02", "P05", "X1 (inf)", "are not patients of toy or outside: X1"):
        assert said in str(error.value)


@pytest.mark.parametrize("name", ["radiomics-lasso-cox", "deepmts", "In R", "in_r", "../up", ""])
def test_a_name_that_is_taken_or_no_name_is_refused(put, name):
    with pytest.raises(BenchError, match="--name"):
        put(["id,risk", *inside()], name=name)


def test_a_study_without_results_has_no_outcomes_to_test_by(store, tmp_path):
    empty = study([])
    with pytest.raises(BenchError, match="has no complete method yet"):
        import_risks(empty, store, tmp_path / "x.csv", name="in-r")
