"""Predictors of an external cohort that mean something else than those of the cohort."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.datasets.cohorts.opened import open_cohorts
from survbench.plan.profile import load_profile
from table_cohort import CARD, table_rows, write_table_cohort

FEATURE = 6
"""Column of f02."""


def opened(tmp_path, change, *, endpoint="OS", base=float):
    """Return the findings of two cohorts, of which the second has changed values of f02."""
    for name, seed in (("main", 0), ("other", 1)):
        rows = table_rows(40, seed=seed)
        for row in rows[1:]:
            value = base(float(row[FEATURE]))
            row[FEATURE] = str(change(value) if name == "other" else value)
        card = CARD.replace("toy-table", name)
        write_table_cohort(tmp_path / name, rows, card=card.replace("OS", endpoint) if name == "other" else card)
    names = [(str(tmp_path / name), None) for name in ("main", "other")]
    return open_cohorts(names, profile=load_profile("smoke")).findings


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
def test_another_unit_is_named(tmp_path, change, said, caplog):
    (finding,) = opened(tmp_path, change, base=lambda v: 20 + v)
    assert finding.code == "SB604"
    assert said in finding.cause
    assert said in caplog.text


def test_wide_values_in_another_unit_are_named(tmp_path):
    (finding,) = opened(tmp_path, lambda v: 10 * v, base=np.exp)
    assert "about 10 times as large" in finding.cause


@pytest.mark.parametrize("change", [lambda v: v, lambda v: v + 1, lambda v: 1.5 * v])
def test_another_hospital_is_not_another_unit(tmp_path, change):
    assert opened(tmp_path, change) == ()


def test_another_endpoint_is_said(tmp_path):
    (finding,) = opened(tmp_path, lambda v: v, endpoint="PFS")
    assert (finding.code, finding.cause) == ("SB605", "The external cohort's endpoint is PFS, the cohort's OS.")
