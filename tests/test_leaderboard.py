"""Boards from stored predictions: numbers against direct computation, incomplete methods, and what is written."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from survbench.errors import BenchError, UnknownNameError
from survbench.leaderboard.build import build_board
from survbench.leaderboard.compare import compare, to_json
from survbench.leaderboard.render import csv_text, html, json_text, markdown, terminal_table, write_board
from survbench.metrics import concordance_index, fold_mean_concordance
from survbench.significance import holm, influence, paired_jackknife
from survbench.store import Store
from survbench.study import Entry
from toy_study import IDS, OUTSIDE, folds, method, outcomes, put, study, table

TIME, EVENT = outcomes(IDS)
FOLD = np.array([next(k for k, f in enumerate(folds()) if i in f) for i in IDS])
RNG = np.random.default_rng(7)
GOOD, FAIR, BAD = (-TIME + scale * RNG.normal(size=30) for scale in (5.0, 25.0, 1000.0))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def board(store):
    entries = [
        method(store, "radiomics-lasso-cox", FAIR, family="radiomics"),
        method(store, "good", GOOD),
        method(store, "bad", np.stack([BAD, FAIR])),
        method(store, "oracle", -TIME, family="reference"),
        method(store, "segments", np.full(30, np.nan), gives=("segmentation",), dice=0.7, family="ablation"),
    ]
    return build_board(study(entries, external=False), store)


def rows(board):
    return {row.method: row for row in board.rows}


def test_c_is_the_mean_over_folds_and_seeds(board):
    found = rows(board)
    assert found["good"].c_index == pytest.approx(fold_mean_concordance(TIME, EVENT, FOLD, GOOD))
    per_seed = [fold_mean_concordance(TIME, EVENT, FOLD, r) for r in (BAD, FAIR)]
    assert found["bad"].c_index == pytest.approx(np.mean(per_seed))
    assert found["bad"].c_index_seed_sd == pytest.approx(np.std(per_seed, ddof=1))
    assert found["good"].c_index_seed_sd is None
    for name in ("good", "bad", "oracle"):
        assert found[name].c_index_low <= found[name].c_index <= found[name].c_index_high


def test_order_ranks_and_rows_apart(board):
    assert [(r.method, r.rank) for r in board.rows] == [
        ("good", 1),
        ("radiomics-lasso-cox", 2),
        ("bad", 3),
        ("oracle", None),
        ("segments", None),
    ]
    segments = rows(board)["segments"]
    assert (segments.c_index, segments.dice, segments.status) == (None, pytest.approx(0.7), "ok")


def test_p_is_the_paired_jackknife_and_holm_covers_the_ranked_methods(board):
    found = rows(board)
    base = influence(TIME, EVENT, FOLD, FAIR)
    reference = fold_mean_concordance(TIME, EVENT, FOLD, FAIR)
    good = paired_jackknife(
        influence(TIME, EVENT, FOLD, GOOD), base, fold_mean_concordance(TIME, EVENT, FOLD, GOOD) - reference
    )
    of_bad = np.mean([influence(TIME, EVENT, FOLD, r) for r in (BAD, FAIR)], axis=0)
    bad = paired_jackknife(of_bad, base, found["bad"].c_index - reference)
    assert found["good"].p == pytest.approx(good.p)
    assert found["bad"].p == pytest.approx(bad.p)
    assert [found["good"].p_holm, found["bad"].p_holm] == pytest.approx(holm([good.p, bad.p]).tolist())
    assert found["radiomics-lasso-cox"].p is None
    assert found["oracle"].p is None


def test_the_oracles_lead_is_paired(board):
    found = rows(board)
    assert found["good"].oracle_gap == pytest.approx(found["oracle"].c_index - found["good"].c_index)
    assert found["good"].oracle_gap_low <= found["good"].oracle_gap <= found["good"].oracle_gap_high
    assert found["oracle"].oracle_gap is None


@pytest.mark.parametrize("selection", ["last", "paper"])
def test_the_external_ensemble_averages_standardised_risks(store, selection):
    outside_time, outside_event = outcomes(OUTSIDE)
    outside = RNG.normal(size=(1, 3, 20)) * np.array([1.0, 100.0, 0.01])[None, :, None] + 5
    entry = method(store, "m", GOOD, outside=outside)
    row = rows(build_board(study([entry], selection=selection), store))["m"]
    own = [GOOD[k == FOLD] if selection == "last" else outside[0, k] for k in range(3)]
    ensemble = np.mean([(outside[0, k] - own[k].mean()) / own[k].std() for k in range(3)], axis=0)
    assert row.external_c_index == pytest.approx(concordance_index(outside_time, outside_event, ensemble).value)
    assert row.external_c_index_low <= row.external_c_index <= row.external_c_index_high


def test_a_fold_model_without_opinion_counts_for_nothing_outside(store):
    outside = np.stack([np.stack([np.ones(20), np.arange(20.0), np.arange(20.0)])])
    risk = GOOD.copy()
    risk[FOLD == 0] = 3.0
    row = rows(build_board(study([method(store, "m", risk, outside=outside)]), store))["m"]
    time, event = outcomes(OUTSIDE)
    assert row.external_c_index == pytest.approx(concordance_index(time, event, np.arange(20.0)).value)


def test_an_incomplete_method_has_no_numbers_and_says_why(store):
    entry = method(store, "m", GOOD)
    put(store, "m-0-1", None, status="timeout", error={"type": "Timeout", "message": "over\nmore", "traceback": ""})
    skipped = Entry(name="s", title="s", family="marker", gives=("risk",), skipped="needs a PET channel")
    waiting = Entry(name="w", title="w", family="marker", gives=("risk",), fits=(("none-0", "none-1", "none-2"),))
    found = rows(build_board(study([entry, skipped, waiting], external=False), store))
    assert (found["m"].status, found["m"].c_index, found["m"].reason) == ("timeout", None, "Timeout: over")
    assert found["m"].coverage == pytest.approx(2 / 3)
    assert (found["s"].status, found["s"].reason) == ("skipped", "needs a PET channel")
    assert (found["w"].status, found["w"].coverage) == ("pending", 0.0)


def test_an_empty_study_gives_an_empty_board(store):
    board = build_board(study([]), store)
    assert board.rows == ()
    for text in (markdown(board), json_text(board), csv_text(board), html(board)):
        assert isinstance(text, str)


def test_the_board_says_what_limits_it(store):
    network = method(store, "net", np.stack([GOOD, FAIR]), description={"parameters": 5})
    board = build_board(study([network], external=False, selection="paper"), store)
    whole = " ".join(board.warnings)
    assert "6 steps instead of the published 15,000" in whole
    assert "optimistic" in whole
    assert "One seed per method" in whole
    assert "radiomics-lasso-cox is not complete" in whole
    assert rows(board)["net"].parameters == 5


# --- what is written


def test_json_has_the_documented_keys(board):
    raw = json.loads(json_text(board))
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

    page = (Path(__file__).parents[1] / "docs/reference/leaderboard-json.md").read_text(encoding="utf-8")
    raw = json.loads(json_text(board))
    for key in [*raw, *raw["rows"][0]]:
        short = key.replace("external_c_index_", "_")
        assert f"`{key}`" in page or f"`{short}`" in page, key


def test_the_same_board_gives_the_same_bytes(board, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        write_board(board, folder)
    names = {p.name for p in first.iterdir()}
    assert names == {f"leaderboard.{kind}" for kind in ("md", "csv", "json", "html")}
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


EVIL = "=cmd()|<script>alert(1)</script>"


@pytest.fixture
def evil(store):
    published = {"source": EVIL, "c_index": 0.7, "external_c_index": None, "dice": None}
    entry = method(store, "evil", GOOD, title=EVIL, notes="</script><b>", published=published)
    return build_board(study([entry], external=False), store)


def test_foreign_text_is_no_formula_no_html_and_breaks_no_table(evil):
    (row,) = csv.DictReader(io.StringIO(csv_text(evil)))
    assert row["title"] == f"'{EVIL}"
    assert float(row["c_index"]) == pytest.approx(rows(evil)["evil"].c_index, rel=1e-5)
    page = html(evil)
    assert "<script>alert" not in page
    assert "</script><b>" not in page
    line = next(x for x in markdown(evil).splitlines() if "cmd" in x)
    assert "<script>" not in line
    assert line.replace("\\|", "").count("|") == 11


def test_the_page_needs_no_network(board):
    page = html(board)
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page


@pytest.mark.parametrize(("width", "has_time"), [(140, True), (80, False)])
def test_the_terminals_table_drops_columns_rather_than_letters(board, width, has_time):
    from rich.console import Console

    console = Console(width=width, file=io.StringIO())
    console.print(terminal_table(board, width=width))
    text = console.file.getvalue()
    assert ("published" in text) == has_time
    assert "good" in text
    assert max(map(len, text.splitlines())) <= width


# --- two methods compared


def test_a_comparison_equals_the_boards_and_names_who_drives_it(board, store):
    entries = [method(store, n, r) for n, r in (("radiomics-lasso-cox", FAIR), ("good", GOOD))]
    result = compare(study(entries, external=False), store, "good", "radiomics-lasso-cox", resamples=200)
    row = rows(board)["good"]
    assert result.difference == pytest.approx(row.difference)
    assert result.p == pytest.approx(row.p)
    assert result.low <= result.difference <= result.high
    assert len(result.folds) == 3
    raw = to_json(result)
    assert {"difference", "low", "high", "p", "patients"} <= set(raw)
    # without its strongest driver the difference moves against that patient's influence
    first = result.patients[0]
    kept = np.array([i != first.id for i in IDS])
    without = [fold_mean_concordance(TIME[kept], EVENT[kept], FOLD[kept], r[kept]) for r in (GOOD, FAIR)]
    assert np.sign(without[0] - without[1] - result.difference) == -np.sign(first.influence)


def test_what_cannot_be_compared_is_said(store):
    entries = [method(store, "good", GOOD), Entry(name="s", title="s", family="marker", gives=("risk",), skipped="why")]
    chosen = study(entries, external=False)
    with pytest.raises(UnknownNameError, match="Did you mean 'good'"):
        compare(chosen, store, "goood", "s", resamples=50)
    with pytest.raises(BenchError, match="s cannot be compared: skipped, why"):
        compare(chosen, store, "good", "s", resamples=50)


def test_predictions_of_another_order_give_the_same_board(store, tmp_path):
    entry = method(store, "m", GOOD)
    first = json_text(build_board(study([entry], external=False), store))
    other = Store(tmp_path / "other")
    method(other, "m", GOOD)
    for fold, members in enumerate(folds()):
        turned = members[::-1]
        put(other, f"m-0-{fold}", table(IDS, turned, [GOOD[IDS.index(i)] for i in turned], fold=fold))
    assert json_text(build_board(study([entry], external=False), other)) == first
