"""Checks for rows that belong to one patient: lesions, sides, visits."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from operator import mul

import numpy as np
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.images import same_data
from survbench.datasets.checks.kinds import CohortCheck
from survbench.findings import Finding

AGREE = 0.9
"""Share of groups of rows with a single outcome from which the groups count as patients."""
FEWEST = 2
"""Number of groups of rows below which they may agree by chance."""
FEWEST_EQUAL = 5
"""Smallest number of known values that two rows must share to be copies."""
COPY = 1e-3
"""Two equal rows are copies if at most this many pairs of equal rows are expected by chance."""
BEYOND_CHANCE = 10.0
"""Factor by which pairs of rows that agree in all clinical values must exceed chance, among pairs with one outcome."""
_PATIENT = re.compile(r"(patient|subject|case|person|participant|pat|pt|mrn|pid)s?[ _.-]*(id|no|nr|number|name|key)?")
_LAST_LETTERS = re.compile(r"(.*\d)[A-Za-z]+\d*")

Outcome = tuple[float, bool]


class RowsOfOnePatient(CohortCheck):
    """Several rows seem to belong to one patient. They have the same time and event, and also ids that differ only in
    the last part (``P01_L1`` and ``P01_L2``), the same value in a column that names the patient, or the same clinical
    values. Two rows that are equal in everything but the id, in more columns than expected by chance, are the same
    patient twice.

    If such rows are assigned to folds separately, a patient can be in training and test at once, and a model recognises
    the patient.
    """

    code = "SB110"
    severity = "warning"
    part = "table"
    title = "Rows seem to belong to one patient"
    remedy = "If they are one patient, name the patient column under group on the card, or keep only one of the rows."
    counts = "rows"

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        if source.card.group is not None:
            return
        cohort = source.cohort
        outcome = dict(zip(cohort.ids, zip(cohort.time.tolist(), cohort.event.tolist(), strict=True), strict=True))
        for how, remedy, key in _candidates(source):
            groups = _groups(key)
            if _share_outcomes(groups, outcome):
                yield self._group_finding(how, groups, remedy)
                return
        groups = _equal_clinical(source, outcome)
        if groups:
            how = "the same clinical values"
            yield self._group_finding(
                how, groups, "If they do, add a column that names the patient: group: COLUMN on the card."
            )
            return
        for first, second in _copies(source, outcome):
            yield self.finding(
                "Two rows are equal in everything but the id: in time, event, clinical columns and features.",
                subject=second,
                detail=f"as {first}",
                remedy="If they are one patient, leave one row out (patients.without on the card).",
            )

    def _group_finding(self, how: str, groups: Sequence[Sequence[str]], remedy: str) -> Finding:
        rows = sum(map(len, groups))
        shown = "; ".join(", ".join(group[:3]) for group in list(groups)[:3])
        return self.finding(
            f"{rows} rows seem to belong to {len(groups)} patients: they have the same time and event, and {how}.",
            detail=f"{shown}{'; ...' if len(groups) > 3 else ''}",
            remedy=f"{remedy} Their rows then stay in one fold.",
        )


class GroupedRows(CohortCheck):
    """The card declares groups of rows that belong to one patient. They stay in one fold, but tests and intervals count
    rows: if the rows of a patient are similar, p values are too small and intervals too narrow.
    """

    code = "SB603"
    severity = "warning"
    part = "protocol"
    title = "Tests and intervals count rows, not patients"
    sections = ("group",)
    remedy = "Interpret intervals and p values with care, or keep one row per patient."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        sizes = Counter(s.group for s in source.cohort.subjects if s.group)
        if any(size > 1 for size in sizes.values()):
            yield self.finding(
                f"{sum(sizes.values())} rows belong to {len(sizes)} patients; tests and intervals count the rows."
            )


def _candidates(source: SourceCohort) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield possible patient keys of the rows, by id: columns named like a patient, and parts of the ids."""
    ids, card, table = source.cohort.ids, source.card, source.table
    if table is not None and card.id in table.columns:
        used = {card.id, card.centre, card.endpoint.time, card.endpoint.event}
        for column in table.columns:
            if column not in used and _PATIENT.fullmatch(column.casefold()):
                key = {r.cells[card.id]: r.cells[column] for r in table.rows if r.cells[column]}
                yield f"the same {column!r}", f"If they do: group: {column} on the card.", _restrict(key, ids)
    remedy = "If they do, add a column that names the patient (the id without that part): group: COLUMN on the card."
    parts = {i: re.split(r"[_\-./ #:]+", i) for i in ids}
    for dropped in range(1, max(map(len, parts.values()))):
        how = "ids that differ only in the last part"
        yield how, remedy, {i: "_".join(p[:-dropped]) for i, p in parts.items() if len(p) > dropped}
    yield (
        "ids that differ only in the first part",
        remedy,
        {i: "_".join(p[1:]) for i, p in parts.items() if len(p) > 1},
    )
    letters = {i: m[1] for i in ids if (m := _LAST_LETTERS.fullmatch(i))}
    yield "ids that differ only in the last letters", remedy, letters


