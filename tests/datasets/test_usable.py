"""Patients of errors are left out, by whatever check, and nobody else is."""

from __future__ import annotations

import gzip
import re
from importlib.metadata import EntryPoint

import pytest
from cohort_folder import CARD, path_of, write_cohort
from survbench.actions.planning import open_request, prepare_cohorts
from survbench.actions.request import Request
from survbench.actions.watcher import Silent
from survbench.datasets.checks import catalogue
from survbench.datasets.checks.kinds import CohortCheck, PatientCheck, VoxelCheck
from survbench.datasets.cohorts.measure import read_volumes
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.cohorts.opened import centre_of, open_cohorts
from survbench.datasets.readers import nifti
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.plan.profile import load_profile
from survbench.work.prepare import prepare
from table_cohort import table_rows, write_table_cohort

SMOKE = load_profile("smoke")


class Unwanted(CohortCheck):
    """A patient who has withdrawn consent."""

    code = "HX1"
    severity = "error"
    part = "table"
    title = "Consent withdrawn"
    remedy = "Leave it out."
    who = "P03"

    def find(self, source):
        if self.who in source.cohort.ids or self.who == "P99":
            yield self.finding("Consent was withdrawn.", subject=self.who)


class OfNobody(Unwanted):
    """Names somebody who is not there."""

    code = "HX2"
    who = "P99"


class Dark(VoxelCheck):
    """The darkest PET of all."""

    code = "HX3"
    severity = "error"
    part = "images"
    title = "A dark PET"
    remedy = "Scan again."

    def find(self, source, facts):
        if "P05" in facts:
            yield self.finding(f"The PET is dark among {len(facts)}.", subject="P05")


class Failing(PatientCheck):
    """Has a mistake in it."""

    code = "HX4"
    severity = "error"
    part = "images"
    title = "Fails"

    def of_patient(self, card, facts):
        raise KeyError("typo")


class Plain:
    """No check at all."""


@pytest.fixture
def plugged(monkeypatch):
    """Install objects of this module as plugins."""

    def plug(*names):
        points = [EntryPoint(n, f"{__name__}:{n}", catalogue.ENTRY_POINTS) for n in names]
        load = EntryPoint.load
        monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.name] if self in points else load(self))
        monkeypatch.setattr(catalogue, "entry_points", lambda group: points if group == catalogue.ENTRY_POINTS else [])
        catalogue.installed.cache_clear()
        return catalogue.installed()

    yield plug
    monkeypatch.undo()
    catalogue.installed.cache_clear()


def request_for(folder, tmp_path, **more):
    return Request(profile=SMOKE, methods="volume", cohort=str(folder), out=tmp_path / "out", workers=1, **more)


def test_a_copy_is_left_out_and_the_first_is_kept(tmp_path):
    rows = table_rows(40)
    rows[6][4:] = rows[5][4:]
    folder = write_table_cohort(tmp_path / "toy", rows)
    with pytest.raises(CohortError, match="SB405 .*P05"):
        load_source(str(folder), profile=SMOKE)
    source = load_source(str(folder), profile=SMOKE, skip_bad=True)
    assert source.left_out == ("P05",)
    assert set(source.cohort.ids) == {row[0] for row in rows[1:]} - {"P05"}
    assert not [f for f in source.findings if f.severity == "error"]


def test_an_error_of_a_plugin_leaves_its_patient_out(tmp_path, plugged):
    plugged("Unwanted")
    folder = write_cohort(tmp_path / "toy")
    with pytest.raises(CohortError, match="HX1 .*P03"):
        load_source(str(folder), profile=SMOKE)
    source = load_source(str(folder), profile=SMOKE, skip_bad=True)
    assert (source.left_out, len(source.cohort), "P03" in source.cohort.ids) == (("P03",), 11, False)


def test_a_check_that_names_nobody_of_the_cohort_stops_with_its_name(tmp_path, plugged):
    plugged("OfNobody")
    folder = write_cohort(tmp_path / "toy")
    with pytest.raises(BenchError, match="check HX2 .*'P99', who is not a patient"):
        load_source(str(folder), profile=SMOKE, skip_bad=True)


