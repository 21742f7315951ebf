"""The whole board as a table."""

from __future__ import annotations

from survbench.io.files import rounded
from survbench.io.study_files import BOARD
from survbench.leaderboard.board.row_json import row_json
from survbench.leaderboard.board.rows import Board, Row
from survbench.leaderboard.text.cells import bootstrap_floor, comparisons, facts
from survbench.leaderboard.text.columns import Column, Place, csv_cells, of
from survbench.leaderboard.text.table import Table, TableColumn


def board_table(board: Board, *, published: bool = False) -> Table[Row]:
    """Return a board as a table of all its methods.

    Args:
        board: the board.
        published: whether LaTeX includes the published values.
    """

    def in_latex(column: Column) -> bool:
        return Place.LATEX in column.where or (published and column.key == "published")

    shown = of(Place.MARKDOWN)
    return Table(
        name=BOARD,
        title=board.cohort.title,
        columns=tuple(TableColumn(column.head, column.text, in_latex(column)) for column in shown),
        items=board.rows,
        values=lambda row: csv_cells(rounded(row_json(row))),
        notes=(*_legend(board), *board.notes, *_of_rows(board)),
        facts={**facts(board), **comparisons(board)},
        left=1 + next(place for place, column in enumerate(shown) if column.key == "group"),
    )


def _legend(board: Board) -> list[str]:
    """Return the meaning of the columns."""
    floor = bootstrap_floor(board)
    return [
        f"p: paired test against {board.protocol.reference}.",
        "Holm p: adjusted within the row's group; rows of other groups do not change it.",
        "Ties: methods that share a letter do not differ significantly (Holm over all pairs of ranked methods).",
        "Published C: another cohort and budget, not to be compared with ours.",
        *([f"{floor} It is in the JSON and CSV files."] if floor else []),
    ]


def _of_rows(board: Board) -> list[str]:
    """Return why rows have no numbers, no p value, or no external C."""
    return [
        *(f"{row.method} {row.status}: {row.reason}" for row in board.rows if row.reason),
        *(f"{row.method} has no p: {row.reasons['p']}." for row in board.rows if "p" in row.reasons),
        *(
            f"{row.method} is not predicted on the external cohort: {row.reasons['external_c_index']}."
            for row in board.rows
            if "external_c_index" in row.reasons
        ),
    ]
