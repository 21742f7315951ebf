"""Checks of the outcome: times, events, and whether enough of them remain for a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
from survbench.datasets.cards.card import MONTHS_PER_UNIT
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.kinds import CohortCheck, InputCheck
from survbench.datasets.checks.missing_codes import codes_for_missing
from survbench.datasets.vocabulary import words as w
from survbench.datasets.vocabulary.events import coding
from survbench.findings import Finding, things
from survbench.io.tables import canonical, number
from survbench.plan.horizons import HORIZONS
from survbench.statistics.metrics import concordance_index

FEW_EVENTS, TOO_FEW_EVENTS = 20, 10
MANY = 20
"""Number of patients from which more than one is usually censored."""
SHOWN_CODES = 5
FEWEST_TIMES = 8
"""Smallest number of times needed to say that they are years or row numbers."""
FIRST_YEAR, LAST_YEAR = 1900, 2100
FIRST_DAY, LAST_DAY = 25569, 54788
"""The days from 1970 to 2049 as spreadsheets count them; as durations they would be at least 70 years."""
_NO_DURATION = "|".join(w.NEVER_A_TIME[kind] for kind in ("an age", "about birth", "a date"))
_DURATION = "|".join((w.DURATION, w.FOLLOW_UP, *w.UNITS.values(), "\\w*(zeit|dauer|tijd|duur)", w.SINCE))
"""Words in a column's name that say that it holds a duration, even one that starts from a date."""
_OF_LIFE = f"{w.ALIVE}|{w.DEAD}|{w.CENSORED}|{w.CENSORING}"
LONGEST_MONTHS, SHORTEST_MONTHS = 360.0, 2.0
"""A longest follow-up above 30 years or below two months suggests a wrong unit."""
USUAL_MONTHS = (12.0, 240.0)
"""Usual range of the longest follow-up of a cohort."""


class UnusableTime(InputCheck):
    """A time must be a positive number: the months (or days, weeks, years) to the event or to the end of follow-up."""

    code = "SB201"
    severity = "error"
    part = "outcome"
    title = "A time is not a number above 0"
    needs = "columns"
    remedy = "Correct the cells, or leave the patients out (patients.without)."


class UnknownEventCode(InputCheck):
    """The event column has a code that the card lists neither as observed nor as censored.

    This is a mistake in the card, not in the patients: leaving out the patients with this code might leave out everyone
    who had the event. Therefore ``--skip-bad`` does not skip it.
    """

    code = "SB202"
    severity = "error"
    part = "outcome"
    title = "The card does not list an event code"
    remedy = "List each code under endpoint.observed or endpoint.censored on the card."
    needs = "columns"


class BlankEvent(InputCheck):
    """A patient's event cell is blank or a word for missing, so it is not known whether the time ended in an event."""

    code = "SB210"
    severity = "error"
    part = "outcome"
    title = "A patient has no event code"
    needs = "columns"
    remedy = "Fill in the cells, or leave these patients out."


class OutcomesLost(CohortCheck):
    """All patients with an event, or all censored patients, have problems, so that only one kind of outcome would be
    left without them. ``--skip-bad`` does not skip this. Often all censored patients lack a time because the card names
    the column of days to death.
    """

    code = "SB211"
    severity = "error"
    part = "outcome"
    title = "Only one kind of outcome would be left"
    remedy = "Correct the problems of some of these patients."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        end, event = source.card.endpoint, source.cohort.event
        if source.table is None or end.event not in source.table.columns:
            return
        cells = [canonical(cell) for cell in source.table.column(end.event)]
        for what, codes, left in (
            ("had the event", end.observed, event.any()),
            ("are censored", end.censored, not event.all()),
        ):
            count = sum(cell in {canonical(code) for code in codes} for cell in cells)
            if count and not left:
                who = f"All {count} patients in the table who {what}"
                yield self.finding(f"{who} have problems; without them only one kind of outcome is left.")


class NobodyCensored(CohortCheck):
    """Every patient has the event, or all but one. This is rare: often codes are misread, or rows are missing."""

    code = "SB212"
    severity = "warning"
    part = "outcome"
    title = "Hardly anyone is censored"
    remedy = "Were patients without the event left out of the table? Check endpoint.observed and endpoint.censored."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        event = source.cohort.event
        if any(OutcomesLost().find(source)):
            return
        if event.all():
            yield self.finding(f"All {len(event)} patients have the event; nobody is censored.")
        elif len(event) >= MANY and (~event).sum() == 1:
            yield self.finding(f"All but one of {len(event)} patients have the event.")


class AmbiguousEventCode(InputCheck):
    """The same code is listed under both ``observed`` and ``censored``."""

    code = "SB203"
    severity = "error"
    part = "outcome"
    title = "A code means both an event and censoring"
    needs = "table"
    remedy = "Correct endpoint.observed and endpoint.censored in the card."


