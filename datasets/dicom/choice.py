"""Choose between several series by stated rules, listing the others; the user's choice overrules everything.

Each rule narrows the series down to those that satisfy it; a rule that no series satisfies is skipped. If more than one
series is left, the user is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from survbench.datasets.dicom.series import Series
from survbench.datasets.readers.errors import ImageError

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason to prefer some series.

    Attributes:
        words: what is preferred, as a phrase.
        holds: returns whether a series satisfies the rule, given all remaining series.
    """

    words: str
    holds: Callable[[Series, Sequence[Series]], bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """A series that was chosen, and why.

    Attributes:
        series: the chosen series.
        reason: the rules that decided, in words; "the only one", or that the user named it.
        others: labels of the other series.
    """

    series: Series
    reason: str
    others: tuple[str, ...]


def choose(kind: str, series: Sequence[Series], rules: Sequence[Rule], named: str | None = None) -> Choice:
    """Return the chosen series.

    Args:
        kind: what is chosen, in a word or two for messages.
        series: all candidates.
        rules: reasons to prefer one, the most important first.
        named: number (with the part, as ``4.2``), description or UID from the user; it overrules all rules.

    Raises:
        ImageError: there are no candidates, the user's name matches none or several, or the rules leave several.
    """
    if not series:
        raise ImageError(f"There is no {kind}.", "Provide all series of the patient.")
    left = list(series)
    if named is not None:
        left = [one for one in series if _is_named(one, named)]
        if not left:
            raise ImageError(f"No {kind} is named {named!r}. Candidates: {_listed(series)}.", "Correct the name.")
    reasons = [] if named is None else ["named by the user"]
    for rule in rules:
        if len(left) == 1:
            break
        kept = [one for one in left if rule.holds(one, left)]
        if 0 < len(kept) < len(left):
            left = kept
            reasons.append(rule.words)
    if len(left) > 1:
        what = f"There are {len(left)} candidates for the {kind}, and no rule prefers one: {_listed(left)}."
        raise ImageError(what, "Name the series by its number, description or UID.")
    others = tuple(one.label for one in series if one is not left[0])
    return Choice(left[0], "; ".join(reasons) or "the only one", others)


def rules_for_pet(references: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules to prefer one PET.

    Args:
        references: UIDs of the series on which structure sets with the wanted region were drawn.
    """
    return (
        Rule("corrected for attenuation", lambda one, _: "ATTN" in one.corrected),
        Rule("not marked as uncorrected", lambda one, _: not one.corrected),
        Rule("the region was drawn on it", lambda one, _: one.uid in references),
        _MOST_SLICES,
    )


def rules_for_ct(pet: Series, references: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules to prefer one CT: the PET's CT over the planning CT, unless the region was drawn on the latter.

    Args:
        pet: the chosen PET.
        references: UIDs of the series on which structure sets with the wanted region were drawn.
    """
    return (
        Rule("in the PET's frame of reference", lambda one, _: bool(one.frame) and one.frame == pet.frame),
        Rule("the region was drawn on it", lambda one, _: one.uid in references),
        Rule("in the PET's study", lambda one, _: one.study == pet.study),
        _MOST_SLICES,
    )


def rules_for_structures(images: Sequence[Series]) -> tuple[Rule, ...]:
    """Return the rules to prefer one structure set.

    Args:
        images: the chosen images; the mask goes onto the first of them on which the structure set was drawn.
    """
    drawn = [
        Rule(f"drawn on the chosen {one.modality}", lambda s, _, uid=one.uid: uid in s.refers)  # type: ignore[misc]
        for one in images
    ]
    frames = {one.frame for one in images if one.frame}
    return (*drawn, Rule("in the frame of reference of an image", lambda one, _: one.frame in frames))


_MOST_SLICES = Rule("most slices", lambda one, left: len(one.instances) == max(len(other.instances) for other in left))


def _is_named(series: Series, named: str) -> bool:
    return named in {series.name, series.number, series.uid} or named.casefold() == series.description.casefold()


def _listed(series: Sequence[Series]) -> str:
    """Return series as labels, with their UIDs if some labels are equal."""
    alike = len({one.label for one in series}) < len(series)
    shown = "; ".join(f"{one.label}{f' {one.uid}' if alike else ''}" for one in series[:_SHOWN])
    return shown + ("; ..." if len(series) > _SHOWN else "")
