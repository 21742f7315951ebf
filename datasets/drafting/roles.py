"""The roles of columns other than the outcome: ids, centre, clinical columns, features, and why others are left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from survbench.datasets.drafting.columns import Column
from survbench.datasets.drafting.paths import patterns
from survbench.datasets.vocabulary import words as w
from survbench.io.tables import number

_PERSON = (
    "pts?|pat|patient|patients|patienten?|patientin|client|klient|subject|subj|usubj|case|fall|record|sujet|paciente|paziente|paz|"
    "proband|probanden|teilnehmer|deelnemer|participant|participante|partecipante|person|individual|sample|pseudonym|"
    "dossier|akten?|historia|expediente|cartella|kartei|accession"
)
NUMBER_WORDS = (
    "nr|no|n|num|number|nummer|numero|code|codice|codigo|index|name|identifier|identifiant|identificativo|"
    "identificador|study|studie|barcode|bcr|key|kennung|kennziffer|zeichen|ref|reference|lfd|"
    r"laufende|\w+(nummer|kennung|kurzel|kuerzel)"
)
ID_WORDS = (
    r"ids?|u?uid|guid|pid|mrn|nip|ipp|nhc|piz|ur|uhid|hn|bsn|epd|chart|hospitalid|病历号|住院号|"
    rf"({_PERSON})({NUMBER_WORDS}|ids?)?|({NUMBER_WORDS})ids?"
)
_BESIDE_IDS = (
    r"clinic[oa]s?|clinique|klinisch|medical|medizinische?|hosp|hospital|internal|interne?|unique|submitter|anon\w*|"
    r"pseudonymi\w+|registry|register|trial|research|screening|randomi\w+|enrol\w+|admission|file|ip|opd"
)
"""Words that may accompany an id word in the name of an id column."""
_ROWS_APART = "paramcd|param|parameter|endpoint|event name|visit|timepoint"
CENTRE_WORDS = (
    "centre|center|centres|hospital|hospitals|institution|institute|klinik|zentrum|krankenhaus|hopital|centro|hospitalid|"
    "ospedale|ziekenhuis|centrum|clinic"
)
MAX_LEVELS = 10
MANY_NUMBERS = 20
"""Number of numeric columns from which a table without images counts as a feature table."""
ALIKE, FAMILY = 8, 3
"""``ALIKE`` numeric columns are features if ``FAMILY`` or more share each first word: ``PET_SUVmax``, ``PET_MTV``."""
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Roles:
    """Clinical columns, features, and the reason why each other column is left out, by name."""

    clinical: tuple[Column, ...]
    features: tuple[Column, ...]
    left_out: Mapping[str, str]


def named_like_id(name: str) -> bool:
    """Return whether a column is named like an id column."""
    found = w.tokens(name)
    return _has_only_id_words(found) and w.has(found, ID_WORDS)


def _has_only_id_words(found: Sequence[str]) -> bool:
    allowed = f"{ID_WORDS}|{NUMBER_WORDS}|{_BESIDE_IDS}|{w.FILLERS}|#"
    return all(w.is_word(x, allowed) or x.isdigit() for x in found)


def _numbered(column: Column) -> bool:
    """Return whether a column of distinct values is named like a number or a code and holds whole numbers."""
    found = w.tokens(column.name)
    named = _has_only_id_words(found) and w.has(found, NUMBER_WORDS)
    return named and all(v.is_integer() for v in column.numbers)


def _zero_padded(column: Column) -> bool:
    """Return whether a column holds numbers of equal length, some with leading zeros."""
    same_length = len({len(cell) for cell in column.cells}) == 1
    return same_length and all(c.isdigit() for c in column.cells) and any(c[0] == "0" for c in column.cells)


def id_column(columns: Sequence[Column], paths: Sequence[str]) -> str | None:
    """Return the name of the id column, or None if there is none.

    With files, it is the column that gives most patients a file. Without files, it is a column named like an id
    column, or else the first column with a different text in every row. A column named like an id column wins even
    if an id occurs in several rows.

    Args:
        columns: the table's columns.
        paths: paths of the image files, relative to the folder.
    """
    single = [c for c in columns if len(set(c.cells)) == len(c.cells) and c.filled == 1]
    named = sorted((c for c in columns if named_like_id(c.name) and c.filled > _HALF), key=lambda c: c not in single)
    if not paths:
        own = [c for c in named if c in single]
        numbers = [c for c in single if _numbered(c) or (c is columns[0] and _zero_padded(c))]
        repeated = [c for c in named if len(c.codes) > MAX_LEVELS and not w.has(w.tokens(c.name), CENTRE_WORDS)]
        texts = [c for c in single if not c.mostly_numeric and not c.dated and not any(" " in x for x in c.cells)]
        return next((c.name for c in [*own, *numbers, *repeated, *texts]), None)
    best, most = None, 0
    for column in dict.fromkeys([*named, *single]):
        found = patterns(column.cells, paths)
        patients = max((len(p.files) for p in found), default=0)
        files = sum(len(p.files) for p in found)
        most_of_both = patients >= _HALF * len(column.cells) and files >= _HALF * len(paths)
        if patients > most and (column in named or most_of_both):
            best, most = column.name, patients
    return best


def rows_apart(key: Column, columns: Sequence[Column]) -> Column | None:
    """Return the column that distinguishes the rows of each id, such as ``PARAMCD``.

    A column with a usual name comes first, otherwise it must be the only candidate. The result is None if every id
    has one row, or if no column or several columns distinguish the rows.

    Args:
        key: the id column.
        columns: the other columns.
    """
    if len(set(key.cells)) == len(key.cells):
        return None
    apart = [
        c
        for c in columns
        if 1 < len(c.codes) <= MAX_LEVELS
        and c.filled == 1
        and len(set(zip(key.cells, c.cells, strict=True))) == len(key.cells)
    ]
    named = [c for c in apart if w.is_word(" ".join(w.tokens(c.name)), _ROWS_APART)]
    return named[0] if named else apart[0] if len(apart) == 1 else None


def centre_column(columns: Sequence[Column], taken: Collection[str]) -> Column | None:
    """Return the centre column: named like one, filled in every row, with a few values that are not measurements."""
    for column in columns:
        few = 1 < len(set(column.cells)) <= max(2, len(column.cells) // 2) and "" not in column.cells
        whole = all(value.is_integer() for value in column.numbers)
        if column.name not in taken and w.has(w.tokens(column.name), CENTRE_WORDS) and few and whole:
            return column
    return None


def roles(columns: Sequence[Column], revealing: Mapping[str, str], taken: Collection[str], *, images: bool) -> Roles:
    """Return the roles of the columns other than id, centre and endpoint.

    Args:
        columns: the table's columns.
        revealing: why columns reveal an outcome, by name.
        taken: columns that the card already uses elsewhere.
        images: whether the cohort has images; without images, many numeric columns are features.
    """
    rest = [c for c in columns if c.name not in taken]
    why = {c.name: revealing.get(c.name) or _unusable(c) for c in rest}
    usable = [c for c in rest if not why[c.name]]
    numeric = [c for c in usable if c.numeric and len(c.codes) > 2]
    features = [] if images else numeric if len(numeric) >= MANY_NUMBERS else _families(numeric)
    clinical = [c for c in usable if c not in features]
    return Roles(tuple(clinical), tuple(features), {name: reason for name, reason in why.items() if reason})


def _families(numeric: Sequence[Column]) -> list[Column]:
    """Return the columns that share their first word with others, if there are many of them."""
    first = {c.name: re.match(r"([^\W\d_]+)[_.\- ]", c.name) for c in numeric}
    counts = Counter(found[1] for found in first.values() if found)
    alike = [c for c in numeric if (found := first[c.name]) and counts[found[1]] >= FAMILY]
    return alike if len(alike) >= ALIKE else []


def _unusable(column: Column) -> str:
    """Return why a column is neither clinical nor a feature, or ``""``."""
    if not column.values:
        return "empty"
    if len(column.codes) == 1:
        return "one value only"
    if column.dated:
        return "dates"
    if named_like_id(column.name) and len(column.codes) > MAX_LEVELS:
        return "ids"
    usable = column.numeric or len(set(column.values)) <= MAX_LEVELS
    return "" if usable else _not_numbers(column)


def _not_numbers(column: Column) -> str:
    if column.mostly_numeric:
        odd = [cell for cell in dict.fromkeys(column.values) if number(cell) is None]
        return f"cells that are not numbers: {', '.join(map(repr, odd[:3]))}{', ...' if len(odd) > 3 else ''}"
    return f"text with more than {MAX_LEVELS} values"