class ReversedCodes(CohortCheck):
    """The card lists a code as the event that, by the column's name or the code's own meaning, is not the event:
    ``alive`` 1, ``CNSR`` 1, or the word *alive*. A board with a reversed outcome looks like any other board.
    """

    code = "SB214"
    severity = "error"
    part = "outcome"
    title = "The codes of the event seem to be the wrong way round"
    remedy = "Swap endpoint.observed and endpoint.censored on the card."
    ignorable = True

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        end = source.card.endpoint
        if source.table is None or end.event not in source.table.columns:
            return
        known = {canonical(code) for code in (*end.observed, *end.censored)}
        cells = [cell for cell in source.table.column(end.event) if canonical(cell) in known]
        text = " ".join([end.event, *set(cells)])
        # remission, discharge or local control may be a study's event
        if not w.has(w.tokens(text), _OF_LIFE) or not cells:
            return
        found = coding(end.event, cells, None)
        declared, meant = ({canonical(c) for c in codes} for codes in (end.observed, found.observed))
        if found.clear and not declared & meant:
            observed, censored = (", ".join(sorted(set(codes))) for codes in (found.observed, found.censored))
            yield self.finding(
                f"In column {end.event!r}, {_codes(found.observed)} looks like the event and {_codes(found.censored)} "
                "like censoring; the card has them reversed.",
                remedy=f"Write observed: [{observed}], censored: [{censored}] under endpoint on the card.",
            )


def _codes(codes: Sequence[str]) -> str:
    return " or ".join(map(repr, sorted(set(codes))))


class NoDuration(CohortCheck):
    """The time column does not hold durations: whole numbers that are all calendar years, dates as spreadsheets count
    them (days since 1900) or as 20190312, row numbers of the table, or a column that is named like an age or a date.
    """

    code = "SB213"
    severity = "error"
    part = "outcome"
    title = "The times are not durations"
    remedy = "Under endpoint.time, name a column of durations from the start of follow-up to the event or last contact."
    ignorable = True

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        column = source.card.endpoint.time
        name = w.tokens(column)
        lasts = w.has(name, _DURATION) or w.endpoint_of(column) is not None
        if w.has(name, _NO_DURATION) and not lasts:
            yield self.finding(f"The time is column {column!r}, which is named like an age or a date.")
        if source.table is None or column not in source.table.columns:
            return
        cells = [number(cell) for cell in source.table.column(column)]
        times = np.array([cell for cell in cells if cell is not None])
        if len(times) < FEWEST_TIMES or (times != np.round(times)).any():
            return
        if times.min() >= FIRST_YEAR and times.max() <= LAST_YEAR and w.unit_of(column) != "days":
            years = f"{times.min():.0f} to {times.max():.0f}"
            yield self.finding(f"The times in column {column!r} are calendar years ({years}).")
        elif times.min() >= FIRST_DAY and times.max() <= LAST_DAY:
            days = f"{times.min():.0f} to {times.max():.0f}"
            yield self.finding(f"The times in column {column!r} are dates as spreadsheets count them ({days}).")
        elif all(_is_day(time) for time in times):
            yield self.finding(f"The times in column {column!r} are dates ({times.min():.0f} to {times.max():.0f}).")
        elif np.array_equal(np.diff(times), np.ones(len(times) - 1)):
            yield self.finding(f"The times in column {column!r} count the rows of the table.")


def _is_day(number: float) -> bool:
    """Return whether a number is a date such as 20190312."""
    try:
        return FIRST_YEAR <= datetime.strptime(f"{number:.0f}", "%Y%m%d").year <= LAST_YEAR  # noqa: DTZ007 - no clock
    except ValueError:
        return False


class ImplausibleFollowUp(CohortCheck):
    """The longest time is above 30 years or below two months, or the time column is named after another unit than the
    card's. Codes for missing and times that are not durations do not count: they have their own findings.
    """

    code = "SB204"
    severity = "warning"
    part = "outcome"
    title = "The times suggest another unit"
    remedy = "Is endpoint.unit on the card the unit of the times in the table?"

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        column, unit = source.card.endpoint.time, source.card.endpoint.unit
        named = w.unit_of(column)
        if named not in {None, unit}:
            yield self.finding(f"The time column {column!r} is named after {named}, but the card says {unit}.")
        if any(NoDuration().find(source)):
            return
        known = np.round(source.cohort.time / MONTHS_PER_UNIT[unit], 6)
        longest = float(source.cohort.time[~np.isin(known, list(codes_for_missing(known)))].max())
        if longest > LONGEST_MONTHS or longest < SHORTEST_MONTHS:
            in_unit = longest / MONTHS_PER_UNIT[unit]
            other = [u for u, m in MONTHS_PER_UNIT.items() if USUAL_MONTHS[0] <= in_unit * m <= USUAL_MONTHS[1]]
            like = f" As {' or '.join(other)} it would be plausible." if other else ""
            yield self.finding(
                f"With the card's unit the longest time is {_in_years(longest)}.",
                remedy=f"{self.remedy}{like}",
            )


