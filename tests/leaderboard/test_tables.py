"""The paper's tables in our numbers: what stands in them, in every form, and LaTeX that compiles."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from reading import cells_of
from survbench.api import Published
from survbench.datasets.cohorts.description import describe_patients
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.paper.board_table import board_table
from survbench.leaderboard.paper.tables import PAPER_TABLES, tables
from survbench.leaderboard.text.cells import p_value
from survbench.leaderboard.text.latex_text import tex
from survbench.leaderboard.text.markdown_text import plain
from survbench.leaderboard.text.table import Table, TableColumn
from survbench.leaderboard.writers.board_files import write_board
from survbench.leaderboard.writers.table_files import EXAMPLE, MOST_ROWS, PREAMBLE, latex, markdown, write_tables
from survbench.plan.registry import registry
from survbench.plan.study import Entry
from survbench.runs.store import Store
from survbench.significance import holm, influence, paired_jackknife
from toy_patients import AGE, SEX, source
from toy_study import EVENT, FOLD, OUTSIDE, TIME, method, study

RNG = np.random.default_rng(7)
NOISY = -TIME + 20 * RNG.normal(size=30)
EVIL = "100 % of $x_1$ & \\input{/etc/passwd} ~^{} #2 <b> |é–中"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def made(store):
    """Return the tables of a study of four methods: two of the paper, one that joins them by its tag, and another."""
    published = Published(source="paper", c_index=0.722, external_c_index=0.698, dice=0.76)
    outside = RNG.normal(size=(1, 3, len(OUTSIDE)))
    entries = [
        replace(
            method(
                store, "deepmts", NOISY, outside=outside, published=published, dice=0.5, gives=("risk", "segmentation")
            ),
            tags=("paper", "table-2", "table-3"),
        ),
        replace(method(store, "mt-hs", RNG.normal(size=30), outside=outside, title=EVIL), tags=("table-3",)),
        replace(method(store, "mine", -TIME, outside=outside, title="Mine"), tags=("table-3",)),
        method(store, "volume", RNG.normal(size=30), outside=outside),
    ]
    patients = {"cohort": describe_patients(source(age=AGE, sex=SEX)), "external": describe_patients(source(age=AGE))}
    chosen = replace(study(entries), patients=patients)
    return {table.name: table for table in tables(build_board(chosen, store), chosen)}


PRINTED = {
    "table-2": [
        (0.696, 0.675), (0.691, 0.673), (0.687, 0.666), (0.711, 0.692), (0.707, 0.688), (0.716, 0.694), (0.658, 0.628),
        (0.675, 0.639), (0.667, 0.642), (0.722, 0.698),
    ],
    "table-3": [
        (None, 0.758), (0.657, None), (0.678, None), (0.652, None), (0.674, None), (0.706, 0.763), (0.698, 0.754),
        (0.722, 0.760),
    ],
    "table-4": [
        (None, 0.743), (None, 0.758), (0.655, None), (0.678, None), (0.680, 0.747), (0.706, 0.763), (0.696, 0.740),
        (0.698, 0.754), (0.704, 0.745), (0.722, 0.760),
    ],
    "table-5": [(None, 0.758), (0.678, None), (0.662, 0.760), (0.706, 0.763)],
}  # fmt: skip
"""C-index and external C-index (Table II) or Dice (III to V), in the lines of the paper."""


@pytest.mark.parametrize("name", PRINTED)
def test_the_papers_rows_stand_in_its_order_with_its_numbers(store, name):
    chosen = study([replace(Entry.of(info), skipped="not run here") for info in registry().methods.values()])
    table = next(t for t in tables(build_board(chosen, store), chosen) if t.name == name)
    second = "published_external_c_index" if name == "table-2" else "published_dice"
    found = [(row["published_c_index"], row[second]) for row in table.rows]
    assert found[: len(PRINTED[name])] == PRINTED[name]
    below = {row["method"] for row in table.rows[len(PRINTED[name]) :]}
    assert below == ({f"{m}-unet-taps" for m in ("sur-hs", "mt-hs", "deepmts")} if name == "table-4" else set())
    assert {m.name for m in registry().select(f"@{name}")} == {*PAPER_TABLES[name][1], *below}


def test_methods_that_declare_the_tag_follow_the_papers_rows(made):
    assert list(made) == ["table-1", "table-2", "table-3", "table-4", "table-5", "contrasts", "pairs"]
    assert [r["method"] for r in made["table-2"].rows] == ["deepmts"]
    assert [r["method"] for r in made["table-3"].rows] == ["mt-hs", "deepmts", "mine"]
    assert "Below the paper's rows, not in the paper: Mine." in made["table-3"].notes
    (row,) = made["table-2"].rows
    assert (row["published_c_index"], row["published_external_c_index"]) == (0.722, 0.698)
    assert "0.698" in markdown(made["table-2"])
    assert "0.500" in markdown(made["table-3"])


def test_contrasts_are_quoted_not_reproduced(made):
    text = markdown(made["contrasts"])
    assert "quoted, not reproduced" in text
    line = next(x for x in text.splitlines() if "deepmts against" in x)
    assert line.startswith(f"| III | deepmts against {plain(EVIL)} |")
    assert "0.042" in line
    assert sum(r["p"] is not None for r in made["contrasts"].rows) == 1


def test_the_matrix_of_all_pairs_has_differences_below_and_holm_p_above_the_diagonal(store):
    risks = {"best": -TIME, "middle": NOISY, "worst": TIME}
    board = build_board(study([method(store, n, r) for n, r in risks.items()], external=False), store)
    (table,) = [t for t in tables(board, study([])) if t.name == "pairs"]
    c = {row.method: row.c_index for row in board.rows}
    cells = [[column.text(item) for column in table.columns] for item in table.items]
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
    assert {p.stem for p in (tmp_path / "tables").iterdir()} == {"table-1", "example"}
    write_tables(list(made.values()), tmp_path / "tables")
    assert {p.name: p.read_bytes() for p in (tmp_path / "tables").iterdir()} == first


def test_foreign_text_is_no_command_in_latex_and_no_cell_in_markdown(made):
    text = latex(made["table-3"])
    assert "\\input{" not in text
    line = next(x for x in text.splitlines() if "etc/passwd" in x)
    assert line.replace("\\&", "").count("&") == len(made["table-3"].columns) - 1
    assert "[U+4E2D]" in line
    found = next(cells for cells in cells_of(markdown(made["table-3"])) if "etc/passwd" in cells[0])
    assert found[0] == EVIL
    assert len(found) == len(made["table-3"].columns)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Ünal–Ørsted, Čech, u\N{COMBINING DIAERESIS}", r"\"{U}nal--\O{}rsted, \v{C}ech, \"{u}"),
        ("kg/m²", r"kg/m\textsuperscript{2}"),
        ("10⁻³ CO₂", r"10\textsuperscript{$-$}\textsuperscript{3} CO\textsubscript{2}"),
        ("α Ω μ µ Α", r"$\alpha$ $\Omega$ $\mu$ $\mu$ A"),
        ("37 °C ± 2 × 3", r"37 $^{\circ}$C $\pm$ 2 $\times$ 3"),
        ("-0.5 (−0.6 to -.4), PD-1, 16-78", "$-$0.5 ($-$0.6 to -.4), PD-1, 16-78"),
        ("--seeds 3", "-{}-seeds 3"),
        ("`x` 'a' ''b''", r"\`{}x\`{} 'a' '{}'b'{}'"),
        ("中", r"[U+4E2D]\allowbreak{}"),
    ],
)
def test_latex_prints_text_as_it_stands(text, written):
    assert tex(text) == written


# --- LaTeX compiled


@pytest.fixture
def log_of(tmp_path):
    """Return a function that compiles LaTeX, or a file, and returns its log."""
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex (Debian: texlive-latex-base texlive-latex-recommended)")

    def compiled(text, folder=tmp_path, name="table.tex"):
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
        assert ended.returncode == 0, ended.stdout[-2000:]
        return (folder / name).with_suffix(".log").read_text(errors="replace")

    return compiled


def lost(log):
    """Return what a log says of characters that no font has, and of print beyond the edge of its page by over 1 pt."""
    beyond = [
        float(points) for points in re.findall(r"(?:Overfull \\[hv]box \(|too large for page by )([\d.]+)pt", log)
    ]
    return [line for line in log.splitlines() if "Missing character" in line], [p for p in beyond if p > 1]


END = "\n\\end{document}\n"
LONG = "A model with a long name, of features that some network has learnt (U-net, taps, masked input)"


@pytest.mark.parametrize("name", [LONG, "x" * 50, "[U-net]", "*", EVIL, "中" * 40], ids=lambda name: name[:8])
def test_long_names_and_many_rows_stay_on_the_page(log_of, name):
    columns = tuple(TableColumn(f"External {n} (95 % CI)", lambda r: r["text"]) for n in range(12))
    table = Table(
        name="t",
        title=name,
        columns=(TableColumn("Method", lambda r: r["name"]), *columns),
        items=({"name": name, "text": "-0.169 (-0.267 to -0.066)"},) * (MOST_ROWS + 1),
        values=dict,
        notes=(name,),
    )
    log = log_of(PREAMBLE + latex(table) + END)
    assert lost(log) == ([], [])


PAPER = r"""\documentclass[twocolumn]{article}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
See Tables \ref{tab:survbench-leaderboard}, \ref{tab:survbench-contrasts} and \ref{tab:survbench-pairs}.
\input{leaderboard}
%s
\end{document}
"""


@pytest.mark.parametrize("published", [False, True])
def test_a_paper_takes_in_the_board_and_every_table(store, made, log_of, tmp_path, published):
    board = board_of_study(store)
    write_board(board, tmp_path, published=published)
    write_tables(list(made.values()), tmp_path / "tables")
    inputs = "\n".join(rf"\input{{tables/{name}}}" for name in made)
    for _ in range(2):  # the first run writes the labels down
        log = log_of(PAPER % inputs, name="paper.tex")
    assert lost(log) == ([], [])
    assert "undefined" not in log
    heads = next(line for line in (tmp_path / "leaderboard.tex").read_text().splitlines() if r"\textbf" in line)
    assert ("Published" in heads) == published


def board_of_study(store):
    """Return the board of what ``made`` has written."""
    names = ("deepmts", "mt-hs", "mine", "volume")
    return build_board(study([method(store, name, NOISY, title=EVIL) for name in names], external=False), store)


def test_the_example_beside_the_tables_compiles(store, made, log_of, tmp_path):
    write_board(board_of_study(store), tmp_path)
    write_tables(list(made.values()), tmp_path / "tables")
    assert lost(log_of(None, folder=tmp_path / "tables", name=EXAMPLE)) == ([], [])


def test_a_fragment_has_a_caption_and_one_label_and_no_preamble(store, made):
    long = replace(made["table-3"], items=made["table-3"].items * MOST_ROWS)
    for table in (*made.values(), long, board_table(board_of_study(store))):
        text = latex(table)
        assert text.count(rf"\label{{tab:survbench-{table.name}}}") == 1
        assert text.count(r"\caption{") == text.count(r"\toprule") == -(-len(table.rows) // MOST_ROWS)
        assert "documentclass" not in text
        assert r"\begin{document}" not in text


def test_all_characters_that_latex_has_compile(log_of):
    symbols = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ ₀₁₂₃₄₅₆₇₈₉ ‐ ‑ – — − × ÷ ± ≤ ≥ ≠ ≈ ∞ → … ‘a’ “b” ™ µ ° ² αβγ Ω"
    assert "U+" not in tex(symbols)
    letters = " ".join(chr(code) for code in (*range(33, 127), *range(0xA1, 0x180), *range(0x370, 0x400)))
    document = f"{PREAMBLE}\\raggedright {tex(f'{letters} {symbols}')}\n\\end{{document}}\n"
    assert lost(log_of(document)) == ([], [])


# --- Table I


def test_the_papers_censored_patients_and_its_p_stand_beside_ours(store):
    chosen = replace(study([]), patients={"cohort": describe_patients(source(stage=["III", "IVa"] * 15))})
    (table,) = tables(build_board(chosen, store), chosen)
    rows = {(r["characteristic"], r["level"]): r for r in table.rows}
    censored = rows["censored", ""]
    assert (censored["text"], censored["published"]) == (
        f"{30 - EVENT.sum()} ({100 - 100 * EVENT.mean():.1f} %)",
        "122 (71.76)",
    )
    assert censored["published_external"] == "9 (39.13)"
    assert rows["stage", "IVa"]["p"] is not None
    assert {key: r["published_p"] for key, r in rows.items() if r["published_p"]} == {("stage", "IVa"): 0.047}
    cells = next(cells for cells in cells_of(markdown(table)) if cells[1] == "IVa")
    assert cells[-1] == "0.047"
