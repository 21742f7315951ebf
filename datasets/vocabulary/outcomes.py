"""Whether a column's name says that it holds a patient's outcome."""

from __future__ import annotations

from functools import cache

from survbench.datasets.vocabulary import words as w

_BEFORE = (
    "prior|previous\\w*|prev|history|hx|past|before|family|familial|baseline|vorher\\w*|fruher\\w*|anamnes\\w*|"
    "antecedent\\w*|anterior\\w*|precedent\\w*|programmed|ligand|risk|score|predicted|expected|estimated|probability|"
    "heart|renal|liver|cardiac|kidney|respiratory|laryngeal|gene|mutation|expression"
)
"""Words that mark another word as known at baseline: ``prior_relapse``, ``programmed_death_ligand``, ``death_risk``."""
_OTHERWISE = "tot|die|dod|doc|duc|dotd|dooc|live|living|lives|leben|leven|viva|vivo|vita|vida|delai|recul|e"
"""Outcome words that are as often something else (``mtv_tot``, ``living_alone``); they count only as a whole name."""
_ENDED = f"{w.DEAD}|{w.RECURRENCE}|{w.EVENT}|{w.CENSORING}|{w.FOLLOW_UP}|{w.OUTCOME}"
_SHORT = 3
"""Words for being alive of at most this many letters are as often something else."""
_CENSORED = "(un|right|ge)?(cens|zens)(?!us)\\w*|cnsr|ltfu"
_TIME_TO_EVENT = "tte"
_UNITS = "|".join(w.UNITS.values())


@cache
def named_like_outcome(name: str) -> bool:
    """Return whether a column's name says that it holds a patient's outcome.

    >>> [named_like_outcome(n) for n in ("PFS_days", "vitalStatus", "exitus", "Monate", "Rezidiv", "local_failure")]
    [True, True, True, True, True, True]
    >>> [named_like_outcome(n) for n in ("smoking_status", "mtv_tot", "programmed_death_ligand", "prior_relapse", "T")]
    [False, False, False, False, False]
    """
    found = w.tokens(name)
    if w.has(found, _BEFORE):
        return False
    if len(found) == 1 and w.is_word(found[0], f"{w.DEAD}|{w.ALIVE}|failure"):
        return True
    plain = [word for word in found if not w.is_word(word, _OTHERWISE)]
    of_life = any(len(word) > _SHORT and w.is_word(word, w.ALIVE) for word in plain)
    if of_life or w.has(plain, f"{_ENDED}|{_CENSORED}|{_TIME_TO_EVENT}"):
        return True
    if any(endpoint != "LC" for endpoint, _ in w.endpoints_in(name)):  # LC often means lung cancer
        return True
    return _time_alone(found) or _status_alone(found) or _failure(found)


def _time_alone(found: list[str]) -> bool:
    """Return whether a name is about time but not about the time of anything, as ``days_to_last_contact``."""
    words = [word for word in found if len(word) > 1 and not word.isdigit()]
    lasting = f"{w.DURATION}|{_UNITS}|{w.TO_CONTACT}"
    return w.has(words, lasting) and all(w.is_word(word, f"{lasting}|{w.FILLERS}") for word in words)


def _status_alone(found: list[str]) -> bool:
    allowed = f"{w.STATUS}|{w.VITAL}|{w.FILLERS}|{w.DISEASE}"
    return w.has(found, w.STATUS) and all(w.is_word(word, allowed) for word in found)


def _failure(found: list[str]) -> bool:
    """Return whether "failure" means that a treatment failed; heart failure, for example, is known at baseline."""
    return "failure" in found and w.has(found, "treatment|local|regional|locoregional|loco|distant|time|event")
