"""Stage groups of the AJCC, as tables write them and as T, N and M give them in the 7th and 8th edition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from survbench.io.config import Strict, parse_model
from survbench.io.yaml_text import parse_yaml

_CATEGORY = re.compile(r"[cpry]*[tnm]?\s*([0-4])(?:\.0+)?\s*[a-d]?", re.IGNORECASE)
_GROUP = re.compile(r"(?:stage|stade|stadium)?\s*(?:(iv|i{1,3})|([1-4])(?:\.0+)?)\s*([abc]?)", re.IGNORECASE)
_ROMAN = ("I", "II", "III", "IV")


class Groups(Strict):
    """The groups of one cell of the table of T and N."""

    t: tuple[str, ...]
    n: tuple[str, ...]
    seventh: str
    eighth: str


class Metastatic(Strict):
    """The groups of M1, whatever T and N are."""

    seventh: str
    eighth: str


class Undecided(Strict):
    """Categories of the 7th edition that do not decide the group in the 8th."""

    t: tuple[str, ...]
    n: tuple[str, ...]
    because: str


class StageRules(Strict):
    """The stage groups of one tumour, with their source."""

    tumour: str
    source: str
    groups: tuple[Groups, ...]
    metastatic: Metastatic
    undecided: tuple[Undecided, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """A patient's stage group.

    Attributes:
        seventh: group of the 7th edition by T, N and M.
        eighth: group of the 8th edition.
        undecided: why the 8th edition may give another group; "" if T, N and M decide it.
    """

    seventh: str
    eighth: str
    undecided: str = ""


@cache
def stage_rules(name: str) -> StageRules:
    """Return the packaged rules of a tumour, such as ``nasopharynx``."""
    source = f"{name}.yaml"
    text = (files("survbench.datasets.vocabulary") / source).read_text(encoding="utf-8")
    see = "docs/reference/staging.md"
    return parse_model(StageRules, parse_yaml(text, source=source, see=see), source=source, see=see)


def stage_of(rules: StageRules, t: str, n: str, m: str) -> Stage | None:
    """Return the groups of a patient whose categories are of the 7th edition, or None if they give none.

    Args:
        rules: those of the tumour.
        t: cell of a table, such as ``T4a`` or ``2.0``.
        n: likewise, such as ``N2b``.
        m: likewise; a blank cell counts as M0.
    """
    if m.strip() and not category(m):
        return None
    if category(m) == "1":
        return Stage(rules.metastatic.seventh, rules.metastatic.eighth)
    own = category(t), category(n)
    found = next((g for g in rules.groups if own[0] in g.t and own[1] in g.n), None)
    if found is None:
        return None
    because = next((u.because for u in rules.undecided if own[0] in u.t and own[1] in u.n), "")
    return Stage(found.seventh, found.eighth, because)


def category(cell: str) -> str:
    """Return the number of a T, N or M category; "" if the cell states none.

    >>> [category(cell) for cell in ("T4a", "2.0", "cN2b", "M0", "Tx", "")]
    ['4', '2', '2', '0', '', '']
    """
    found = _CATEGORY.fullmatch(cell.strip())
    return found[1] if found else ""


def group_of(cell: str) -> str:
    """Return a recorded stage group in Roman numerals; "" if the cell states none.

    >>> [group_of(cell) for cell in ("Stage III", "stade IVb", "StageII", "4.0", "IIB", "unknown")]
    ['III', 'IVB', 'II', 'IV', 'IIB', '']
    """
    found = _GROUP.fullmatch(cell.strip())
    if found is None:
        return ""
    return (found[1] or _ROMAN[int(found[2]) - 1]).upper() + found[3].upper()


def agree(recorded: str, group: str) -> bool:
    """Return whether two groups are the same as far as both are stated: IV agrees with IVA, IIB of an earlier edition
    with II.

    >>> agree("IV", "IVB"), agree("IIB", "II"), agree("IVA", "IVB"), agree("IV", "III")
    (True, True, False, False)
    """
    a, b = (re.fullmatch(r"([IV]+)([ABC]?)", text) for text in (recorded, group))
    return bool(a and b and a[1] == b[1] and (not a[2] or not b[2] or a[2] == b[2]))
