"""The real cohort: untrained markers rank progression as an independent computation says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from outside_data import outside
from survbench.actions.extract import extract_cohort
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.cohort import Subject
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.preprocessing.cache import VolumeStore
from survbench.datasets.preprocessing.grid import plan_grid, reference_point
from survbench.datasets.preprocessing.resample import prepare_subject
from survbench.metrics import concordance_index
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry
from survbench.work.construct import construct

DATA = outside("sts51")
EXPECTED = {"tlg": 0.712, "suvmax": 0.697, "volume": 0.652}


@pytest.fixture(scope="module")
def source():
    return load_source("sts51", profile=load_profile("quick"), data=DATA)


def marker_c(name, cohort):
    info = registry().methods[name]
    risk = construct(info.target, info.params).predict_risk(cohort)
    return concordance_index(cohort.time, cohort.event, risk).value


def test_patients_and_events(source):
    assert len(source.cohort) == 51
    assert source.cohort.event.sum() == 27


@pytest.mark.parametrize("name", EXPECTED)
def test_markers_on_the_images_as_they_are(source, name):
    assert marker_c(name, source.cohort) == pytest.approx(EXPECTED[name], abs=0.005)


def test_markers_on_the_grid_of_the_quick_profile(source, tmp_path):
    from dataclasses import replace

    card, cohort = source.card, source.cohort
    grid, store = plan_grid(card.field_of_view_mm, 32), VolumeStore(tmp_path)
    assert grid.spacing_mm == 8
    subjects = []
    for s in cohort.subjects:
        centre = reference_point(s, cohort.channels, card.reference)
        keys = prepare_subject(s, [*cohort.channels, "mask"], grid, centre, store)
        subjects.append(Subject(s.id, s.centre, s.clinical, {name: store.open(key) for name, key in keys.items()}))
    prepared = replace(cohort, subjects=tuple(subjects))
    for name, expected in EXPECTED.items():
        assert marker_c(name, prepared) == pytest.approx(expected, abs=0.03)


def test_validate_names_the_padding_trap_and_no_error():
    findings = validate_named("sts51", data=DATA).findings
    assert [p for p in findings if p.severity == "error"] == []
    assert any("padding" in p.remedy for p in findings)


def test_a_smoke_run_of_the_cheap_methods(tmp_path):
    request = Request(
        profile=load_profile("smoke"),
        cohort="sts51",
        data=DATA,
        methods="clinical-cox,volume,tlg,padding,oracle",
        out=tmp_path,
    )
    rows = {row.method: row for row in run_study(request, Silent()).board.rows}
    assert "oracle" not in rows, "real patients have no true hazard"
    assert all(rows[name].status == "ok" for name in ("clinical-cox", "volume", "tlg", "padding"))
    assert rows["padding"].is_reference
    assert rows["tlg"].external_c_index is None


def extracted(out):
    request = {"profile": load_profile("quick"), "set_name": None, "workers": 2, "skip_bad": False}
    return extract_cohort("sts51", data=DATA, out=out, watcher=Silent(), **request)


@pytest.mark.slow
def test_the_sarcomas_have_1456_finite_features_each_and_a_second_call_extracts_nothing(tmp_path):
    found = extracted(tmp_path)
    table = pd.DataFrame([e.values for e in found.extractions.values()], columns=list(found.names))
    assert table.shape == (51, 1456)
    assert not table.columns.has_duplicates
    assert np.isfinite(table.to_numpy()).all()
    assert not found.failed
    assert {f.subject for f in found.findings if f.kind == "border"} >= {"STS_009", "STS_020"}
    again = extracted(tmp_path)
    assert again.cached == 51
    assert again.extractions == found.extractions
