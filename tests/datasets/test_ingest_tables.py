"""The clinical table without what identifies, pseudonyms, and a table of regions."""

import csv
import hashlib
import stat
from dataclasses import replace

import pytest
from survbench.datasets.dicom.patient import Request
from survbench.datasets.dicom.regions import Wish
from survbench.datasets.dicom.suv import Corrections
from survbench.datasets.ingest.clinical import join, write_clinical
from survbench.datasets.ingest.overrides import requests_by_patient
from survbench.datasets.ingest.pseudonyms import by_key, by_table, pseudonym, pseudonyms_of, read_or_make_key
from survbench.datasets.ingest.region_table import regions_by_patient
from survbench.errors import BenchError
from survbench.io.tables import read_table

CLINICAL = """Patient,Surname,Born,Seen by,Age,Stage,Site,Months,Event,Told
HN-1,Ixworth,03.02.1950,AB,61,II,larynx,12.5,1,pain since summer
hn-2,Quill,1951-07-09,CD,55,III,larynx,30,0,said to smoke
HN-3,Zamora,19600101,EF,70,II,oropharynx,8,1,
HN-4,Obrist,04.05.1961,GH,49,III,larynx,44,0,lives alone
HN-9,Nobody,04.05.1961,GH,49,III,larynx,44,0,x
"""
PATIENTS = ("HN-1", "HN-2", "HN-3", "HN-4")


@pytest.fixture
def table(tmp_path):
    (tmp_path / "t.csv").write_text(CLINICAL)
    return read_table(tmp_path / "t.csv")


def test_only_columns_of_numbers_and_codes_are_kept_and_the_rest_is_listed_with_its_reason(table):
    joined = join(table, "Patient", PATIENTS, ())
    assert joined.columns == ("Age", "Stage", "Site", "Months", "Event")
    assert joined.rows["HN-2"] == ("55", "III", "larynx", "30", "0")
    assert joined.imageless == 1
    assert joined.left_out == {
        "Surname": "its name suggests identifying data or free text",
        "Born": "contains dates",
        "Seen by": "text that differs from patient to patient",
        "Told": "text that differs from patient to patient",
    }


def test_a_column_may_be_kept_by_name_unless_it_holds_names_of_the_images(table):
    assert "Seen by" in join(table, "Patient", PATIENTS, (), ["Seen by"]).columns
    joined = join(table, "Patient", PATIENTS, ("QUILL", "Jo"), ["Surname", "Seen by"])
    assert joined.left_out["Surname"] == "contains a name or id from the images"
    assert "Seen by" in joined.columns


def test_a_table_that_cannot_be_joined_is_refused(table, tmp_path):
    with pytest.raises(BenchError, match="no column 'patient'. Did you mean 'Patient'"):
        join(table, "patient", PATIENTS, ())
    (tmp_path / "t.csv").write_text(CLINICAL + "HN-1,x,1.1.1950,AB,61,II,larynx,12.5,1,\n")
    with pytest.raises(BenchError, match="1 patient with images has more than one row in .* table: lines 2 and 7"):
        join(read_table(tmp_path / "t.csv"), "Patient", PATIENTS, ())


def test_the_table_has_pseudonyms_in_an_order_of_their_own(table, tmp_path):
    joined = join(table, "Patient", PATIENTS, ())
    path = write_clinical(tmp_path, joined, {"HN-1": "P9", "HN-3": "P1"})
    assert [*csv.reader(path.read_text().splitlines())] == [
        ["id", "Age", "Stage", "Site", "Months", "Event"],
        ["P1", "70", "II", "oropharynx", "8", "1"],
        ["P9", "61", "II", "larynx", "12.5", "1"],
    ]


def test_a_pseudonym_needs_the_key_and_stays_the_same_with_it(tmp_path):
    file, cohort = tmp_path / "secret.key", tmp_path / "cohort"
    key = read_or_make_key(file, outside=cohort)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_or_make_key(file, outside=cohort) == key
    other = read_or_make_key(tmp_path / "other.key", outside=cohort)
    assert len({pseudonym(p, k) for p in ("HN-1", "HN-2") for k in (key, other)}) == 4
    # RFC 2104, by hand: two rounds of SHA-256 with the padded key
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key.ljust(64, b"\0")) + b"HN-1").digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key.ljust(64, b"\0")) + inner).hexdigest()
    assert pseudonym("HN-1", key) == "P" + outer[:12]


