"""Cells that a card declares as missing values."""

from __future__ import annotations

from survbench.datasets.cards.card import CohortCard
from survbench.io.cells import PackedCells
from survbench.io.tables import Table, canonical


def blank_missing(card: CohortCard, table: Table, key: str) -> Table:
    """Return the table with the cells of ``card.missing`` blanked, except where the card gives them another meaning.

    Ids, centres, groups and the columns of ``patients.where`` keep their cells. So do cells that the card declares as
    a code of the endpoint or as a level of that clinical column.

    Args:
        card: the cohort's card.
        table: the cohort's table, or a feature table.
        key: the table's id column.
    """
    if not card.missing:
        return table
    unknown = {canonical(cell) for cell in card.missing}
    end = card.endpoint
    kept = {key, card.centre, card.group, *card.patients.where}
    blank = {name: unknown for name in table.columns if name not in kept}
    if end.event in blank:
        blank[end.event] = unknown - {canonical(code) for code in (*end.observed, *end.censored)}
    for column in card.clinical:
        if column.column in blank:
            blank[column.column] = blank[column.column] - {canonical(level) for level in column.levels}
    changed: dict[str, PackedCells] = {}
    for name, codes in blank.items():
        cells = table.column(name)
        blanked = ["" if canonical(cell) in codes else cell for cell in cells]
        if blanked != cells:
            changed[name] = PackedCells(blanked)
    return table.with_columns(changed) if changed else table
