"""Predictors of an external cohort that mean something else than those of the cohort."""

from __future__ import annotations

import numpy as np
import pytest
from table_cohort import with_external


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: 1000 * v, "f02: most values lie outside the training range, about 1,000 times as large"),
        (lambda v: v / 100, "f02: most values lie outside the training range, about 1/100 of that"),
        (lambda v: -v, "f02: the values have the opposite sign"),
        (lambda _: 1.0, "f02: all patients have one value"),
        (lambda _: "", "f02: no patient has a value"),
        (lambda v: v + 400, "f02: most values lie outside the training range"),
    ],
)
def test_another_unit_is_named(tmp_path, change, said):
    (finding,) = with_external(tmp_path, change, base=lambda v: 20 + v)
    assert finding.code == "SB604"
    assert said in finding.cause


def test_wide_values_in_another_unit_are_named(tmp_path):
    (finding,) = with_external(tmp_path, lambda v: 10 * v, base=np.exp)
    assert "about 10 times as large" in finding.cause


@pytest.mark.parametrize("change", [lambda v: v, lambda v: v + 1, lambda v: 1.5 * v])
def test_another_hospital_is_not_another_unit(tmp_path, change):
    assert with_external(tmp_path, change) == []


def test_another_endpoint_is_said(tmp_path):
    (finding,) = with_external(tmp_path, lambda v: v, endpoint="PFS")
    assert (finding.code, finding.cause) == ("SB605", "The external cohort's endpoint is PFS, the cohort's OS.")