def _in_years(months: float) -> str:
    return f"{months / 12:,.1f} years" if months >= 12 else f"{months:.2g} months"


class NoEvents(CohortCheck):
    """With fewer than two events there is nothing to compare: every fold needs an event."""

    code = "SB205"
    severity = "error"
    part = "outcome"
    title = "Fewer than two events"
    remedy = "Survival models need events in every fold, at least two in total."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        events = int(source.cohort.event.sum())
        if source.in_folds and events < 2 and not any(OutcomesLost().find(source)):
            end = source.card.endpoint
            held = ""
            if source.table is not None and end.event in source.table.columns:
                cells = Counter(source.table.column(end.event)).most_common(SHOWN_CODES)
                held = f" Column {end.event!r} holds {', '.join(f'{cell!r} ({n} times)' for cell, n in cells)}."
            cause = f"There {'is' if events == 1 else 'are'} {things(events, 'event')}."
            asked = f"Is the event {' or '.join(map(repr, end.observed))}, as endpoint.observed on the card says?"
            yield self.finding(cause, remedy=f"{asked}{held} {self.remedy}")


class FewEvents(CohortCheck):
    """With fewer than 20 events a C-index is uncertain by 0.1 or more."""

    code = "SB206"
    severity = "warning"
    part = "outcome"
    title = "Few events"
    remedy = "Intervals will be wide, and differences between methods hard to see."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        events = int(source.cohort.event.sum())
        if 2 <= events < FEW_EVENTS:
            remedy = "These are too few to compare methods." if events < TOO_FEW_EVENTS else self.remedy
            cause = f"There are only {events} events in {len(source.cohort)} patients."
            yield self.finding(cause, remedy=remedy)


class CentreTellsOutcome(CohortCheck):
    """One of two centres has worse outcomes: a model that recognises the scanner gets a C-index above 0.5 without
    learning anything about the disease.
    """

    code = "SB207"
    severity = "warning"
    part = "outcome"
    title = "The centre alone ranks patients"
    sections = ("centre",)
    remedy = "A model may learn the scanner instead of the disease; consider using one centre as --external."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        cohort = source.cohort
        centres = Counter(s.centre for s in cohort.subjects)
        if len(centres) != 2 or cohort.event.sum() < 2:
            return
        label = {centre: float(n) for n, centre in enumerate(sorted(centres))}
        by_centre = np.array([label[s.centre] for s in cohort.subjects])
        c = concordance_index(cohort.time, cohort.event, by_centre).value
        if abs(c - 0.5) > 0.1:
            sizes = Counter(s.centre for s in cohort.subjects)
            events = Counter(s.centre for s, event in zip(cohort.subjects, cohort.event, strict=True) if event)
            shares = ", ".join(f"{centre} has {events[centre]} events in {sizes[centre]}" for centre in sorted(sizes))
            neither = (
                "A model may learn the scanner instead of the disease, and one centre has too few events to train on."
            )
            yield self.finding(
                f"The centre alone ranks patients with C = {max(c, 1 - c):.2f}: {shares}.",
                remedy=self.remedy if all(events[centre] > 1 for centre in sizes) else neither,
            )


class HorizonBeyond(CohortCheck):
    """Follow-up ends before one of the months at which boards report AUC, Brier score and calibration.

    Five years of 365 days are 59.96 months. Nothing is known beyond the last patient, so nothing is computed there.
    """

    code = "SB209"
    severity = "note"
    part = "outcome"
    title = "The follow-up ends before a horizon"
    remedy = "No action is needed; AUC, Brier score and calibration are reported at the earlier horizons."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        time = source.cohort.time
        if time.max() < SHORTEST_MONTHS:  # probably a wrong unit, which has its own finding
            return
        later = [f"{horizon:g}" for horizon in HORIZONS if not (time > horizon).any()]
        if later:
            listed = " and ".join(filter(None, [", ".join(later[:-1]), later[-1]]))
            remedy = self.remedy
            if len(later) == len(HORIZONS):
                remedy = "The C-index is not affected; AUC, Brier score and calibration are not reported."
            longest = f"The longest follow-up is {time.max():.2f} months"
            cause = f"{longest}: AUC, Brier score and calibration at {listed} months cannot be computed."
            yield self.finding(cause, remedy=remedy)
        for horizon in HORIZONS:
            if (time > horizon).sum() == 1:
                lost = f"AUC, Brier score and calibration at {horizon:g} months cannot be computed in every fold"
                yield self.finding(f"Only one patient was followed beyond {horizon:g} months: {lost}.")
