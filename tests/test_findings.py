"""Findings: one line for each cause, and codes that are unique and documented."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from survbench.actions.checks import all_checks
from survbench.findings import Check, Finding, grouped

ROOT = Path(__file__).parents[1]


class Weather(Check):
    """It rains."""

    code = "XX1"
    severity = "warning"
    part = "table"
    title = "Rain"
    remedy = "Take an umbrella."
    counts = "files"


class Storm(Weather):
    """It storms."""

    code = "XX2"
    severity = "error"


def test_findings_of_one_cause_are_one_line_and_errors_come_first():
    found = [Weather.finding("It rains.", subject=f"P{n % 3}", detail=f"day {n}") for n in range(5)]
    groups = grouped([*found, Storm.finding("It storms."), Weather.finding("It snows.", subject="P9")])
    assert [group.text for group in groups] == [
        "It storms.",
        "It rains. 5 files of 3 patients: P0 (day 0, and 1 more), P1 (day 1, and 1 more), P2 (day 2).",
        "It snows. P9.",
    ]


def test_a_board_counts_patients_and_names_none():
    (group,) = grouped([Weather.finding("It rains.", subject=f"P{n}", detail=f"scan of P{n}") for n in range(2)])
    said = group.stated("external")
    assert said.sentence == "External cohort: It rains. 2 patients. (XX1)"
    assert group.stated("cohort", ignored=True).sentence == "It rains. 2 patients. (XX1, ignored)"


def test_an_error_cannot_be_ignored_unless_its_check_says_so():
    class Judgement(Storm):
        code = "XX3"
        ignorable = True

    assert (Weather.ignorable, Storm.ignorable, Judgement.ignorable) == (True, False, True)


def test_the_json_of_a_finding_says_where_it_is_explained():
    told = Finding("SB101", "error", "A column is missing.", "Add it.", "P1", "'time'").to_json()
    assert (told["what"], told["see"]) == ("A column is missing: 'time'.", "docs/reference/findings.md#sb101")


def test_codes_are_unique_and_in_the_range_of_their_part():
    ranges = {"table": "1", "outcome": "2", "predictors": "3", "images": "4", "mask": "5"}
    ranges |= {"external": "6", "protocol": "6", "board": "7"}
    codes = [check.code for check in all_checks()]
    assert len(set(codes)) == len(codes)
    assert [c.code for c in all_checks() if not c.code.startswith(f"SB{ranges[c.part]}")] == []


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.code)
def test_every_check_explains_itself(check):
    assert vars(check).get("__doc__"), "the page of the reference is made of docstrings"
    assert len(inspect.getdoc(check).split()) >= 5
    assert check.title[0].isupper()
    assert not check.title.endswith(".")
