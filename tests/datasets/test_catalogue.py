"""Which checks there are, and that one of a plugin is run with ours."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from cohort_folder import write_cohort
from survbench.actions.checks import all_checks
from survbench.datasets.checks import catalogue
from survbench.datasets.checks.kinds import CohortCheck
from survbench.datasets.cohorts.validate import validate_named


class OddNumber(CohortCheck):
    """A hospital that pairs its patients has an even number of them."""

    code = "HX1"
    severity = "warning"
    part = "outcome"
    title = "The number of patients is odd"
    remedy = "Look for the missing one."

    def find(self, source):
        if len(source.cohort) % 2:
            yield self.finding(f"There are {len(source.cohort)} patients.")


@pytest.fixture
def plugged(monkeypatch):
    point = EntryPoint(name="odd", value=f"{__name__}:OddNumber", group=catalogue.ENTRY_POINTS)
    load = EntryPoint.load
    monkeypatch.setattr(EntryPoint, "load", lambda self: OddNumber if self == point else load(self))
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [point] if group == catalogue.ENTRY_POINTS else [])
    catalogue.installed.cache_clear()
    yield
    monkeypatch.undo()
    catalogue.installed.cache_clear()


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize(("patients", "found"), [(5, True), (6, False)])
def test_a_check_of_a_plugin_is_run_listed_and_can_be_ignored(tmp_path, patients, found):
    folder = str(write_cohort(tmp_path / "toy", patients))
    report = validate_named(folder)
    assert ("HX1" in {f.code for f in report.findings}) == found
    assert (OddNumber in report.passed) != found
    assert all_checks()[-1] is OddNumber
    assert [f.code for f in validate_named(folder, ignored=["HX1"]).ignored] == ["HX1"] * found
