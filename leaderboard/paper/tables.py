"""The paper's tables in a study's numbers, with the published ones beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from survbench.io.layout import Status
from survbench.leaderboard.board.row_json import contrast_json
from survbench.leaderboard.board.rows import Board, Row
from survbench.leaderboard.paper.patient_rows import REFERENCE, patient_rows, patients_source
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
"""Title and methods of each table by the tag that its methods declare; the methods as the paper lists them."""
QUOTED = "Published P values are quoted, not reproduced: the paper does not name its test."
OTHERS = "Published values are of the paper's patients and budget (170 and 23 patients, 15,000 steps): another cohort."


def tables(board: Board, study: Study) -> tuple[Table, ...]:
    """Return the tables of a study that have rows, in the paper's order, the paper's contrasts, and all pairs."""
    of_methods = (_methods(board, study, tag) for tag in PAPER_TABLES)
    made = (_patients(board, study), *of_methods, _contrasts(board), _pairs(board))
    return tuple(table for table in made if table.rows)


def _patients(board: Board, study: Study) -> Table:
    outside = board.external is not None
    columns = [
        TableColumn("Characteristic", lambda r: str(r["characteristic"])),
        TableColumn("", lambda r: str(r["level"])),
        TableColumn(board.cohort["title"], lambda r: r["text"] or NONE),
        *([TableColumn(board.external["title"], lambda r: r["external_text"] or NONE)] if board.external else []),
        TableColumn(
            "Hazard ratio (95 % CI)",
            lambda r: "1" if r["reason"] == REFERENCE else interval(r["hazard_ratio"], r["low"], r["high"]),
        ),
        TableColumn("p", lambda r: p_value(r["p"])),
        TableColumn("Published, training", lambda r: r["published"] or NONE),
        *([TableColumn("Published, testing", lambda r: r["published_external"] or NONE)] if outside else []),
        TableColumn("Published p", lambda r: p_value(r["published_p"])),
    ]
    rows = tuple(patient_rows(study.patients, str(board.cohort["endpoint"])))
    missing = {f"{r['characteristic']}: {r['reason']}": None for r in rows if r["reason"] not in {"", REFERENCE}}
    notes = (
        "Count (per cent of the patients in whom it is known), or median (range).",
        "Follow-up: median (95 % CI) by reverse Kaplan-Meier.",
        "Hazard ratios: univariate Cox models, of a number for one unit more, of levels against the first.",
        *([f"No hazard ratio: {'; '.join(missing)}."] if missing else []),
        f"Published: {patients_source()}; p: section 4.1, which calls no other clinical parameter significant.",
    )
    return Table(name="table-1", title="Patients (Table I)", columns=tuple(columns), rows=rows, notes=notes, left=2)


def _methods(board: Board, study: Study, tag: str) -> Table:
    """Return the paper's rows in its order, and below them other methods that declare the tag, in the board's.

    Table II has the external cohort, the others have Dice: what the paper prints.
    """
    title, names = PAPER_TABLES[tag]
    known = {row.method: row for row in board.rows}
    tagged = {entry.name for entry in study.entries if tag in entry.tags}
    printed = [known[name] for name in names if name in known]
    others = [row for row in board.rows if row.method in tagged.difference(names)]
    columns = [
        TableColumn("Method", lambda r: str(r["title"])),
        TableColumn(
            "C-index (95 % CI)",
            lambda r: (
                interval(r["c_index"], r["c_index_low"], r["c_index_high"])
                if r["status"] == Status.OK
                else str(r["status"])
            ),
        ),
    ]
    if tag == "table-2":
        of = ("external_c_index", "external_c_index_low", "external_c_index_high")
        columns += [
            TableColumn("External C (95 % CI)", lambda r: interval(*(r[name] for name in of))),
            TableColumn("Published C", lambda r: number(r["published_c_index"])),
            TableColumn("Published external C", lambda r: number(r["published_external_c_index"])),
        ]
    else:
        columns += [
            TableColumn("Dice", lambda r: number(r["dice"])),
            TableColumn("Published C", lambda r: number(r["published_c_index"])),
            TableColumn("Published Dice", lambda r: number(r["published_dice"])),
        ]
    return Table(
        name=tag,
        title=title,
        columns=tuple(columns),
        rows=tuple(map(_values, (*printed, *others))),
        notes=(
            *([f"Below the paper's rows, not in the paper: {'; '.join(r.title for r in others)}."] if others else []),
            _made_under(board),
            OTHERS,
            *board.notes,
        ),
    )


def _values(row: Row) -> dict[str, Any]:
    of_row = ("method", "title", "status", "c_index", "c_index_low", "c_index_high", "c_index_seed_sd")
    outside = ("external_c_index", "external_c_index_low", "external_c_index_high")
    of_paper = row.published or {}
    return {
        **{name: getattr(row, name) for name in (*of_row, *outside, "dice", "reason")},
        **{f"published_{name}": of_paper.get(name) for name in ("c_index", "external_c_index", "dice", "source")},
    }


def _contrasts(board: Board) -> Table:
    titles = {row.method: row.title for row in board.rows}
    numbers: dict[str, str] = {table.name: table.paper_table for table in paper_contrasts()}

    def ours(prefix: str) -> Callable[[Cells], str]:
        return lambda r: signed(*(r[f"{prefix}{name}"] for name in ("difference", "difference_low", "difference_high")))

    def quoted(name: str) -> Callable[[Cells], str]:
        return lambda r: r[name] if isinstance(r[name], str) else p_value(r[name])

    outside = [
        TableColumn("External difference (95 % CI)", ours("external_")),
        TableColumn("External p", lambda r: p_value(r["external_p"])),
        TableColumn("External Holm p", lambda r: p_value(r["external_p_holm"])),
        TableColumn("External bootstrap p", lambda r: p_value(r["external_p_bootstrap"]), in_latex=False),
        TableColumn("External permutation p", lambda r: p_value(r["external_p_permutation"])),
        TableColumn("Published external difference", lambda r: number(r["published_external_difference"])),
        TableColumn("Published external P", quoted("published_external_p")),
    ]
    return Table(
        name="contrasts",
        title="The paper's contrasts",
        columns=(
            TableColumn("Table", lambda r: numbers.get(r["table"], str(r["table"]))),
            TableColumn("Contrast", lambda r: " against ".join(titles.get(r[of], str(r[of])) for of in ("a", "b"))),
            TableColumn("Difference of C (95 % CI)", ours("")),
            TableColumn("p", lambda r: p_value(r["p"])),
            TableColumn("Holm p", lambda r: p_value(r["p_holm"])),
            TableColumn("BH p", lambda r: p_value(r["p_bh"])),
            TableColumn("Bootstrap p", lambda r: p_value(r["p_bootstrap"]), in_latex=False),
            TableColumn("Permutation p", lambda r: p_value(r["p_permutation"])),
            TableColumn("Published difference", lambda r: number(r["published_difference"])),
            TableColumn("Published P", quoted("published_p")),
            *(outside if board.external is not None else ()),
        ),
        rows=tuple(map(contrast_json, board.contrasts)),
        notes=(
            QUOTED,
            "Difference: C of the first method minus C of the second.",
            "p: paired infinitesimal jackknife. Holm and BH p adjust it within each table, over the contrasts tested.",
            "Methods that are in no contrast of a table do not change its p.",
            "Bootstrap p and permutation p (exchange of ranks): raw.",
            *filter(None, [bootstrap_floor(board)]),
            *_few_events(board),
            _made_under(board),
            OTHERS,
            *board.notes,
        ),
        left=2,
    )


PAIR = "below the diagonal difference of C, above it Holm p"
"""Heading of the methods in the matrix of all pairs."""


def _pairs(board: Board) -> Table:
    """Return the matrix of all pairs of ranked methods, from the highest C; empty for fewer than two."""
    pairs, names = board.pairs, board.pairs.methods

    def row(i: int, name: str) -> Cells:
        values = [pairs.difference[i][j] if j < i else pairs.p_holm[i][j] for j in range(len(names))]
        return {PAIR: name, **{other: None if other == name else v for other, v in zip(names, values, strict=True)}}

    def column(j: int, name: str) -> TableColumn:
        def text(cells: Cells) -> str:
            return signed(cells[name], None, None) if names.index(cells[PAIR]) > j else p_value(cells[name])

        return TableColumn(str(j + 1), text)

    return Table(
        name="pairs",
        title="All pairs of ranked methods",
        columns=(
            TableColumn("Method", lambda r: f"{names.index(r[PAIR]) + 1} {r[PAIR]}"),
            *(column(j, name) for j, name in enumerate(names)),
        ),
        rows=tuple(row(i, name) for i, name in enumerate(names)) if len(names) > 1 else (),
        notes=(
            "Below the diagonal: C of the row minus C of the column. Above it: Holm p over all pairs.",
            "All pairs: of all ranked methods, whatever their group. With more methods a Holm p is larger or the same.",
            "p: paired infinitesimal jackknife. Methods stand in the order of C; columns have their numbers.",
            _made_under(board),
            *board.notes,
        ),
    )


def _few_events(board: Board) -> list[str]:
    """Return which p is to be read in a cohort of so few events that the jackknife rejects too often."""
    cohorts = [board.cohort, *([board.external] if board.external is not None else [])]
    few = [f"{c['title']} has {c['events']} events" for c in cohorts if int(c["events"]) < FEW_EVENTS]
    return [f"{'; '.join(few)}: below {FEW_EVENTS} read the permutation p."] if few else []


def _made_under(board: Board) -> str:
    return "; ".join(f"{name}: {value}" for name, value in facts(board).items()) + "."
