"""Codes of outcomes: times, events, and what is left of them."""

from __future__ import annotations

from codes.pair import Pairs
from table_cohort import CARD, changed, table_rows, write_table_cohort

PAIRS = Pairs()
ROWS = table_rows(60)


def with_time(folder, days):
    """Give the fourth patient a time."""
    write_table_cohort(folder, changed(ROWS, days=lambda n, c: days if n == 3 else c["days"]))


def with_event(folder, code):
    """Give the fourth patient a code of the event."""
    write_table_cohort(folder, changed(ROWS, dead=lambda n, c: code if n == 3 else c["dead"]))


def with_events(folder, number):
    write_table_cohort(folder, changed(ROWS, dead=lambda n, _: int(7 * n % 60 < number)))


@PAIRS.of_cohort("SB201")
def time(folder, wrong):
    with_time(folder, 0 if wrong else 0.5)


@PAIRS.of_cohort("SB202")
def unknown_code(folder, wrong):
    with_event(folder, "2" if wrong else "1.0")


@PAIRS.of_cohort("SB203")
def ambiguous_code(folder, wrong):
    codes = "observed: [1], censored: [0, 1]" if wrong else "observed: [1], censored: [0, 2]"
    write_table_cohort(folder, ROWS, card=CARD.replace("event: dead", f"event: dead, {codes}"))


@PAIRS.of_cohort("SB204")
def unit(folder, wrong):
    write_table_cohort(folder, ROWS, card=CARD.replace("unit: days", "unit: months" if wrong else "unit: days"))


@PAIRS.of_cohort("SB205")
def no_events(folder, wrong):
    with_events(folder, 1 if wrong else 2)


@PAIRS.of_cohort("SB206")
def few_events(folder, wrong):
    with_events(folder, 19 if wrong else 20)


@PAIRS.of_cohort("SB207")
def centre(folder, wrong):
    def hospital(n, cells):
        return "AB"[float(cells["days"]) < 900 if wrong else n // 2 % 2]

    write_table_cohort(folder, changed(ROWS, hospital=hospital), card=CARD + "centre: hospital\n")


@PAIRS.of_cohort("SB208")
def code_for_missing(folder, wrong):
    with_time(folder, 99999 if wrong else 9000)


@PAIRS.of_cohort("SB209")
def horizon(folder, wrong):
    longest = 1826 if wrong else 1830  # five years are 1826.25 days
    write_table_cohort(folder, changed(ROWS, days=lambda n, c: min(float(c["days"]), longest) if n > 2 else longest))


@PAIRS.of_cohort("SB210")
def blank_event(folder, wrong):
    with_event(folder, "" if wrong else "0")


@PAIRS.of_cohort("SB211")
def outcomes_lost(folder, wrong):
    kept = 60 if wrong else 0  # the first is censored
    write_table_cohort(folder, changed(ROWS, days=lambda n, c: c["days"] if n % 2 or n == kept else ""))


@PAIRS.of_cohort("SB212")
def nobody_censored(folder, wrong):
    with_events(folder, 59 if wrong else 58)


@PAIRS.of_cohort("SB213")
def row_numbers(folder, wrong):
    last = 459 if wrong else 460
    rows = changed(ROWS, days=lambda n, _: last if n == 59 else 400 + n, age=lambda n, _: 60 + n % 7)
    write_table_cohort(folder, rows)


@PAIRS.of_cohort("SB214")
def reversed_codes(folder, wrong):
    rows = [[*ROWS[0][:2], "alive", *ROWS[0][3:]], *ROWS[1:]]
    codes = "observed: [1], censored: [0]" if wrong else "observed: [0], censored: [1]"
    write_table_cohort(folder, rows, card=CARD.replace("event: dead", f"event: alive, {codes}"))


@PAIRS.of_cohort("SB230")
def unit_of_a_centre(folder, wrong):
    times = 30.4 if wrong else 3.0
    rows = changed(
        ROWS,
        hospital=lambda n, _: "AB"[n % 3 == 0],
        days=lambda n, c: float(c["days"]) / (times if n % 3 == 0 else 1),
    )
    write_table_cohort(folder, rows, card=CARD + "centre: hospital\n")
