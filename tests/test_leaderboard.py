"""Boards from stored predictions: numbers against direct computation, incomplete methods, and what is written."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from reading import READER, cells_of
from survbench import significance
from survbench.cli.comparison import methods_json, methods_lines
from survbench.errors import BenchError, UnknownNameError
from survbench.leaderboard.build import build_board
from survbench.leaderboard.compare import compare_methods
from survbench.leaderboard.page import html
from survbench.leaderboard.render import csv_text, json_text, markdown, terminal_table, write_board
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


def test_a_row_and_a_pair_without_p_say_why(store):
    from survbench.leaderboard.all_pairs import compare_all
    from survbench.leaderboard.sample import measure

    entries = [method(store, n, r) for n, r in (("radiomics-lasso-cox", np.zeros(30)), ("perfect", -TIME))]
    chosen = study(entries, external=False)
    board = build_board(chosen, store)
    row, reason = rows(board)["perfect"], "the weight of no patient moves either index, so the standard error is 0"
    assert (row.p, row.p_holm, row.reasons["p"]) == (None, None, reason)
    assert (row.difference, row.p_bootstrap) == (pytest.approx(0.5), pytest.approx(2 / 201))
    assert "p_bootstrap" not in row.reasons
    assert f"`perfect` has no p: {reason}." in markdown(board)
    assert f"No p: {reason}." in html(board)
    (pair,) = compare_all(measure(chosen, store), board.pairs).pairs
    assert (pair.p, pair.reason) == (None, reason)


def test_the_numbers_equal_a_count_of_pairs_by_hand(board):
    """Pairs and Holm's steps counted in plain loops, without the functions that the board uses."""

    def by_hand(risk):
        parts = []
        for members in folds():
            rows_ = [IDS.index(i) for i in members]
            pairs = [(i, j) for i in rows_ for j in rows_ if EVENT[i] and TIME[i] < TIME[j]]
            parts.append(sum((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]) for i, j in pairs) / len(pairs))
        return sum(parts) / len(parts)

    found = rows(board)
    assert len(set(zip(FOLD, TIME, strict=True))) == 30, "the loops above know no ties in time"
    assert found["good"].c_index == pytest.approx(by_hand(GOOD), abs=1e-12)
    assert found["bad"].c_index == pytest.approx((by_hand(BAD) + by_hand(FAIR)) / 2, abs=1e-12)
    assert found["good"].difference == pytest.approx(by_hand(GOOD) - by_hand(FAIR), abs=1e-12)
    small, large = sorted([found["good"].p, found["bad"].p])
    adjusted = sorted([found["good"].p_holm, found["bad"].p_holm])
    assert adjusted == pytest.approx([min(1, 2 * small), min(1, max(2 * small, large))])


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


@pytest.mark.parametrize("constant", [3.0, 0.1])  # the standard deviation of ten times 0.1 is not exactly 0
def test_a_fold_model_without_opinion_counts_for_nothing_outside(store, constant):
    outside = np.stack([np.stack([1e3 * np.sin(np.arange(20.0)), np.arange(20.0), np.arange(20.0)])])
    risk = GOOD.copy()
    risk[FOLD == 0] = constant
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


def test_predictions_changed_after_the_run_are_named_and_not_used(store, caplog):
    entry = method(store, "m", GOOD)
    path = store.folder("m-0-1") / "predictions.parquet"
    table(IDS, folds()[1], -TIME[[IDS.index(i) for i in folds()[1]]], fold=1).to_parquet(path)
    row = rows(build_board(study([entry], external=False), store))["m"]
    assert (row.status, row.c_index) == ("failed", None)
    assert "changed" in row.reason
    assert str(path) in caplog.text


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


def test_the_board_says_what_the_numbers_rest_on(store):
    entries = [method(store, "free", GOOD), replace(method(store, "masked", FAIR), needs_mask=True)]
    whole = " ".join(build_board(study(entries, external=False), store).warnings)
    assert "1 of 2 methods predict from the manual tumour mask" in whole
    least = min(int(EVENT[k == FOLD].sum()) for k in range(3))
    assert f"A fold has only {least} events" in whole
    assert "under-trained" not in whole, "there is no network"


def test_resamples_without_a_comparable_pair_are_counted(store, monkeypatch):
    import toy_study

    rare = np.isin(np.arange(30), [0, 1, 2])  # one event in each fold
    monkeypatch.setattr(toy_study, "outcomes", lambda ids: (outcomes(ids)[0], rare[: len(ids)]))
    board = build_board(study([method(store, "m", GOOD)], external=False), store)
    assert 0 < board.excluded_resamples < board.resamples
    assert f"{board.excluded_resamples} resamples had a fold without a comparable pair" in " ".join(board.warnings)


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
    heads, cells = cells_of(markdown(evil))
    assert cells[3] == EVIL
    assert len(cells) == len(heads) == 15


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
    text = markdown(build_board(study([method(store, "m", GOOD, title=title)], external=False), store))
    heads, cells = cells_of(text)
    assert cells[3] == title
    assert len(cells) == len(heads)