def test_a_key_in_the_cohort_or_without_content_is_refused(tmp_path):
    with pytest.raises(BenchError, match="Keep it elsewhere: anyone who has it can recover ids"):
        read_or_make_key(tmp_path / "cohort/a.key", outside=tmp_path / "cohort")
    for content in ("", "zz", "abcd"):
        (tmp_path / "a.key").write_text(content)
        with pytest.raises(BenchError, match="contains no key"):
            read_or_make_key(tmp_path / "a.key", outside=tmp_path / "cohort")


def test_given_pseudonyms_are_taken_and_ids_without_one_are_told(tmp_path):
    (tmp_path / "map.csv").write_text("Patient,Pseudonym\nhn-1,A01\nHN-2 ,A02\nHN-7,A03\n")
    found = pseudonyms_of(("HN-1", "HN-2", "HN-9"), by_table(read_table(tmp_path / "map.csv"), "Patient"))
    assert found.of == {"HN-1": "A01", "HN-2": "A02"}
    told = "The table of pseudonyms has no row for the patient. Add the row, or correct the id."
    assert found.refused == {"HN-9": told}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["Patient,Name", "HN-1,A01"], "no column 'Pseudonym'"),
        (["Patient,Pseudonym", "HN-1,A01", "hn-1,A02"], "Line 2 .* repeats an id of another row"),
        (["Patient,Pseudonym", "HN-1,A01", "HN-2,a01"], "Line 2 .* repeats a pseudonym of another row"),
        (["Patient,Pseudonym", "HN-1,A01", "HN-2,hn-1"], "Line 3 .* has a pseudonym that is an id"),
        (["Patient,Pseudonym", ",A01"], "Line 2 .* has no id"),
        *(
            (["Patient,Pseudonym", f"HN-1,{name}"], "Line 2 .* has a pseudonym that cannot be a file name")
            for name in ("", "../x", "a/b", "a b", ".a", "a.", "=1+1", "-a", "é", "nul", "COM1", "x" * 65, "A.nii")
        ),
    ],
)
def test_tables_of_pseudonyms_with_a_mistake_are_refused_without_naming_an_id(tmp_path, rows, message):
    (tmp_path / "map.csv").write_text("\n".join(rows))
    with pytest.raises(BenchError, match=message) as caught:
        by_table(read_table(tmp_path / "map.csv"), "Patient")
    assert "hn-1" not in str(caught.value).casefold()


def test_patients_who_would_share_a_pseudonym_get_none(tmp_path):
    found = pseudonyms_of(("HN-1", "HN-2", "HN-3"), lambda patient: "P0" if patient < "HN-3" else "P3")
    assert (found.of, [*found.refused]) == ({"HN-3": "P3"}, ["HN-1", "HN-2"])
    (tmp_path / "map.csv").write_text("Patient,Pseudonym\nHN-1,A01\n")
    naming = by_table(read_table(tmp_path / "map.csv"), "Patient")
    assert [*pseudonyms_of(("HN-1", "hn-1 "), naming).refused] == ["HN-1", "hn-1 "]
    assert pseudonyms_of(("HN-1", "A01"), naming).refused["HN-1"].startswith("The pseudonym is an id in the images.")
    assert pseudonyms_of(("HN-1",), by_key(bytes(32))).of == {"HN-1": pseudonym("HN-1", bytes(32))}


def test_a_column_that_holds_what_headers_say_is_left_out_unless_it_is_kept(table):
    institutions = {"larynx"}.__contains__
    assert join(table, "Patient", PATIENTS, (), (), institutions).left_out["Site"] == (
        "contains values from the headers about a patient"
    )
    assert "Site" in join(table, "Patient", PATIENTS, (), ("Site",), institutions).columns


def test_cells_of_ids_and_of_persons_names_are_secret_and_those_of_hospitals_are_no_persons(tmp_path):
    (tmp_path / "t.csv").write_text("Patient,Last_Name,Hospital name,Note\nHN-1,Quill,Elsewhere,smokes\nHN-9,Jo,,\n")
    secret = join(read_table(tmp_path / "t.csv"), "Patient", ("HN-1",), ()).secret
    assert {value.text for value in secret if value.person} == {"HN-1", "HN-9", "Quill", "Jo"}
    assert {value.text for value in secret if not value.person} == {"Elsewhere", "smokes", ""}


