"""The paper's tables in our numbers: what stands in them, in every form, and LaTeX that compiles."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from survbench.card import CohortCard
from survbench.cohort import Cohort, Subject
from survbench.datasets.source import SourceCohort
from survbench.description import describe_patients
from survbench.leaderboard.build import build_board
from survbench.leaderboard.cells import p_value
from survbench.leaderboard.table_files import latex, markdown, tex, write_tables
from survbench.leaderboard.tables import tables
from survbench.significance import holm, influence, paired_jackknife
from survbench.store import Store
from survbench.study import read_study
from toy_study import IDS, OUTSIDE, folds, method, outcomes, study

TIME, EVENT = outcomes(IDS)
FOLD = np.array([next(k for k, f in enumerate(folds()) if i in f) for i in IDS])
RNG = np.random.default_rng(7)
NOISY = -TIME + 20 * RNG.normal(size=30)
EVIL = "100 % of $x_1$ & \\input{/etc/passwd} ~^{} #2 <b> |é–中"


def source(time=TIME, event=EVENT, *, missing=(), **columns):
    """Return a cohort with a column by name: numbers, or levels in their order of appearance."""
    clinical = []
    for name, values in columns.items():
        levels = tuple(dict.fromkeys(v for v in values if isinstance(v, str)))
        clinical.append(
            {"name": name, "column": name, "kind": "categorical" if levels else "numeric", "levels": levels}
        )
    card = CohortCard(
        name="toy",
        title="Toy",
        endpoint={"name": "PFS", "time": "t", "event": "e", "unit": "months"},
        clinical=clinical,
        licence="CC0",
        citation="nobody",
    )
    subjects = tuple(
        Subject(f"P{n:03d}", "A", {k: None if n in missing else v[n] for k, v in columns.items()}, {})
        for n in range(len(time))
    )
    return SourceCohort(card, Cohort(subjects=subjects, time=np.asarray(time), event=np.asarray(event)))


AGE = RNG.normal(60, 10, 30).round(1).tolist()
SEX = ["male" if n % 3 else "female" for n in range(30)]
STAGE = [f"T{1 + n % 4}" for n in range(30)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def made(store):
    """Return the tables of a study of three methods, of which two belong to the paper's tables."""
    published = {"source": "paper", "c_index": 0.722, "external_c_index": 0.698, "dice": 0.76}
    outside = RNG.normal(size=(1, 3, len(OUTSIDE)))
    entries = [
        replace(
            method(
                store, "deepmts", NOISY, outside=outside, published=published, dice=0.5, gives=("risk", "segmentation")
            ),
            tags=("paper", "table-2", "table-3"),
        ),
        replace(method(store, "mt-hs", RNG.normal(size=30), outside=outside, title=EVIL), tags=("table-3",)),
        method(store, "volume", RNG.normal(size=30), outside=outside),
    ]
    patients = {"cohort": describe_patients(source(age=AGE, sex=SEX)), "external": describe_patients(source(age=AGE))}
    chosen = replace(study(entries), patients=patients)
    return {table.name: table for table in tables(build_board(chosen, store), chosen)}


def test_rows_are_chosen_by_tag_and_tables_without_rows_left_out(made):
    assert list(made) == ["table-1", "table-2", "table-3", "contrasts", "pairs"]
    assert [r["method"] for r in made["table-2"].rows] == ["deepmts"]
    assert [r["method"] for r in made["table-3"].rows] == ["deepmts", "mt-hs"]
    (row,) = made["table-2"].rows
    assert (row["published_c_index"], row["published_external_c_index"]) == (0.722, 0.698)
    assert "0.698" in markdown(made["table-2"])
    assert "0.500" in markdown(made["table-3"])


def test_contrasts_are_quoted_not_reproduced(made):
    text = markdown(made["contrasts"])
    assert "quoted, not reproduced" in text
    line = next(x for x in text.splitlines() if "deepmts - mt-hs" in x)
    assert "0.042" in line
    assert sum(r["p"] is not None for r in made["contrasts"].rows) == 1


def test_the_matrix_of_all_pairs_has_differences_below_and_holm_p_above_the_diagonal(store):
    risks = {"best": -TIME, "middle": NOISY, "worst": TIME}
    board = build_board(study([method(store, n, r) for n, r in risks.items()], external=False), store)
    (table,) = [t for t in tables(board, study([])) if t.name == "pairs"]
    c = {row.method: row.c_index for row in board.rows}
    cells = [[column.text(row) for column in table.columns] for row in table.rows]
    assert [line[0] for line in cells] == ["1 best", "2 middle", "3 worst"]
    assert [cells[i][i + 1] for i in range(3)] == ["–"] * 3
    assert cells[2][1:3] == [f"{c['worst'] - c['best']:+.3f}", f"{c['worst'] - c['middle']:+.3f}"]
    best, middle, worst = (influence(TIME, EVENT, FOLD, r) for r in risks.values())
    raw = [
        paired_jackknife(best, middle, c["best"] - c["middle"]).p,
        paired_jackknife(best, worst, c["best"] - c["worst"]).p,
        paired_jackknife(middle, worst, c["middle"] - c["worst"]).p,
    ]
    adjusted = holm(raw)
    assert table.rows[0]["middle"] == pytest.approx(adjusted[0])
    assert table.rows[1]["worst"] == pytest.approx(adjusted[2])
    assert cells[0][2] == p_value(adjusted[0])


