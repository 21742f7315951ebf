"""Identifying values: what headers hold, what is looked for, and where it is found."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest
from dicom_files import write_patient
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from survbench.datasets.dicom.identifying import IdentifyingValue, identity_of, of_files
from survbench.datasets.ingest.leaks import Leak, SecretValues, leaks_in

ORDINARY = frozenset({"body", "pet", "scan", "series", "whole"})
PERSON = IdentifyingValue("PatientName", "Müller-Ostrow^Ada^Body", person=True)
BORN = IdentifyingValue("PatientBirthDate", "19510709")
UID = IdentifyingValue("StudyInstanceUID", "1.6.7001")


def searched(*values, allowed=()):
    return SecretValues.of(values, ordinary=ORDINARY, allowed=allowed)


@pytest.mark.parametrize(
    "text",
    ["Müller-Ostrow^Ada^Body", "seen by Dr MULLER", "mu\u0308ller", "ostrow_7.nii.gz", "Ada", "ada body"],
)
def test_a_name_is_found_however_it_is_written(text):
    assert searched(PERSON).kinds_in(text) == {"PatientName"}


@pytest.mark.parametrize("text", ["Adapted", "whole body", "Mullers", "Ost row"])
def test_parts_of_words_and_ordinary_words_are_no_name(text):
    assert searched(PERSON).kinds_in(text) == set()


@pytest.mark.parametrize(
    "text", ["19510709", "1951-07-09", "09.07.1951", "9.7.1951", "07/09/1951", "7/9/1951", "1951 07 09", "b_19510709_x"]
)
def test_a_date_is_found_in_the_usual_ways_to_write_one(text):
    assert searched(BORN).kinds_in(text) == {"PatientBirthDate"}
    assert searched(IdentifyingValue("cell", "09.07.1951")).kinds_in(text) == {"cell"}


@pytest.mark.parametrize("text", ["119510709", "1951", "07 09", "1951-07-19", "1.951.0709"])
def test_other_numbers_are_no_date(text):
    assert searched(BORN).kinds_in(text) == set()


def test_a_uid_is_found_whole():
    assert searched(UID).kinds_in("drawn on 1.6.7001.") == {"StudyInstanceUID"}
    assert searched(UID).kinds_in("1.6.7001.2 and 11.6.7001 and 1, 6, 7001") == set()


@pytest.mark.parametrize(
    "value", ["CT", "F", "070", "12345", "M", "Body", "whole body", "PET scan", "PET 3", "", "^", "abc"]
)
def test_what_is_short_or_ordinary_is_not_looked_for(value):
    of = IdentifyingValue("SeriesDescription", value)
    assert searched(of).kinds_in(f"CT F 070 12345 M body, whole body, pet scan 3 abc {value}") == set()


def test_what_is_written_on_purpose_is_no_leak_unless_it_names_somebody():
    values = IdentifyingValue("InstitutionName", "Elsewhere"), PERSON
    assert searched(*values, allowed=("Elsewhere", "Ada")).kinds_in("Elsewhere, Ada") == {"PatientName"}


def test_words_of_regions_and_of_kept_cells_are_no_leak_but_numbers_put_together_are():
    site, born = IdentifyingValue("StudyDescription", "Larynx left"), IdentifyingValue("ContentDate", "19510709")
    allowed = ("GTV larynx", "left", "1951", "07", "09")
    assert searched(site, born, allowed=allowed).kinds_in("GTV larynx left") == set()
    assert searched(site, born, allowed=allowed).kinds_in("1951-07-09") == {"ContentDate"}


def test_values_are_cut_out_of_a_text():
    told = "No region is named 'GTV'; the nearest names are GTV Müller-Ostrow. Series 'Ada 1951-07-09'."
    assert (
        searched(PERSON, BORN).without(told)
        == "No region is named 'GTV'; the nearest names are GTV ...-.... Series '... ...'."
    )


def test_leaks_are_found_in_names_and_contents_of_files_and_named_without_the_value(tmp_path):
    voxels = np.random.default_rng(0).gamma(2, 1, (40, 40, 40)).astype(np.float32).tobytes()
    (tmp_path / "images").mkdir()
    (tmp_path / "images/clean.nii.gz").write_bytes(gzip.compress(voxels))
    # the name lies across the end of a block that is read at once
    (tmp_path / "images/b.nii.gz").write_bytes(gzip.compress(bytes(2**24 - 4) + b" Ostrow-Ada " + voxels))
    (tmp_path / "images/Ostrow.txt").write_text("nothing")
    (tmp_path / "a.json").write_text(json.dumps({"sizes": [19510709], "by": {"1951-07-09": 1}}))
    (tmp_path / "numbers.json").write_text(json.dumps({"size": 19510709}))
    picture = base64.b64encode(b"\xff\xd8 Ostrow \xff").decode()
    (tmp_path / "page.html").write_text(f'<p>M&uuml;ller</p><img src="data:image/jpeg;base64,{picture}">')
    (tmp_path / "picture.html").write_text(f'<img src="data:image/jpeg;base64,{picture}">')
    (tmp_path / "damaged.nii.gz").write_bytes(gzip.compress(voxels)[:-100] + b" Ostrow ")
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    found = leaks_in(tmp_path, files, searched(PERSON, BORN))
    assert found == [
        Leak("a.json", "PatientBirthDate"),
        Leak("damaged.nii.gz", "PatientName"),
        Leak("images/(a file)", "PatientName"),
        Leak("images/b.nii.gz", "PatientName"),
        Leak("page.html", "PatientName"),
        Leak("picture.html", "PatientName"),
    ]


def test_everything_in_headers_that_may_identify_is_collected(tmp_path):
    folder = write_patient(tmp_path / "hospital")
    path = next((folder / "pet").iterdir())
    header = dcmread(path)
    item, deep = Dataset(), Dataset()
    deep.PhysiciansOfRecord = "Hidden^Deep"
    deep.add_new((0x0013, 0x10), "LO", "Maker")
    deep.add_new((0x0013, 0x1005), "UN", b"secret text ")
    item.ReferencedStudySequence = Sequence([deep])
    header.RequestAttributesSequence = Sequence([item])
    header.OtherPatientIDs = ["OLD-1", "OLD-2"]
    header.PatientAddress = "12 Elm Street"
    header.AccessionNumber = "ACC99"
    header.PatientComments = "lives with a parrot"
    header.Modality = "PT"
    header.save_as(path)
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    (tmp_path / "hospital/damaged.bin").write_bytes(path.read_bytes()[:700])
    identity = identity_of([*paths, tmp_path / "hospital/damaged.bin"])
    found = {(value.kind, value.text) for value in identity.values}
    assert {
        ("PatientName", "Quillfeather^Ada"),
        ("PatientID", "HN-7001"),
        ("PatientBirthDate", "19510709"),
        ("InstitutionName", "Ward 9 of St. Elsewhere"),
        ("SeriesDescription", "Quillfeather PET"),
        ("StudyInstanceUID", "1.6.7001"),
        ("a private attribute", "Quillfeather"),
        ("PhysiciansOfRecord", "Hidden^Deep"),
        ("a private attribute", "secret text"),
        ("OtherPatientIDs", "OLD-2"),
        ("PatientAddress", "12 Elm Street"),
        ("AccessionNumber", "ACC99"),
        ("PatientComments", "lives with a parrot"),
    } <= found
    assert identity.stated == {"GTV"}
    assert not {text for _, text in found} & {"PT", "BQML", "GTV", "START", "75"}
    assert not [text for _, text in found if text.startswith("1.2.840.10008.")]
    assert {v.text for v in identity.values if v.person} >= {"Hidden^Deep", "OLD-1", "HN-7001"}
    names = {value.text for value in of_files(paths, tmp_path / "hospital")}
    assert {"Quillfeather 7001", "Quillfeather", "0000.bin"} <= names
