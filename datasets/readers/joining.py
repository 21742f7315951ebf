"""Join ids from two sides, such as a table and file names, where the match is certain."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

SHOWN = 3
"""Number of ids of each side that a sentence shows."""
_WHOLE = re.compile(r"(\d+)\.0+", re.ASCII)
_NUMBERED = re.compile(r"(\D*)(\d+)(\D*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Joined:
    """How the ids of one side are spelled on the other.

    Attributes:
        of: the other side's spelling, by id; ids without a match are left out.
        collision: ids of one side that would become identical under the rule that joins the sides; otherwise empty.
    """

    of: Mapping[str, str] = field(default_factory=dict)
    collision: tuple[str, ...] = ()


def join(ours: Sequence[str], theirs: Sequence[str]) -> Joined:
    """Join two lists of ids.

    Ids join if they are equal. If some remain, these rules are tried in turn: the same letters in another Unicode
    form; whole numbers, where all ids of one side are written like 1.0; and no leading zeros, where all ids of the
    side that has them are equally long. Each rule applies to all ids or to none, and never if two ids become equal.
    """
    mine, others = list(dict.fromkeys(ours)), list(dict.fromkeys(theirs))
    there = set(others)
    best = Joined({name: name for name in mine if name in there})
    spellings: list[tuple[list[str], list[str]]] = [_plain(mine, others)]
    spellings.append((_whole(spellings[0][0]), _whole(spellings[0][1])))
    spellings.append(_without_zeros(*spellings[1]))
    for left, right in spellings:
        if len(best.of) == len(mine):
            break
        by_key = dict(zip(right, others, strict=True))
        found = {name: by_key[key] for name, key in zip(mine, left, strict=True) if key in by_key}
        if len(found) <= len(best.of):
            continue
        collision = _collision(mine, left) or _collision(others, right)
        if collision:
            return Joined(best.of, collision)
        best = Joined(found)
    return best


def left_over(joined: Joined, theirs: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the other side's ids that belong to nobody: not joined, and not among ``others`` on our side.

    ``others`` are joined in groups with the same letters around the number, so that one odd id does not keep the
    rest from joining.
    """
    known = {*joined.of.values(), *others}
    rest = [name for name in theirs if name not in known]
    around: dict[tuple[str, str] | None, list[str]] = {}
    for name in others:
        if name not in joined.of and rest:
            found = _NUMBERED.fullmatch(name)
            around.setdefault((found[1], found[3]) if found else None, []).append(name)
    elsewhere = {name for group in around.values() for name in join(group, rest).of.values()}
    return [name for name in rest if name not in elsewhere]


def alike(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """Return the respect in which ids that do not join differ, if most are otherwise equal; else ""."""
    rules: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("upper and lower case", str.casefold),
        ("separators", lambda name: re.sub(r"[^\w]|_", "", name).casefold()),
        ("leading zeros", lambda name: re.sub(r"(?<!\d)0+(?=\d)", "", name)),
        ("the text around the number", lambda name: "-".join(str(int(d)) for d in re.findall(r"[0-9]+", name))),
        ("the text around the last number", lambda name: ["", *re.findall(r"[0-9]+", name)][-1].lstrip("0")),
    )
    for what, rule in rules:
        right = {rule(name) for name in theirs} - {""}
        if ours and sum(rule(name) in right for name in ours) > len(ours) / 2:
            return what
    return ""


def shown(names: Sequence[str]) -> str:
    """Return the first few ids of a side as text for a sentence."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _plain(mine: list[str], others: list[str]) -> tuple[list[str], list[str]]:
    left, right = ([unicodedata.normalize("NFC", name) for name in side] for side in (mine, others))
    return left, right


def _whole(names: list[str]) -> list[str]:
    found = [_WHOLE.fullmatch(name) for name in names]
    return [m[1] for m in found if m] if all(found) else names


def _without_zeros(mine: list[str], others: list[str]) -> tuple[list[str], list[str]]:
    sides = [[_NUMBERED.fullmatch(name) for name in side] for side in (mine, others)]
    parts = [[(m[1], m[2], m[3]) for m in side if m] for side in sides]
    if any(len(p) < len(side) for p, side in zip(parts, sides, strict=True)):
        return mine, others
    around = {(before, after) for side in parts for before, _, after in side}
    if len(around) != 1 or not all(_equally_long(side) or _without(side) for side in parts):
        return mine, others
    left, right = ([f"{a}{int(number)}{b}" for a, number, b in side] for side in parts)
    return left, right


def _equally_long(parts: Sequence[tuple[str, str, str]]) -> bool:
    return len({len(number) for _, number, _ in parts}) == 1


def _without(parts: Sequence[tuple[str, str, str]]) -> bool:
    return not any(number.startswith("0") and number != "0" for _, number, _ in parts)


def _collision(names: Sequence[str], keys: Sequence[str]) -> tuple[str, ...]:
    """Return the ids that share the first key that occurs more than once."""
    counts = Counter(keys)
    first = next((key for key in keys if counts[key] > 1), None)
    return tuple(name for name, key in zip(names, keys, strict=True) if key == first)