def test_every_form_holds_the_same_rows(made, tmp_path):
    write_tables(list(made.values()), tmp_path / "tables")
    for name, table in made.items():
        raw = json.loads((tmp_path / "tables" / f"{name}.json").read_text())
        rows = list(csv.DictReader(io.StringIO((tmp_path / "tables" / f"{name}.csv").read_text())))
        assert len(raw["rows"]) == len(rows) == len(table.rows)
        assert set(rows[0]) == set(raw["rows"][0])
    first = {p.name: p.read_bytes() for p in (tmp_path / "tables").iterdir()}
    write_tables(list(made.values())[:1], tmp_path / "tables")
    assert {p.stem for p in (tmp_path / "tables").iterdir()} == {"table-1"}
    write_tables(list(made.values()), tmp_path / "tables")
    assert {p.name: p.read_bytes() for p in (tmp_path / "tables").iterdir()} == first


def test_foreign_text_is_no_command_in_latex_and_no_cell_in_markdown(made):
    text = latex(made["table-3"])
    assert "\\input{" not in text
    line = next(x for x in text.splitlines() if "etc/passwd" in x)
    assert line.replace("\\&", "").count("&") == len(made["table-3"].columns) - 1
    assert "[U+4E2D]" in line
    assert tex("Ünal–Ørsted") == '\\"{U}nal--\\O{}rsted'
    cells = next(x for x in markdown(made["table-3"]).splitlines() if "etc/passwd" in x)
    assert cells.count("|") == len(made["table-3"].columns) + 1
    assert "<b>" not in cells


def test_latex_compiles_alone(made, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex (Debian: texlive-latex-base texlive-latex-recommended)")
    write_tables(list(made.values()), tmp_path)
    for name in made:
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert ended.returncode == 0, ended.stdout[-2000:]
        assert "Missing character" not in (tmp_path / f"{name}.log").read_text(errors="replace")
        assert (tmp_path / f"{name}.pdf").stat().st_size > 1000


# --- the cohort described


def test_hazard_ratios_are_those_of_another_implementation():
    from statsmodels.duration.hazard_regression import PHReg

    found = {c["name"]: c["terms"] for c in describe_patients(source(age=AGE, stage=STAGE))["columns"]}
    (age,) = found["age"]
    other = PHReg(TIME, np.array(AGE), status=EVENT.astype(int), ties="efron").fit()
    assert age["hazard_ratio"] == pytest.approx(np.exp(other.params[0]), rel=1e-4)
    assert [age["low"], age["high"]] == pytest.approx(np.exp(other.conf_int()[0]).tolist(), rel=1e-4)
    assert age["p"] == pytest.approx(other.pvalues[0], rel=1e-3)
    dummies = np.array([[s == level for level in ("T2", "T3", "T4")] for s in STAGE], dtype=float)
    other = PHReg(TIME, dummies, status=EVENT.astype(int), ties="efron").fit()
    assert [t["level"] for t in found["stage"]] == ["T2", "T3", "T4"]
    assert [t["hazard_ratio"] for t in found["stage"]] == pytest.approx(np.exp(other.params).tolist(), rel=1e-3)


def test_follow_up_is_the_reverse_kaplan_meier_median():
    described = describe_patients(source([1.0, 2.0, 3.0, 4.0, 5.0], [True, False, True, False, False]))
    # censorings as events: 1 of 4 at month 2, 1 of 2 at month 4
    assert described["follow_up"]["median"] == 4.0
    everybody = describe_patients(source([1.0, 2.0, 3.0], [True, True, True]))
    assert everybody["follow_up"]["median"] is None


def test_a_level_without_events_has_no_hazard_ratio_and_changes_no_other():
    event = EVENT & (np.array(STAGE) != "T3")
    (column,) = describe_patients(source(event=event, stage=STAGE))["columns"]
    terms = {t["level"]: t for t in column["terms"]}
    assert (terms["T3"]["hazard_ratio"], terms["T3"]["reason"]) == (None, "no event in T3")
    kept = np.array(STAGE) != "T3"
    (alone,) = describe_patients(source(TIME[kept], event[kept], stage=[s for s in STAGE if s != "T3"]))["columns"]
    assert terms["T2"]["hazard_ratio"] == alone["terms"][0]["hazard_ratio"]
    (column,) = describe_patients(source(event=EVENT & (np.array(STAGE) != "T1"), stage=STAGE))["columns"]
    assert {t["reason"] for t in column["terms"]} == {"no event in T1, which it is compared with"}


@pytest.mark.parametrize(
    ("columns", "event", "reason"),
    [
        ({"age": [60.0] * 30}, EVENT, "all values are equal"),
        ({"age": AGE}, np.zeros(30, dtype=bool), "no event among patients in whom it is known"),
        ({"age": (-TIME).tolist()}, np.arange(30) == np.argmin(TIME), "the fit does not converge"),
    ],
)
def test_a_number_without_a_model_says_why(columns, event, reason):
    (column,) = describe_patients(source(event=event, **columns))["columns"]
    assert [(t["hazard_ratio"], t["reason"]) for t in column["terms"]] == [(None, reason)]


def test_missing_values_are_counted_and_left_out():
    (column,) = describe_patients(source(missing={0, 5}, sex=SEX))["columns"]
    assert column["missing"] == 2
    assert sum(level["patients"] for level in column["levels"]) == 28


def test_a_description_is_stored_with_the_study_and_holds_no_patient(tmp_path):
    described = describe_patients(source(age=AGE, sex=SEX))
    chosen = replace(study([]), patients={"cohort": described})
    chosen.write(tmp_path)
    assert read_study(chosen.folder(tmp_path)).patients == {"cohort": described}
    assert "P00" not in json.dumps(described)