def test_a_failure_is_told_as_it_was_raised(store):
    entry = method(store, "m", GOOD)
    error = {"type": "TypeError", "message": "__init__() missing", "traceback": ""}
    put(store, "m-0-1", None, status="failed", error=error)
    page = READER.render(markdown(build_board(study([entry], external=False), store)))
    assert "TypeError: __init__() missing" in page


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " \n=", "＝"])
def test_no_cell_of_text_starts_like_a_formula(store, start):
    board = build_board(study([method(store, "m", GOOD, title=f"{start}1+1")], external=False), store)
    (row,) = csv.DictReader(io.StringIO(csv_text(board)))
    assert row["title"] == f"'{start.strip()}1+1"


def test_a_negative_number_stays_a_number(board):
    found = {row["method"]: row for row in csv.DictReader(io.StringIO(csv_text(board)))}
    assert float(found["bad"]["difference"]) == pytest.approx(rows(board)["bad"].difference, rel=1e-5)
    assert rows(board)["bad"].difference < 0


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
    assert ("Published" in text) == has_time
    assert "good" in text
    assert max(map(len, text.splitlines())) <= width


# --- two methods compared


def test_a_comparison_equals_the_boards_and_names_who_drives_it(board, store):
    entries = [method(store, n, r) for n, r in (("radiomics-lasso-cox", FAIR), ("good", GOOD))]
    result = compare_methods(study(entries, external=False), store, "good", "radiomics-lasso-cox", resamples=200)
    row = rows(board)["good"]
    arrays = significance.compare(TIME, EVENT, GOOD, FAIR, FOLD, resamples=200, seed=0x01234567)
    assert result.tested == arrays
    assert (result.tested.difference, result.tested.p["jackknife"]) == pytest.approx((row.difference, row.p))
    assert len(result.folds) == 3
    # without its strongest driver the difference moves against that patient's influence
    first = result.patients[0]
    kept = np.array([i != first.id for i in IDS])
    without = [fold_mean_concordance(TIME[kept], EVENT[kept], FOLD[kept], r[kept]) for r in (GOOD, FAIR)]
    assert np.sign(without[0] - without[1] - arrays.difference) == -np.sign(first.influence)


def test_a_comparison_is_json_also_where_a_fold_has_no_comparable_pair(store, monkeypatch):
    import toy_study

    none_in_fold_0 = EVENT & (FOLD != 0)
    monkeypatch.setattr(toy_study, "outcomes", lambda ids: (TIME, none_in_fold_0))
    entries = [method(store, n, r) for n, r in (("a", GOOD), ("b", FAIR))]
    raw = methods_json(compare_methods(study(entries, external=False), store, "a", "b", resamples=20))
    assert raw["difference"] is None
    assert raw["folds"][0] == [None, None]
    assert raw["folds"][1][0] is not None
    assert raw["excluded"] == 20
    assert "a fold has no comparable pair (jackknife, compareC, permutation)" in raw["reasons"]
    json.dumps(raw, allow_nan=False)


def test_a_method_compared_with_itself_does_not_differ(store):
    entries = [method(store, "a", GOOD)]
    tested = compare_methods(study(entries, external=False), store, "a", "a", resamples=20).tested
    assert (tested.difference, tested.ci_low, tested.ci_high, tested.p["jackknife"]) == (0.0, 0.0, 0.0, 1.0)


def test_a_comparison_is_shown_as_that_of_two_columns_with_the_folds(store):
    from survbench.cli.comparison import lines

    entries = [method(store, n, r) for n, r in (("a", GOOD), ("b", BAD))]
    result = compare_methods(study(entries, external=False), store, "a", "b", resamples=50)
    text = methods_lines(result)
    assert [line for line in text if "C by fold" not in line] == lines(result.tested, "a", "b")
    assert f"C by fold  0: {result.folds[0][0]:.3f} / {result.folds[0][1]:.3f}, 1: " in text[-2]


def test_what_has_no_p_says_why_in_a_comparison(store):
    entries = [method(store, n, r) for n, r in (("perfect", -TIME), ("same", np.zeros(30)))]
    result = compare_methods(study(entries, external=False), store, "perfect", "same", resamples=50)
    reason = "the weight of no patient moves either index, so the standard error is 0 (jackknife, compareC)"
    assert f"Not known: {reason}" in methods_lines(result)
    raw = methods_json(result)
    assert (raw["p"]["jackknife"], raw["reasons"]) == (None, [reason])
    assert raw["p"]["permutation"] < 0.05


def test_what_cannot_be_compared_is_said(store):
    entries = [method(store, "good", GOOD), Entry(name="s", title="s", family="marker", gives=("risk",), skipped="why")]
    chosen = study(entries, external=False)
    with pytest.raises(UnknownNameError, match="Did you mean 'good'"):
        compare_methods(chosen, store, "goood", "s", resamples=50)
    with pytest.raises(BenchError, match="s cannot be compared: skipped, why"):
        compare_methods(chosen, store, "good", "s", resamples=50)


def test_predictions_of_another_order_give_the_same_board(store, tmp_path):
    entry = method(store, "m", GOOD)
    first = json_text(build_board(study([entry], external=False), store))
    other = Store(tmp_path / "other")
    method(other, "m", GOOD)
    for fold, members in enumerate(folds()):
        turned = members[::-1]
        put(other, f"m-0-{fold}", table(IDS, turned, [GOOD[IDS.index(i)] for i in turned], fold=fold))
    assert json_text(build_board(study([entry], external=False), other)) == first
