"""What the codes of an event column mean: which code is an event, which is censoring, or why that is unclear."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from survbench.datasets.vocabulary import words as w
from survbench.io.tables import canonical

Kind = Literal["death", "composite", "disease", "specific"]
"""What counts as the event: any death; death or recurrence; recurrence alone; or death from the disease."""
_WINDOW = 5
"""Number of words after a negation that it can negate (``no evidence of disease``)."""
_PREFIX = re.compile(r"\s*(\d+)\s*[:=.)\-\u2013]+\s*(?=\D)")
_SUFFIX = re.compile(r"\s*[(\[]\s*\d+\s*[)\]]\s*$")
_DEFINITION = re.compile(r"(\d+)\s*[=:]\s*([^\d,;/|()\[\]]+)|\b([^\W\d]+)\s*=\s*(\d+)")
_LISTED = re.compile(r"\s*(\d+)\s+([^\d,;/|()\[\]]+)")
_BRACKETS = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
NOUNS = "disease|krankheit|tumou?rs?|tumore|cancer|krebs|maladie|enfermedad|malattia|ziekte|kanker"

WHAT: dict[Kind, str] = {
    "death": "a death",
    "composite": "a progression or recurrence, or a death",
    "disease": "a progression or recurrence",
    "specific": "a death from the disease",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text says about a patient: dead, with disease, had the event. None means that the text does not say."""

    dead: bool | None = None
    disease: bool | None = None
    event: bool | None = None
    censored: bool = False
    other_cause: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the text says anything about the patient."""
        return self.censored or not self.dead is self.disease is self.event is None


@dataclass(frozen=True, slots=True)
class Coding:
    """The codes for an event and for censoring, as spelled in the cells; both are empty where the codes are unclear.

    ``readings`` then lists the sets of codes that could mean an event. ``reason`` says why the codes were accepted or
    rejected.
    """

    observed: tuple[str, ...]
    censored: tuple[str, ...]
    reason: str
    readings: tuple[tuple[str, ...], ...] = ()

    @property
    def clear(self) -> bool:
        """Whether both the event codes and the censoring codes are known."""
        return bool(self.observed and self.censored)


def coding(name: str, cells: Sequence[str], kind: Kind | None) -> Coding:
    """Return what the codes of a column mean.

    Args:
        name: the column's name, followed by its description if the table has one. A legend such as
            ``(1=dead, 0=alive)`` in it is used.
        cells: the column's cells, without those that mean missing.
        kind: what counts as an event, or None if neither the time column nor the event column says so.
    """
    codes = list(Counter(cells))
    by_code = {canonical(code): code for code in codes}
    defined = _definitions(name)
    texts = {code: defined.get(canonical(code), _without_number(code)) for code in codes}
    meanings = {code: _letter(name, texts, kind).get(code) or meaning(text) for code, text in texts.items()}
    if any(m.is_known for m in meanings.values()):
        return _by_words(codes, meanings, kind)
    flags = {code: _flag(texts[code]) or canonical(code) for code in codes}
    if set(flags.values()) <= {"0", "1"}:
        return _by_name(name, flags)
    if set(by_code) == {"1", "2"}:
        return _unclear(codes, "1 and 2 have no legend (2 is the event in R's survival package, 1 in other software)")
    if set(by_code) == {"-1", "0"}:
        return _unclear(codes, "-1 means true (yes) in Microsoft Access and a missing value in other programs")
    if "0" in by_code and len(codes) > 2 and all(c.isdigit() for c in by_code) and _counts_censored(name):
        others = tuple(sorted(c for c in codes if c != by_code["0"]))
        return Coding((by_code["0"],), others, "0 is the event in a censoring column, other codes are reasons for it")
    return _unclear(codes, "the codes do not say which is the event")


def _by_words(codes: Sequence[str], meanings: Mapping[str, Meaning], kind: Kind | None) -> Coding:
    kinds: tuple[Kind, ...] = (kind,) if kind else ("death", "composite")
    found: list[tuple[str, ...]] = []
    for each in kinds:
        verdicts = {code: _verdict(meanings[code], each) for code in codes}
        if each == "composite" and any(m.disease is not None for m in meanings.values()):
            alive = [c for c in codes if verdicts[c] is None and meanings[c].dead is False]
            verdicts |= dict.fromkeys(alive, False)
        if set(verdicts.values()) == {True, False}:
            found.append(tuple(sorted(c for c in codes if verdicts[c])))
    if len(set(found)) == 1:
        return Coding(found[0], tuple(sorted(set(codes) - set(found[0]))), "by the words")
    if found:
        return Coding((), (), "the event may be death alone, or death or recurrence", tuple(dict.fromkeys(found)))
    unknown = [c for c in codes if not meanings[c].is_known]
    if unknown:
        return _unclear(codes, f"the meaning of {_listed(unknown)} is not known")
    if kind:
        return _unclear(codes, f"the codes do not say who had {WHAT[kind]}")
    return _unclear(codes, "the codes do not say who had the event and who did not")


def _verdict(m: Meaning, kind: Kind) -> bool | None:
    """Return whether a code with this meaning is an event; None if the meaning does not say."""
    if m.censored and m.dead is not True:
        return False
    if m.event is not None and m.dead is m.disease is None:
        return m.event
    if kind == "death":
        return m.dead
    if kind == "composite":
        return True if m.dead else m.disease
    if kind == "disease":
        return m.disease
    return False if m.dead is False or m.other_cause else (True if m.dead and m.disease else None)


def _by_name(name: str, flags: Mapping[str, str]) -> Coding:
    """Read codes for yes (flag 1) and no (flag 0) by the column's name; one of the two codes need not occur."""
    yes, no = (tuple(sorted(c for c in flags if flags[c] == flag)) or (flag,) for flag in ("1", "0"))
    marks = polarity(name)
    if marks is not None:
        if marks:
            return Coding(yes, no, "by the column's name")
        means = "censored" if w.has(w.tokens(name), w.CENSORED) else "free of the event"
        return Coding(no, yes, f"{_listed(no)} is the event: by the column's name, {_listed(yes)} is {means}")
    reason = f"the name does not say what {_listed(yes)} means"
    if is_dropout(name):
        reason = f"the column says who left the study, not who had the event; the meaning of {_listed(no)} is not known"
    elif _is_local_control(name):
        reason = f"in a local-control column, {_listed(yes)} means controlled in some tables and failure in others"
    if w.has(w.tokens(name), w.CENSORING):
        reason = f"in a censoring column, {_listed(yes)} means an event in some tables and censored in others"
    return Coding((), (), reason, (yes, no))


