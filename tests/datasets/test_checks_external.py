"""Predictors of an external cohort that mean something else than those of the cohort."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from survbench.datasets.cohorts.opened import open_cohorts
from survbench.errors import BenchError
from survbench.plan.profile import load_profile
from table_cohort import CARD, changed, table_rows, with_external, write_table_cohort


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: 1000 * v, "f02: most values lie outside the training range, about 1,000 times as large"),
        (lambda v: v / 100, "f02: most values lie outside the training range, about 1/100 as large"),
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


def compared(tmp_path, column, *, main, other):
    """Return what is said of an external cohort whose clinical column has another header."""
    for name, header, value in (("main", "own", main), ("other", "Spalte", other)):
        card = CARD.replace("toy-table", name).replace("clinical:", f"clinical:\n  - {column.format(header)}")
        rows = changed(table_rows(40, seed=len(name)), **{header: value})
        write_table_cohort(tmp_path / name, rows, card=card)
    names = [(str(tmp_path / name), None) for name in ("main", "other")]
    return [f.cause for f in open_cohorts(names, profile=load_profile("smoke")).differences()]


def test_predictors_are_compared_by_their_names_and_shown_by_their_headers(tmp_path):
    column = "{{name: marker, column: {}, kind: numeric, model: true}}"
    (said,) = compared(tmp_path, column, main=lambda n, _: 20 + n % 9, other=lambda n, _: 365 * (20 + n % 9))
    assert said == "Spalte: most values lie outside the training range."


def test_each_level_of_a_categorical_column_is_compared(tmp_path):
    column = "{{name: site, column: {}, kind: categorical, levels: [a, b, c], model: true}}"
    (said,) = compared(tmp_path, column, main=lambda n, _: "abbbc"[n % 5], other=lambda n, _: "aacc"[n % 4])
    assert said == "Spalte: all patients have one value, unlike in training."


@pytest.mark.parametrize(("kind", "refused"), [("categorical", False), ("ordinal", True)])
def test_the_order_of_levels_matters_in_an_ordinal_column_alone(tmp_path, kind, refused):
    for name, levels, seed in (("main", "I, II", 0), ("other", "II, I", 1)):
        stage = f"clinical:\n  - {{name: s, column: s, kind: {kind}, levels: [{levels}], model: true}}"
        card = CARD.replace("clinical:", stage).replace("toy-table", name)
        rows = changed(table_rows(40, seed=seed), s=lambda n, _: "I" * (1 + n // 2 % 2))
        write_table_cohort(tmp_path / name, rows, card=card)
    names = [(str(tmp_path / name), None) for name in ("main", "other")]
    with pytest.raises(BenchError, match="different clinical columns") if refused else nullcontext():
        open_cohorts(names, profile=load_profile("smoke"))
