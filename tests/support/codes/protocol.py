"""Codes of folds, and of external cohorts."""

from __future__ import annotations

import json

from codes.pair import Pairs
from survbench.actions.planning import dry_run
from survbench.actions.request import Request
from survbench.findings import CohortError
from survbench.plan.profile import load_profile
from table_cohort import CARD, changed, table_rows, with_external, write_table_cohort

PAIRS = Pairs()
ROWS = table_rows(60)


def planned(folder, rows, **more):
    """Return what keeps a run from being planned."""
    cohort = write_table_cohort(folder / "toy", rows)
    request = Request(
        profile=load_profile("smoke"), methods="clinical-cox", cohort=str(cohort), out=folder / "out", **more
    )
    try:
        dry_run(request)
    except CohortError as error:
        return error.findings
    return ()


@PAIRS.of("SB601")
def too_few(folder, wrong):
    events = 3 if wrong else 4  # for two folds
    return planned(folder, changed(ROWS, dead=lambda n, _: int(n < events)))


@PAIRS.of("SB602")
def splits(folder, wrong):
    ids = [row[0] for row in ROWS[1:]]
    folder.mkdir(parents=True)
    path = folder / "splits.json"
    path.write_text(json.dumps({"folds": [ids[:30], ids[30:59] if wrong else ids[30:]]}))
    return planned(folder, ROWS, splits=path)


@PAIRS.of_cohort("SB603")
def grouped(folder, wrong):
    rows = changed(ROWS, household=lambda n, _: f"F{n // 2 if wrong else n}")
    write_table_cohort(folder, rows, card=CARD + "group: household\n")


@PAIRS.of("SB604")
def other_unit(folder, wrong):
    return with_external(folder, lambda v: 1000 * v if wrong else 1.5 * v)


@PAIRS.of("SB605")
def other_endpoint(folder, wrong):
    return with_external(folder, lambda v: v, endpoint="PFS" if wrong else "os")


@PAIRS.of("SB606")
def unit_of_times(folder, wrong):
    return with_external(folder, lambda v: v, unit="months" if wrong else "days")


@PAIRS.of("SB607")
def external_events(folder, wrong):
    return with_external(folder, lambda v: v, events=1 if wrong else 2)


@PAIRS.of("SB609")
def same_patients(folder, wrong):
    rows = table_rows(40, seed=1)
    own = {row[0]: row[1:3] for row in table_rows(40)[1:]}
    for number, row in enumerate(rows[1:]):
        if number < (4 if wrong else 3):
            row[1:3] = own[row[0]]
    return planned(folder / "run", table_rows(40), external=str(write_table_cohort(folder / "other", rows)))
