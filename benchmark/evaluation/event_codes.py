"""Which code of a column of events means the event: by its name and its words, or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from survbench.datasets.drafting import words
from survbench.datasets.drafting.events import coding, polarity
from survbench.errors import BenchError
from survbench.io.tables import canonical

SHOWN = 5
OPTION = "Recode it to 0 (censored) and 1 (event), or name the code of the event with --event-code."


@dataclass(frozen=True, slots=True)
class EventCodes:
    """Codes of the event and of the censored as the cells spell them, and how that is known."""

    observed: tuple[str, ...]
    censored: tuple[str, ...]
    reason: str


def event_codes(column: str, cells: Sequence[str], code: str | None = None) -> EventCodes:
    """Return what the codes of a column mean.

    0 and 1 (or words for no and yes) are read by the column's name: 1 is the event, but 0 where the name is that of
    censoring or of being alive. Other codes are read by their words, and 1 and 2 as R's survival package has them.

    Args:
        column: the column's name.
        cells: its cells, none blank.
        code: what the user says is the event; all other codes are then censored.

    Raises:
        BenchError: the codes do not say which is the event, or ``code`` does not occur.
    """
    counts = Counter(cells)
    if code is not None:
        observed = tuple(cell for cell in counts if canonical(cell) == canonical(code))
        if not observed:
            raise BenchError(f"No cell of column {column!r} is {code!r} (--event-code); there {_are(counts)}.")
        return EventCodes(observed, tuple(cell for cell in counts if cell not in observed), "as --event-code says")
    flags = {cell: _flag(cell) for cell in counts}
    if None not in flags.values():
        event, reason = _by_name(column, counts)
        return EventCodes(
            tuple(cell for cell in counts if flags[cell] == event),
            tuple(cell for cell in counts if flags[cell] != event),
            reason,
        )
    found = coding(column, cells, None)
    if not found.clear:
        raise BenchError(f"Column {column!r}: {found.reason} (there {_are(counts)}). {OPTION}")
    return EventCodes(found.observed, found.censored, found.reason)


def _flag(cell: str) -> str | None:
    plain = canonical(cell)
    if plain in {"0", "1"}:
        return plain
    word = " ".join(words.tokens(cell))
    return "1" if word in words.YES else "0" if word in words.NO else None


def _by_name(column: str, counts: Counter[str]) -> tuple[str, str]:
    """Return the flag of the event, 1 or 0, and why."""
    found = words.tokens(column)
    means = polarity(column)
    censoring = words.has(found, f"{words.CENSORING}|{words.CENSORED}")
    if means is None and censoring:
        if words.has(found, f"{words.EVENT}|{words.DEAD}|{words.DISEASE}"):
            reason = "its name speaks of events and of censoring"
            raise BenchError(f"Column {column!r}: {reason} (there {_are(counts)}). {OPTION}")
        means = False
    elif means is None and words.has(found, words.SURVIVAL) and words.endpoint_of(column) is None:
        reason = "its name does not say whether 1 has survived or had the event"
        raise BenchError(f"Column {column!r}: {reason} (there {_are(counts)}). {OPTION}")
    if means is False:
        return "0", f"by its name, 1 is {'censored' if censoring else 'without the event'}"
    return "1", ""


def _are(counts: Counter[str]) -> str:
    listed = ", ".join(f"{cell!r} ({n})" for cell, n in counts.most_common(SHOWN))
    return f"{'is' if len(counts) == 1 else 'are'} {listed}{', ...' if len(counts) > SHOWN else ''}"