def polarity(name: str) -> bool | None:
    """Return whether 1 (or yes) in a column of this name means an event (True) or no event (False); None if unclear.

    >>> [polarity(n) for n in ("event", "OS_STATUS", "CNSR", "alive", "progression_free", "vital_status", "LC")]
    [True, True, False, False, False, None, None]
    """
    found = w.tokens(name)
    if len(found) == 1 and w.is_word(found[0], w.WHOLE_EVENT):
        return True
    spelled = w.has(found, w.SURVIVAL)
    if spelled:
        joined = " ".join(found)
        for _, _, pattern in w.ENDPOINTS:
            joined = re.sub(rf"\b({pattern})\b", " ", joined)
        found = [word for word in joined.split() if not w.is_word(word, w.SURVIVAL)]
    status = w.has(found, w.STATUS)
    if w.has(found, w.CENSORING) or is_dropout(name):
        return None
    rest = [x for x in found if not w.is_word(x, f"{w.STATUS}|indicator|flag") and not x.isdigit()]
    says = meaning(" ".join(rest))
    if says.censored:
        return None if status or says.event is not None or says.dead is not None else False
    if says.is_known:
        facts = {fact for fact in (says.event, says.dead, says.disease) if fact is not None}
        noun = says.disease is not None and not any(w.is_word(x, w.DISEASE) and not w.is_word(x, NOUNS) for x in rest)
        if len(facts) > 1 or (status and (noun or says.disease is False)) or (noun and says.disease and not says.dead):
            return None
        return facts.pop()
    plain = [x for x in rest if w.endpoint_of(x) is None and not w.is_word(x, "status|os")]
    return True if found and not plain and not spelled and not _is_local_control(name) else None


def is_dropout(name: str) -> bool:
    """Return whether a column's name means that patients left the study; the others may then be alive or dead.

    >>> [is_dropout(n) for n in ("lost_to_fu", "Withdrawn", "dropout", "lost_or_censored", "event")]
    [True, True, True, False, False]
    """
    found = [x for x in w.tokens(name) if not w.is_word(x, w.LOST)]
    beside = f"{w.EVENT}|{w.CENSORED}|{w.CENSORING}|{w.DEAD}|{w.ALIVE}|{w.RECURRENCE}"
    return w.has(w.tokens(name), w.LOST) and not w.has(found, beside)


def _is_local_control(name: str) -> bool:
    """Return whether a column is named after an endpoint that is a good outcome: the tumour is under control."""
    endpoint = w.endpoint_of(name)
    return endpoint is not None and endpoint[0] in {"LC", "LRC"}


def _counts_censored(name: str) -> bool:
    found = w.tokens(name)
    counts = w.has(found, f"{w.CENSORED}|{w.CENSORING}") and not is_dropout(name)
    return counts and not w.has(found, f"{w.EVENT}|{w.STATUS}")


def _definitions(name: str) -> dict[str, str]:
    """Return the legend in a name by code, as in ``status (1=dead, 0=alive)`` and ``status (0 alive, 1 dead)``."""
    pairs = [(a or d, (b or c).strip()) for a, b, c, d in _DEFINITION.findall(name)]
    if not pairs:
        lists = [[_LISTED.fullmatch(part) for part in re.split("[,;/|]", a or b)] for a, b in _BRACKETS.findall(name)]
        pairs = [(found[1], found[2].strip()) for parts in lists if all(parts) for found in parts if found]
    return {canonical(code): text for code, text in pairs} if len(pairs) > 1 else {}