def _restrict(key: dict[str, str], ids: Sequence[str]) -> dict[str, str]:
    return {i: key[i] for i in ids if i in key}


def _groups(key: dict[str, str]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for subject, name in key.items():
        groups[name].append(subject)
    return [members for members in groups.values() if len(members) > 1]


def _share_outcomes(groups: Sequence[Sequence[str]], outcome: dict[str, Outcome]) -> bool:
    """Return whether nearly all groups have a single outcome each, but not all the same outcome."""
    agreeing = [group for group in groups if len({outcome[i] for i in group}) == 1]
    if len(agreeing) < FEWEST or len(agreeing) < AGREE * len(groups):
        return False
    return len({outcome[group[0]] for group in agreeing}) > len(agreeing) / 2


def _equal_clinical(source: SourceCohort, outcome: dict[str, Outcome]) -> list[list[str]]:
    """Return groups of rows with the same outcome and clinical values, if far more than expected by chance."""
    subjects, names = source.cohort.subjects, [c.name for c in source.card.clinical]
    if not names:
        return []
    values = {s.id: tuple(s.clinical.get(n) for n in names) for s in subjects}
    pairs = _pairs(outcome[s.id] for s in subjects)
    alike = _pairs((outcome[s.id], values[s.id]) for s in subjects)
    chance = float(np.prod([_by_chance([v[n] for v in values.values()]) for n in range(len(names))]))
    if alike < 3 or alike < BEYOND_CHANCE * chance * pairs:
        return []
    return _groups({i: repr((outcome[i], values[i])) for i in values})


def _copies(source: SourceCohort, outcome: dict[str, Outcome]) -> Iterator[tuple[str, str]]:
    """Yield pairs of rows with equal outcome, clinical values and features, if chance does not explain them."""
    cohort, names = source.cohort, [c.name for c in source.card.clinical]
    # + 0.0 makes -0.0 equal to 0.0 in its bytes, too
    table = np.empty((len(cohort), 0)) if cohort.features is None else cohort.features.values + 0.0
    clinical = [tuple(s.clinical.get(n) for n in names) for s in cohort.subjects]
    outcomes = [outcome[i] for i in cohort.ids]
    columns = chain(
        zip(*outcomes, strict=True),
        zip(*clinical, strict=True),
        ([None if np.isnan(v) else v for v in column.tolist()] for column in table.T),
    )
    pairs = len(cohort) ** 2 / 2
    if all(chance > COPY for chance in accumulate(map(_by_chance, columns), mul, initial=pairs)):
        return
    reported = {f.subject for f in same_data([("", cohort)])}
    known = np.isfinite(table).sum(axis=1)
    seen: dict[Hashable, str] = {}
    for n, (subject, own) in enumerate(zip(cohort.ids, clinical, strict=True)):
        first = seen.setdefault((outcomes[n], own, hashlib.sha256(table[n].tobytes()).digest()), subject)
        count = known[n] + sum(v is not None for v in own)
        if first != subject and subject not in reported and count >= FEWEST_EQUAL:
            yield first, subject


def _pairs(keys: Iterable[Hashable]) -> int:
    """Return the number of pairs of rows with the same key."""
    return sum(n * (n - 1) // 2 for n in Counter(keys).values())


def _by_chance(values: Sequence[Hashable]) -> float:
    """Return the probability that two random rows have the same value."""
    counts = np.array(list(Counter(values).values()), dtype=np.float64)
    return float(((counts / counts.sum()) ** 2).sum())
