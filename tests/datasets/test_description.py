"""A cohort described: hazard ratios, follow-up, and what has no number says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.datasets.cohorts.description import describe_patients
from survbench.plan.study import read_study
from toy_patients import AGE, SEX, STAGE, source
from toy_study import EVENT, TIME, study


def test_hazard_ratios_are_those_of_another_implementation():
    from statsmodels.duration.hazard_regression import PHReg

    found = {c.name: c.terms for c in describe_patients(source(age=AGE, stage=STAGE)).columns}
    (age,) = found["age"]
    other = PHReg(TIME, np.array(AGE), status=EVENT.astype(int), ties="efron").fit()
    assert age.hazard_ratio == pytest.approx(np.exp(other.params[0]), rel=1e-4)
    assert [age.low, age.high] == pytest.approx(np.exp(other.conf_int()[0]).tolist(), rel=1e-4)
    assert age.p == pytest.approx(other.pvalues[0], rel=1e-3)
    dummies = np.array([[s == level for level in ("T2", "T3", "T4")] for s in STAGE], dtype=float)
    other = PHReg(TIME, dummies, status=EVENT.astype(int), ties="efron").fit()
    assert [t.level for t in found["stage"]] == ["T2", "T3", "T4"]
    assert [t.hazard_ratio for t in found["stage"]] == pytest.approx(np.exp(other.params).tolist(), rel=1e-3)


def test_follow_up_is_the_reverse_kaplan_meier_median():
    described = describe_patients(source([1.0, 2.0, 3.0, 4.0, 5.0], [True, False, True, False, False]))
    # censorings as events: 1 of 4 at month 2, 1 of 2 at month 4
    assert described.follow_up.median == 4.0
    everybody = describe_patients(source([1.0, 2.0, 3.0], [True, True, True]))
    assert everybody.follow_up.median is None


def test_a_level_without_events_has_no_hazard_ratio_and_changes_no_other():
    event = EVENT & (np.array(STAGE) != "T3")
    (column,) = describe_patients(source(event=event, stage=STAGE)).columns
    terms = {t.level: t for t in column.terms}
    assert (terms["T3"].hazard_ratio, terms["T3"].reason) == (None, "no event in T3")
    kept = np.array(STAGE) != "T3"
    (alone,) = describe_patients(source(TIME[kept], event[kept], stage=[s for s in STAGE if s != "T3"])).columns
    assert terms["T2"].hazard_ratio == alone.terms[0].hazard_ratio
    (column,) = describe_patients(source(event=EVENT & (np.array(STAGE) != "T1"), stage=STAGE)).columns
    assert {t.reason for t in column.terms} == {"no event in T1, the reference level"}


@pytest.mark.parametrize(
    ("columns", "event", "reason"),
    [
        ({"age": [60.0] * 30}, EVENT, "all values are equal"),
        ({"age": AGE}, np.zeros(30, dtype=bool), "no event among patients with a known value"),
        ({"age": (-TIME).tolist()}, np.arange(30) == np.argmin(TIME), "the fit does not converge"),
    ],
)
def test_a_number_without_a_model_says_why(columns, event, reason):
    (column,) = describe_patients(source(event=event, **columns)).columns
    assert [(t.hazard_ratio, t.reason) for t in column.terms] == [(None, reason)]


def test_missing_values_are_counted_and_left_out():
    (column,) = describe_patients(source(missing={0, 5}, sex=SEX)).columns
    assert column.missing == 2
    assert sum(level.patients for level in column.levels) == 28


def test_a_description_is_stored_with_the_study_and_holds_no_patient(tmp_path):
    described = describe_patients(source(age=AGE, sex=SEX))
    chosen = replace(study([]), patients={"cohort": described})
    chosen.write(tmp_path)
    assert read_study(chosen.folder(tmp_path)).patients == {"cohort": described}
    assert "P00" not in described.model_dump_json()
