"""The paper's tables with a study's numbers, next to the published ones."""

from __future__ import annotations

from typing import Any

from survbench.api import Published
from survbench.evaluation.difference import Difference
from survbench.io.layout import Status
from survbench.leaderboard.board.row_json import contrast_json
from survbench.leaderboard.board.rows import Board, ContrastRow, Row
from survbench.leaderboard.paper.patient_rows import REFERENCE, PatientRow, patient_rows, patients_source
from survbench.leaderboard.text.cells import NONE, bootstrap_floor, facts, interval, number, p_value, signed
from survbench.leaderboard.text.table import Cells, Table, TableColumn
from survbench.plan.contrasts import paper_contrasts
from survbench.plan.study import Study
from survbench.statistics.significance import FEW_EVENTS

PAPER_TABLES = {
    "table-2": (
        "Survival models compared (Table II)",
        (
            *("radiomics-lasso-cox", "radiomics-rsf", "radiomics-deepsurv"),
            *("deepfeat-lasso-cox", "deepfeat-rsf", "deepfeat-deepsurv"),
            *("cnn-survival", "mdsn", "dlpm", "deepmts"),
        ),
    ),
    "table-3": (
        "DeepMTS and its parts (Table III)",
        (
            *("seg-backbone", "sur-hs-seg", "sur-hs", "sur-casnet-seg", "sur-casnet"),
            *("mt-hs", "mt-casnet", "deepmts"),
        ),
    ),
    "table-4": (
        "Segmentation backbones (Table IV)",
        (
            *("unet", "seg-backbone", "sur-hs-unet", "sur-hs", "mt-hs-unet", "mt-hs"),
            *("mt-casnet-unet", "mt-casnet", "deepmts-unet", "deepmts"),
        ),
    ),
    "table-5": ("Layers before pooling (Table V)", ("seg-backbone", "sur-hs", "mt-hs-baseline", "mt-hs")),
}
"""Title and methods of each table, by the tag that its methods declare; methods are in the paper's order."""
QUOTED = "Published P values are quoted, not reproduced: the paper does not name its test."
NOT_PUBLISHED = Published(source="")
OTHERS = "Published values are from another cohort and budget: the paper's 170 and 23 patients, 15,000 steps."


def tables(board: Board, study: Study) -> tuple[Table[Any], ...]:
    """Return the tables of a study that have rows: the paper's tables in order, its contrasts, and all pairs."""
    of_methods = (_methods(board, study, tag) for tag in PAPER_TABLES)
    made: tuple[Table[Any], ...] = (_patients(board, study), *of_methods, _contrasts(board), _pairs(board))
    return tuple(table for table in made if table.items)


def _patients(board: Board, study: Study) -> Table[PatientRow]:
    outside, printed_outside = list[TableColumn[PatientRow]](), list[TableColumn[PatientRow]]()
    if board.external is not None:
        outside = [TableColumn(board.external.title, lambda r: r.external_text or NONE)]
        printed_outside = [TableColumn("Published, testing", lambda r: r.published.testing or NONE)]
    columns: list[TableColumn[PatientRow]] = [
        TableColumn("Characteristic", lambda r: r.characteristic),
        TableColumn("", lambda r: r.level),
        TableColumn(board.cohort.title, lambda r: r.text or NONE),
        *outside,
        TableColumn(
            "Hazard ratio (95 % CI)",
            lambda r: "1" if r.term.reason == REFERENCE else interval(r.term.hazard_ratio, r.term.low, r.term.high),
        ),
        TableColumn("p", lambda r: p_value(r.term.p)),
        TableColumn("Published, training", lambda r: r.published.training or NONE),
        *printed_outside,
        TableColumn("Published p", lambda r: p_value(r.published.p)),
    ]
    rows = tuple(patient_rows(study.patients, board.cohort.endpoint))
    missing = [f"{r.characteristic}: {r.term.reason}" for r in rows if r.term.reason not in {"", REFERENCE}]
    notes = (
        "Count (per cent of patients with a known value), or median (range).",
        "Follow-up: median (95 % CI) by reverse Kaplan-Meier.",
        "Hazard ratios: univariate Cox models, per unit of a number, or of a level against the first.",
        *([f"No hazard ratio: {'; '.join(dict.fromkeys(missing))}."] if missing else []),
        f"Published: {patients_source()}; p: section 4.1, which reports no other significant clinical parameter.",
    )
    return Table(
        name="table-1",
        title="Patients (Table I)",
        columns=tuple(columns),
        items=rows,
        values=PatientRow.values,
        notes=notes,
        left=2,
    )