def test_an_error_of_voxels_leaves_its_patient_out_and_the_rest_is_looked_at_again(tmp_path, plugged):
    plugged("Dark")
    folder = write_cohort(tmp_path / "toy")
    wanted = request_for(folder, tmp_path)
    cohorts, _ = open_request(wanted)
    with pytest.raises(CohortError, match="HX3 The PET is dark among 12"):
        prepare_cohorts(cohorts, wanted, Silent())
    wanted = request_for(folder, tmp_path, skip_bad=True)
    prepare_cohorts(cohorts, wanted, Silent())
    assert cohorts.sources[0].left_out == ("P05",)
    assert "P05" not in cohorts.sources[0].cohort.ids


def test_a_check_that_fails_is_not_the_patients_fault(tmp_path, plugged):
    plugged("Failing")
    cohorts = open_cohorts([(str(write_cohort(tmp_path / "toy", 4)), None)], profile=SMOKE)
    (source,) = cohorts.sources
    work = [(s, centre_of(source, s)) for s in source.cohort.subjects]
    with pytest.raises(BenchError, match="The check HX4 .* failed: KeyError: 'typo'"):
        prepare(source.card, work, ["pet", "ct", "mask"], cohorts.grid, None, {}, (), str(tmp_path / "out"))


def test_a_disk_that_is_gone_is_not_the_patients_fault_and_a_damaged_file_is(tmp_path, monkeypatch):
    folder = write_cohort(tmp_path / "toy", 4)
    subject = load_source(str(folder), profile=SMOKE).cohort.subjects[1]
    path = path_of(folder, "P01_pet")
    packed = path.read_bytes()
    path.write_bytes(gzip.compress(gzip.decompress(packed))[:-4] + b"0000")
    assert [f.code for f in read_volumes(subject)[1]] == ["SB402"]
    path.write_bytes(packed)

    def gone(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(nifti, "_open", gone)
    with pytest.raises(OSError, match="Input/output error"):
        read_volumes(subject)


def declared(**attributes):
    return type("Given", (Unwanted,), {"code": "HX9", **attributes})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (declared(code="SB101"), "SB is survbench's own"),
        (declared(code="hx1"), "capital letters and a number"),
        (declared(severity="fatal"), "severity is 'fatal', not error or warning or note"),
        (declared(part="board"), "part is 'board', not table or"),
        (declared(title=None), "title is None"),
        (type("Abstract", (CohortCheck,), {"code": "HX9"}), r"does not define find\(\)"),
        (Plain, "not a subclass of CohortCheck"),
        (None, "not a subclass of CohortCheck"),
    ],
)
def test_a_plugin_that_is_no_check_is_named_and_takes_nothing_down(tmp_path, plugged, monkeypatch, caplog, given, said):
    monkeypatch.setitem(globals(), "Given", given)
    found = plugged("Unwanted", "Given")
    assert [b.name for b in found.broken] == ["Given"]
    assert Unwanted in found.checks
    assert "The check of plugin Given is not loaded" in caplog.text
    assert re.search(said, found.broken[0].reason)


def test_two_plugins_of_one_code_are_one_check(plugged, monkeypatch):
    monkeypatch.setitem(globals(), "Given", declared(code="HX1"))
    found = plugged("Given", "Unwanted")
    assert [b.reason for b in found.broken] == ["ValueError: another check has the code HX1"]


def test_whoever_inherits_a_severity_inherits_what_can_be_ignored():
    bold = declared(ignorable=True, severity="error")
    assert type("Child", (bold,), {}).ignorable
    assert not declared(severity="error").ignorable
    assert declared(severity="warning").ignorable


def test_files_of_patients_whom_the_card_sets_aside_belong_to_somebody(tmp_path):
    card = CARD + "patients: {without: [P03], where: {sex: [f]}}\n"
    source = load_source(str(write_cohort(tmp_path / "toy", card=card)), profile=SMOKE)
    assert "P03" not in source.cohort.ids
    assert {row.cells["sex"] for row in source.table.rows} == {"f"}
    assert "SB108" not in {f.code for f in source.findings}
