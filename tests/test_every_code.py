"""Every code of the catalogue is found in an input that is wrong, and not in one near it that is right."""

from __future__ import annotations

import pytest
from codes import board, images, masks, outcome, predictors, protocol, table
from cohort_folder import write_cohort
from survbench.actions.checks import all_checks
from survbench.datasets.checks.kinds import PatientCheck, VoxelCheck
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.cohorts.validate import validate_named
from survbench.findings import CohortError
from survbench.plan.profile import load_profile

PARTS = (table, outcome, predictors, images, masks, protocol, board)
PAIRS = {code: pair for part in PARTS for code, pair in part.PAIRS.items()}
BESIDES = {"SB211": {"SB201"}}
"""Errors of an input that is right: only patients with problems can be lost."""
CHECKS = {check.code: check for check in all_checks()}
ERRORS = sorted(
    code
    for code, check in CHECKS.items()
    if PAIRS[code].of_cohort and check.severity == "error" and not issubclass(check, VoxelCheck)
    if code != "SB402"  # of a file whose damage shows when its voxels are read
)
"""Errors that are met before voxels are read."""


def test_each_code_has_one_pair_and_each_pair_a_code():
    assert sum(len(part.PAIRS) for part in PARTS) == len(PAIRS)
    assert CHECKS.keys() - PAIRS.keys() == set(), "write a pair for them in tests/support/codes"
    assert PAIRS.keys() - CHECKS.keys() == set()


@pytest.mark.parametrize("code", sorted(PAIRS))
def test_a_code_is_found_where_something_is_wrong_and_not_beside_it(code, tmp_path):
    wrong = list(PAIRS[code].trips(tmp_path / "wrong"))
    right = list(PAIRS[code].passes(tmp_path / "right"))
    tripped = [f for f in wrong if f.code == code]
    assert tripped
    assert {f.severity for f in tripped} == {CHECKS[code].severity}
    assert all(f.remedy for f in tripped) or CHECKS[code].part == "board"
    if issubclass(CHECKS[code], PatientCheck):
        assert {f.subject for f in tripped} == {"P01"}
    assert code not in {f.code for f in right}
    # an error might keep the check from being made at all
    assert {f.code for f in right if f.severity == "error"} == BESIDES.get(code, set())


def without_the_bad(folder):
    """Return the cohort that --skip-bad goes on with, or None and what it does not skip."""
    try:
        return load_source(str(folder), profile=load_profile("smoke"), skip_bad=True), ()
    except CohortError as error:
        return None, error.findings


@pytest.mark.parametrize("code", ERRORS)
def test_whoever_skips_bad_patients_goes_on_without_those_whom_an_error_names(code, tmp_path):
    named = {f.subject for f in PAIRS[code].trips(tmp_path / "wrong") if f.severity == "error"}
    source, errors = without_the_bad(tmp_path / "wrong")
    if source is None:
        assert {f.subject for f in errors} == {""}
        return
    assert source.left_out
    assert set(source.left_out) <= named
    assert not named & set(source.cohort.ids)
    assert not [f for f in source.findings if f.severity == "error"]


def test_what_passed_is_what_the_check_of_a_cohort_can_find(tmp_path):
    passed = {check.code for check in validate_named(str(write_cohort(tmp_path / "toy", 6))).passed}
    assert {code for code in passed if not PAIRS[code].of_cohort} == set()