def _methods(board: Board, study: Study, tag: str) -> Table[Row]:
    """Return the paper's rows in its order, followed by other methods with the tag in the board's order.

    As in the paper, table II has the external cohort, and the others have Dice.
    """
    title, names = PAPER_TABLES[tag]
    known = {row.method: row for row in board.rows}
    tagged = {entry.name for entry in study.entries if tag in entry.tags}
    printed = [known[name] for name in names if name in known]
    others = [row for row in board.rows if row.method in tagged.difference(names)]
    columns: list[TableColumn[Row]] = [
        TableColumn("Method", lambda r: r.title),
        TableColumn(
            "C-index (95 % CI)",
            lambda r: interval(r.c_index, r.c_index_low, r.c_index_high) if r.status == Status.OK else r.status,
        ),
    ]
    if tag == "table-2":
        columns += [
            TableColumn(
                "External C (95 % CI)",
                lambda r: interval(r.external_c_index, r.external_c_index_low, r.external_c_index_high),
            ),
            TableColumn("Published C", lambda r: number(_printed(r).c_index)),
            TableColumn("Published external C", lambda r: number(_printed(r).external_c_index)),
        ]
    else:
        columns += [
            TableColumn("Dice", lambda r: number(r.dice)),
            TableColumn("Published C", lambda r: number(_printed(r).c_index)),
            TableColumn("Published Dice", lambda r: number(_printed(r).dice)),
        ]
    return Table(
        name=tag,
        title=title,
        columns=tuple(columns),
        items=(*printed, *others),
        values=_values,
        notes=(
            *([f"Below the paper's rows, not in the paper: {'; '.join(r.title for r in others)}."] if others else []),
            _made_under(board),
            OTHERS,
            *board.notes,
        ),
    )


def _printed(row: Row) -> Published:
    """Return the published values of a method, without numbers if there are none."""
    return row.published or NOT_PUBLISHED


def _values(row: Row) -> Cells:
    of_row = ("method", "title", "status", "c_index", "c_index_low", "c_index_high", "c_index_seed_sd")
    outside = ("external_c_index", "external_c_index_low", "external_c_index_high")
    of_paper = _printed(row)
    return {
        **{name: getattr(row, name) for name in (*of_row, *outside, "dice", "reason")},
        **{f"published_{name}": getattr(of_paper, name) for name in ("c_index", "external_c_index", "dice")},
        "published_source": of_paper.source or None,
    }