def test_short_numbers_that_are_ids_cost_no_column_of_measured_numbers_but_a_copy_of_the_ids_is_left_out(tmp_path):
    (tmp_path / "t.csv").write_text("Patient,Age,Same\n061,61,061\n070,070,070\n")
    joined = join(read_table(tmp_path / "t.csv"), "Patient", ("061", "070"), ("061", "070"))
    assert joined.columns == ("Age",)
    assert joined.left_out == {"Same": "contains the ids of the images"}
    assert {"061", "070"} <= {value.text for value in joined.secret}


def test_overrides_change_what_is_wanted_of_single_patients(tmp_path):
    rows = ["Patient,pet,structures,weight_kg,decay_correction", "HN-1,4.2,,61.5,admin", "HN-2,,RS new,,", "HN-3,,,,"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    general = Request(Wish(("GTV",)), ct="2")
    found = requests_by_patient(read_table(tmp_path / "t.csv"), "Patient", general)
    assert found["hn-1"] == replace(
        general, pet="4.2", corrections=Corrections(weight_kg=61.5, decay_correction="ADMIN")
    )
    assert found["hn-2"] == replace(general, structures="RS new")
    assert found["hn-3"] == general


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["id,pet", "HN-1,4"], "no column 'Patient'"),
        (["Patient,weight", "HN-1,61"], "Unknown column of overrides 'weight'. Did you mean 'weight_kg'"),
        (["Patient,weight_kg", "HN-1,0"], "Line 2 of the table of overrides: weight_kg is '0'"),
        (["Patient,decay_correction", "HN-1,later"], "decay_correction is 'later'. Enter one of START, ADMIN, NONE"),
    ],
)
def test_overrides_that_say_nothing_are_refused(tmp_path, rows, message):
    (tmp_path / "t.csv").write_text("\n".join(rows))
    with pytest.raises(BenchError, match=message):
        requests_by_patient(read_table(tmp_path / "t.csv"), "Patient", Request())


def test_a_table_of_regions_gives_the_names_of_each_patient_with_their_own_spaces(tmp_path):
    rows = ["Patient;Primary;Nodes", "HN-CHUS-012;GTV,GTV1,GTV2;", "HN-CHUS-059;GTV  66 Gy;GTVgg RP", "HN-CHUS-060;;"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    table = read_table(tmp_path / "t.csv")
    assert regions_by_patient(table, "Patient", ["Primary"])["hn-chus-012"].patterns == ("GTV", "GTV1", "GTV2")
    both = regions_by_patient(table, "Patient", ["Primary", "Nodes"])
    assert both["hn-chus-059"] == Wish(("GTV  66 Gy", "GTVgg RP"))
    assert both["hn-chus-060"].patterns == ()
    structures = regions_by_patient(table, "Patient", ["Primary", "Nodes"], ["gtvp", "gtvn"])
    assert structures["hn-chus-012"] == Wish(
        ("GTV", "GTV1", "GTV2"), of=("gtvp",) * 3, structures=(("gtvp", 1), ("gtvn", 2))
    )
    assert structures["hn-chus-059"].of == ("gtvp", "gtvn")
    with pytest.raises(BenchError, match="no column 'Node'. Did you mean 'Nodes'"):
        regions_by_patient(table, "Patient", ["Node"])


def test_two_rows_of_one_patient_in_overrides_or_regions_are_refused_with_their_lines(tmp_path):
    (tmp_path / "t.csv").write_text("Patient,pet\nHN-1,2\nHN-2,2\nhn-1,3\n")
    table = read_table(tmp_path / "t.csv")
    with pytest.raises(BenchError, match="overrides has two rows for one patient, lines 2 and 4"):
        requests_by_patient(table, "Patient", Request())
    with pytest.raises(BenchError, match="regions has two rows for one patient, lines 2 and 4"):
        regions_by_patient(table, "Patient", ["pet"])


def test_patients_whose_ids_differ_in_case_alone_get_no_pseudonym(tmp_path):
    pseudonyms = pseudonyms_of(["AB-1", "ab-1", "AB-2"], by_key(bytes(32)))
    assert ([*pseudonyms.of], [*pseudonyms.refused]) == (["AB-2"], ["AB-1", "ab-1"])