def without_legend(name: str) -> str:
    """Return a name without a legend of its codes in brackets, such as the ``(Y/N)`` of ``died (Y/N)``."""

    def only_codes(text: str) -> bool:
        return all(x.isdigit() or x in w.YES | w.NO for x in w.tokens(text))

    return _BRACKETS.sub(lambda m: " " if _definitions(m[0]) or only_codes(m[0]) else m[0], name)


def _without_number(code: str) -> str:
    """Return the words of a code without its number: ``0:LIVING`` and ``alive (0)`` say what they mean."""
    return _SUFFIX.sub("", _PREFIX.sub("", code))


def _flag(text: str) -> str | None:
    found = " ".join(w.tokens(text))
    return "1" if found in w.YES else "0" if found in w.NO else None


def _letter(name: str, texts: Mapping[str, str], kind: Kind | None) -> dict[str, Meaning]:
    """Return the meanings of ``A`` (alive) and ``D`` (dead) where these are the only two codes of a vital status."""
    letters = {code: text.strip().casefold() for code, text in texts.items()}
    alive = [c for c, x in letters.items() if x in w.LETTERS_ALIVE]
    dead = [c for c, x in letters.items() if x in w.LETTERS_DEAD]
    of_death = kind == "death" or w.has(w.tokens(name), w.VITAL)
    if len(letters) == 2 and len(alive) == len(dead) == 1 and of_death:
        return {alive[0]: Meaning(dead=False), dead[0]: Meaning(dead=True)}
    return {}


def _unclear(codes: Sequence[str], reason: str) -> Coding:
    return Coding((), (), reason, tuple((code,) for code in sorted(codes)[:4]))


def _listed(codes: Sequence[str]) -> str:
    return ", ".join(repr(c) for c in sorted(codes)[:4])


def meaning(text: str) -> Meaning:
    """Return what the words of a code or a name mean, taking negations into account.

    >>> meaning("Progression free").disease, meaning("kein Rezidiv").disease, meaning("décédé").dead
    (False, False, True)
    >>> meaning("Alive, no evidence of disease") == meaning("NED")
    True
    """
    found = w.tokens(text)
    dead = disease = event = None
    censored = False
    start = 0
    for n, word in enumerate(found):
        concepts = _concepts(word)
        if not concepts:
            continue
        says = not _is_negated(found, n, start)
        start = n + 1
        if "alive" in concepts or "dead" in concepts:
            dead = dead or (says if "dead" in concepts else not says)
        if "free" in concepts or "disease" in concepts:
            disease = disease or (says if "disease" in concepts else not says)
        if "event" in concepts:
            event = event or says
        if "censored" in concepts:
            censored, event = (True, event) if says else (censored, True)
    return Meaning(dead, disease, event, censored, w.has(found, w.OTHER_CAUSE) or bool(dead and disease is False))


_CONCEPTS = {
    "dead": w.DEAD,
    "alive": w.ALIVE,
    "disease": w.DISEASE,
    "free": w.FREE_OF_DISEASE,
    "event": w.EVENT,
    "censored": w.CENSORED,
}


def _concepts(word: str) -> set[str]:
    stem = _without_negation(word)
    return {concept for concept, pattern in _CONCEPTS.items() if w.is_word(word, pattern) or w.is_word(stem, pattern)}


def _without_negation(word: str) -> str:
    if not w.is_word(word, w.NEGATED_INSIDE):
        return word
    return re.sub(r"(freie?[rs]?|vrije?|free)$|^un", "", word)


def _is_negated(found: Sequence[str], n: int, start: int) -> bool:
    """Return whether the n-th word is negated: by itself, by a word before it (after ``start``), or by one after it."""
    inside = w.is_word(found[n], w.NEGATED_INSIDE)
    before = [
        x for k, x in enumerate(found[max(start, n - _WINDOW) : n], max(start, n - _WINDOW)) if _reaches(found, k)
    ]
    after = found[n + 1] if n + 1 < len(found) else ""
    behind = w.is_word(after, w.NEGATED_AFTER) and not _opens(found, n + 1)
    last = n + 2 == len(found) and w.is_word(after, w.NEGATED_LAST)
    return inside or bool(before) or behind or last


def _reaches(found: Sequence[str], k: int) -> bool:
    """Return whether the k-th word negates the words after it; ``free`` does so only before ``of``."""
    if w.is_word(found[k], w.NEGATED_AFTER):
        return _opens(found, k)
    return w.is_word(found[k], w.NEGATION)


def _opens(found: Sequence[str], k: int) -> bool:
    return k + 1 < len(found) and found[k + 1] in {"of", "from", "von", "de", "da", "van"}