def _contrasts(board: Board) -> Table[ContrastRow]:
    titles = {row.method: row.title for row in board.rows}
    numbers: dict[str, str] = {table.name: table.paper_table for table in paper_contrasts()}

    outside: list[TableColumn[ContrastRow]] = [
        TableColumn("External difference (95 % CI)", lambda r: _with_interval(r.outside)),
        TableColumn("External p", lambda r: p_value(r.outside.p)),
        TableColumn("External Holm p", lambda r: p_value(r.outside.p_holm)),
        TableColumn("External bootstrap p", lambda r: p_value(r.outside.p_bootstrap), in_latex=False),
        TableColumn("External permutation p", lambda r: p_value(r.outside.p_permutation)),
        TableColumn("Published external difference", lambda r: number(r.published_external_difference)),
        TableColumn("Published external P", lambda r: _quoted(r.published_external_p)),
    ]
    return Table(
        name="contrasts",
        title="The paper's contrasts",
        columns=(
            TableColumn("Table", lambda r: numbers.get(r.table, r.table)),
            TableColumn("Contrast", lambda r: f"{titles.get(r.a, r.a)} against {titles.get(r.b, r.b)}"),
            TableColumn("Difference of C (95 % CI)", lambda r: _with_interval(r.inside)),
            TableColumn("p", lambda r: p_value(r.inside.p)),
            TableColumn("Holm p", lambda r: p_value(r.inside.p_holm)),
            TableColumn("BH p", lambda r: p_value(r.inside.p_bh)),
            TableColumn("Bootstrap p", lambda r: p_value(r.inside.p_bootstrap), in_latex=False),
            TableColumn("Permutation p", lambda r: p_value(r.inside.p_permutation)),
            TableColumn("Published difference", lambda r: number(r.published_difference)),
            TableColumn("Published P", lambda r: _quoted(r.published_p)),
            *(outside if board.external is not None else ()),
        ),
        items=board.contrasts,
        values=contrast_json,
        notes=(
            QUOTED,
            "Difference: C of the first method minus C of the second.",
            "p: paired infinitesimal jackknife. Holm and BH p adjust it within each table, over the contrasts tested.",
            "Methods that are in no contrast of a table do not change its p values.",
            "Bootstrap p and permutation p (exchange of ranks): raw.",
            *filter(None, [bootstrap_floor(board)]),
            *_few_events(board),
            _made_under(board),
            OTHERS,
            *board.notes,
        ),
        left=2,
    )


def _with_interval(difference: Difference) -> str:
    return signed(difference.value, difference.low, difference.high)


def _quoted(p: float | str | None) -> str:
    return p if isinstance(p, str) else p_value(p)


PAIR = "below the diagonal difference of C, above it Holm p"
"""Heading of the method column in the matrix of all pairs."""


def _pairs(board: Board) -> Table[int]:
    """Return the matrix of all pairs of ranked methods, from the highest C; empty with fewer than two methods."""
    pairs, names = board.pairs, board.pairs.methods

    def value(i: int, j: int) -> float | None:
        return None if i == j else (pairs.difference if j < i else pairs.p_holm)[i][j]

    def values(i: int) -> Cells:
        return {PAIR: names[i], **{name: value(i, j) for j, name in enumerate(names)}}

    def column(j: int) -> TableColumn[int]:
        return TableColumn(str(j + 1), lambda i: signed(value(i, j), None, None) if i > j else p_value(value(i, j)))

    return Table(
        name="pairs",
        title="All pairs of ranked methods",
        columns=(
            TableColumn("Method", lambda i: f"{i + 1} {names[i]}"),
            *(column(j) for j in range(len(names))),
        ),
        items=tuple(range(len(names))) if len(names) > 1 else (),
        values=values,
        notes=(
            "Below the diagonal: C of the row minus C of the column. Above it: Holm p over all pairs.",
            "All pairs: all ranked methods, whatever their group. Adding methods never lowers a Holm p.",
            "p: paired infinitesimal jackknife. Methods are in the order of C; columns have their numbers.",
            _made_under(board),
            *board.notes,
        ),
    )


def _few_events(board: Board) -> list[str]:
    """Return which p value to read for cohorts with so few events that the jackknife rejects too often."""
    cohorts = [board.cohort, *([board.external] if board.external is not None else [])]
    few = [f"{c.title} has {c.events} events" for c in cohorts if c.events < FEW_EVENTS]
    return [f"{'; '.join(few)}: below {FEW_EVENTS} read the permutation p."] if few else []


def _made_under(board: Board) -> str:
    return "; ".join(f"{name}: {value}" for name, value in facts(board).items()) + "."
