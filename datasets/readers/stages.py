"""Choose the patients of a table by their stage group, and say what restaging changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from survbench.datasets.cards.card import StageChoice
from survbench.datasets.checks.stages import Restaged, StageDisagrees, StageUnknown
from survbench.datasets.vocabulary.staging import Stage, StageRules, agree, group_of, stage_of, stage_rules
from survbench.errors import BenchError
from survbench.findings import Finding
from survbench.io.tables import Row, Table


@dataclass(frozen=True, slots=True)
class _Staged:
    """A row with its recorded stage group ("" if unclear) and the groups of T, N and M (None if unclear)."""

    row: Row
    name: str
    recorded: str
    derived: Stage | None

    @property
    def restaged(self) -> str:
        """Group of the 8th edition, or ""."""
        return "" if self.derived is None else self.derived.eighth


def with_stage_column(choice: StageChoice, table: Table) -> Table:
    """Return the table with a blank column for the stage group.

    Raises:
        BenchError: the table has a column of that name.
    """
    if choice.column in table.columns:
        raise BenchError(
            f"The table already has a column {choice.column!r}. Give patients.stage.column of the card another name."
        )
    return table.with_columns({choice.column: [""] * len(table.rows)})


def select_by_stage(choice: StageChoice, rows: Iterable[Row], id_column: str) -> tuple[list[Row], list[Finding]]:
    """Return the rows of the groups to keep, with their level in the column of the stage, and what restaging changes.

    Args:
        choice: the card's choice.
        rows: of the table with the column of :func:`with_stage_column`.
        id_column: the column with the ids.
    """
    rules = stage_rules(choice.rules)
    staged = [_staged(choice, rules, row, id_column) for row in rows]
    level_of = {group: level for level, groups in choice.keep.items() for group in groups}
    kept: list[Row] = []
    for one in staged:
        group = one.recorded if choice.by == "recorded" else one.restaged
        if group in level_of:
            kept.append(Row(one.row.line, {**one.row.cells, choice.column: level_of[group]}))
    return kept, [*_findings(choice, rules, staged)]


def _staged(choice: StageChoice, rules: StageRules, row: Row, id_column: str) -> _Staged:
    m = "" if choice.m is None else row.cells[choice.m]
    derived = stage_of(rules, row.cells[choice.t], row.cells[choice.n], m)
    recorded = group_of(row.cells[choice.recorded])
    if recorded == "IV" and derived is not None and derived.seventh == "IVC":
        recorded = "IVC"  # M1 alone; IV without a letter is kept with IVA and IVB
    return _Staged(row, row.cells[id_column] or f"line {row.line}", recorded, derived)


def _findings(choice: StageChoice, rules: StageRules, staged: list[_Staged]) -> Iterator[Finding]:
    recorded, restaged = (_counts(groups) for groups in ([s.recorded for s in staged], [s.restaged for s in staged]))
    what = f"Patients were chosen by their {choice.by} stage group."
    yield Restaged.finding(f"{what} As recorded: {recorded}; restaged to the 8th edition: {restaged}.")
    for one in staged:
        unclear = not (one.recorded if choice.by == "recorded" else one.restaged)
        if unclear:
            where = choice.recorded if choice.by == "recorded" else _in_words(_tnm(choice))
            cause = f"Patients without a stage group by {where} are left out."
            yield StageUnknown.finding(cause, subject=one.name, detail=_cells(choice, one))
        if one.derived is None:
            continue
        if one.recorded and not agree(one.recorded, one.derived.seventh):
            cause = f"The recorded stage group is not that of {_in_words(_tnm(choice))} in the 7th edition."
            detail = f"{_cells(choice, one)}; the table says {one.derived.seventh}"
            yield StageDisagrees.finding(cause, subject=one.name, detail=detail)
        if one.derived.undecided:
            cause = f"T, N and M alone do not decide the group in the 8th edition: {one.derived.undecided}."
            yield Restaged.finding(cause, subject=one.name, remedy=f"Source of the groups: {rules.source}.")


def _counts(groups: Iterable[str]) -> str:
    counts = Counter(groups)
    return ", ".join(f"{counts[group]} {group or 'unknown'}" for group in sorted(counts, key=lambda g: (not g, g)))


def _tnm(choice: StageChoice) -> list[str]:
    return [choice.t, choice.n] if choice.m is None else [choice.t, choice.n, choice.m]


def _cells(choice: StageChoice, one: _Staged) -> str:
    columns = (*_tnm(choice), choice.recorded)
    return ", ".join(f"{column}: {one.row.cells[column] or 'blank'}" for column in columns)


def _in_words(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]])
