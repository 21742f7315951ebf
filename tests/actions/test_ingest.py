"""``bench cohort ingest``: from DICOM, as a hospital hands it out, to a cohort that can be checked."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_files import OBLIQUE, write_patient
from openpyxl import Workbook
from survbench.actions.ingest import Clinical, ingest
from survbench.datasets.cards.card import read_card
from survbench.datasets.dicom.patient import Request
from survbench.datasets.dicom.regions import Wish, by_structure, numbered
from survbench.datasets.ingest.pseudonyms import by_key, pseudonym
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.folder import inspect_cohort
from survbench.errors import BenchError
from survbench.io.holding import held
from survbench.io.tables import read_table
from survbench.io.workbooks import read_any_table

KEY = bytes(range(32))
NAMING = by_key(KEY)
PLANTED = ("Quillfeather", "19510709", "Ada", "HN-7001", "Ward 9 of St. Elsewhere", "1.7.7001")


def clinical(path, patients=4):
    book = Workbook()
    sheet = book.active
    sheet.append(["Patient", "Name", "Born", "Days", "Status", "Sex"])
    for n in range(1, patients + 1):
        sheet.append([f"HN-700{n}", "Quillfeather", "09.07.1951", 100 * n, n % 2, "fm"[n % 2]])
    book.save(path)
    return Clinical(read_any_table(path), "Patient", ())


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Return what came of a folder with a good patient of each kind and one of each fault, and its folders."""
    root = tmp_path_factory.mktemp("hospital")
    source, out = root / "dicom", root / "cohort"
    write_patient(source, "HN-7001")
    write_patient(source, "HN-7002", orientation=(1, 0, 0, 0, 1, 0), tumour=20_000)
    write_patient(source, "HN-7003", region="Heart")
    write_patient(source, "HN-7004", Units="PROPCPS")
    write_patient(source, "HN-7005")
    (source / "readme.txt").write_text("not DICOM")
    table = clinical(root / "clinical.xlsx")
    done = ingest(source, out, request=Request(Wish(("GTV",))), naming=NAMING, clinical=table)
    return source, out, done


def test_one_patient_that_cannot_be_read_never_stops_the_others_and_each_cause_is_told(outcome):
    _, out, done = outcome
    assert done.written == tuple(sorted(pseudonym(p, KEY) for p in ("HN-7001", "HN-7002")))
    assert [*done.failed] == ["HN-7003", "HN-7004", "HN-7005"]
    assert "No region is named 'GTV'" in done.failed["HN-7003"]
    assert "units 'PROPCPS'" in done.failed["HN-7004"]
    assert "no row" in done.failed["HN-7005"]
    assert {p.name for p in (out / "images").iterdir()} == {f"{i}_{k}.nii.gz" for i in done.written for k in ("PET", "CT", "mask")}  # fmt: skip  # noqa: E501
    assert (done.contents.others, done.joined.imageless) == (1, 0)


def test_images_are_in_suv_and_hu_and_lie_where_the_scanner_put_them(outcome):
    _, out, _ = outcome
    name = pseudonym("HN-7001", KEY)
    pet, ct, mask = (nib.load(out / "images" / f"{name}_{kind}.nii.gz") for kind in ("PET", "CT", "mask"))
    factor = 75_000 / (300e6 * 0.5 ** (3600 / 6586.2))
    inside = mask.get_fdata() == 1
    assert inside.sum() == 36
    assert pet.get_fdata()[inside] == pytest.approx(30_000 * factor)
    places = np.arange(mask.get_fdata().size).reshape(mask.shape)
    assert pet.get_fdata()[~inside] == pytest.approx((2000 + places * 7001 % 200)[~inside] * factor)
    assert (ct.get_fdata() == 40 + places * 7001 % 50).all()
    assert ct.get_data_dtype() == np.int16
    rows, columns = np.reshape(OBLIQUE, (2, 3))
    corner = np.array([-20, 30, 40]) + 4 * rows + 2 * 4 * columns + 3 * 5 * np.cross(rows, columns)
    for image in (pet, ct, mask):
        assert image.affine @ [1, 2, 3, 1] == pytest.approx([-corner[0], -corner[1], corner[2], 1], abs=1e-3)
        assert image.get_sform(coded=True)[1] == image.get_qform(coded=True)[1] == 1


def test_what_was_done_is_recorded_per_patient(outcome):
    _, out, _ = outcome
    name = pseudonym("HN-7001", KEY)
    record = json.loads((out / "records" / f"{name}.json").read_text())
    assert record["id"] == name
    assert record["suv"]["units"] == "BQML"
    assert record["suv"]["rule"] == "BQML: weight / dose, dose decayed to the series time"
    assert record["suv"]["factors"] == pytest.approx([75_000 / (300e6 * 0.5 ** (3600 / 6586.2))], rel=1e-5)
    assert record["suv"]["delay_s"] == [3600]
    assert record["mask"] == {"on": "pet", "regions": ["GTV"], "voxels": 36, "ml": 2.88, "series": "1", "why": "the only one", "others": 0}  # fmt: skip  # noqa: E501
    assert record["ct"]["range"] == [40, 89]


def test_the_cohort_can_be_read_once_the_outcome_is_filled_in(outcome):
    _, out, done = outcome
    table = read_table(out / "clinical.csv")
    assert table.columns == ("id", "Days", "Status", "Sex")
    assert [*done.joined.left_out] == ["Name", "Born"]
    text = (out / "cohort.yaml").read_text()
    lines = ["name: ours", "title: Ours", "endpoint: {name: OS, time: Days, event: Status, unit: days}"]
    kept = [line for line in text.splitlines() if line.split(":")[0] in {"id", "table", "mask", "field_of_view_mm"} or line.startswith(("images:", "  pet:", "  ct:"))]  # fmt: skip  # noqa: E501
    card = out / "filled.yaml"
    card.write_text("\n".join([*lines, *kept, "licence: none", "citation: none"]))
    found = inspect_cohort(read_card(card), out)
    card.unlink()
    assert [f for f in found.findings if f.severity == "error"] == []
    assert sorted(found.source.cohort.ids) == sorted(done.written)
    assert set(found.source.cohort.channels) == {"pet", "ct"}


@pytest.mark.faults  # row 17
def test_nothing_that_names_a_patient_is_in_any_file(outcome):
    _, out, _ = outcome
    for path in (p for p in out.rglob("*") if p.is_file()):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        for word in (*PLANTED, "HN-7002", "09.07.1951"):
            # as a word: a hash may hold "ada"
            found = re.search(rb"(?<![a-z0-9])%b(?![a-z0-9])" % re.escape(word.lower()).encode(), content.lower())
            assert not found, (path, word)
            assert word.lower() not in str(path.relative_to(out)).lower()


def test_a_second_call_reads_only_what_is_new_or_changed(tmp_path):
    source, out, wish = tmp_path / "dicom", tmp_path / "cohort", Request(Wish(("GTV",)))
    write_patient(source, "HN-7001")
    write_patient(source, "HN-7002", Units="PROPCPS")
    first = ingest(source, out, request=wish, naming=NAMING)
    assert (len(first.written), [*first.failed], first.joined, first.todo) == (1, ["HN-7002"], None, None)
    write_patient(source, "HN-7002")
    second = ingest(source, out, request=wish, naming=NAMING)
    assert second.written == (pseudonym("HN-7002", KEY),)
    assert second.kept == (pseudonym("HN-7001", KEY),)
    third = ingest(source, out, request=Request(Wish(("GTV",)), mask_on="ct"), naming=NAMING)
    assert len(third.written) == 2


def test_a_table_of_regions_says_what_is_the_tumour_of_whom(tmp_path):
    source = tmp_path / "dicom"
    write_patient(source, "HN-7001", region="GTV BOT")
    write_patient(source, "HN-7002", region="IG2")
    regions = {"hn-7001": Wish(("GTV BOT",)), "hn-7002": Wish()}
    done = ingest(source, tmp_path / "cohort", request=Request(), naming=NAMING, regions=regions)
    assert done.written == (pseudonym("HN-7001", KEY),)
    assert "names none for the patient" in done.failed["HN-7002"]


@pytest.mark.parametrize("inside", [True, False])
def test_folders_that_lie_in_each_other_and_folders_without_dicom_are_refused(tmp_path, inside):
    source, out = (tmp_path / "a", tmp_path / "a/b") if inside else (tmp_path / "a", tmp_path / "c")
    Path(source).mkdir()
    (source / "x.txt").write_text("x")
    with pytest.raises(BenchError, match="lie in each other" if inside else r"no DICOM series \(1 other files\)"):
        ingest(source, out, request=Request(), naming=NAMING)


def test_the_manifest_and_the_page_hold_all_who_were_written_and_none_who_was_not(outcome):
    _, out, done = outcome
    files = json.loads((out / "manifest.json").read_text())["files"]
    assert {*files} == {f"images/{path.name}" for path in (out / "images").iterdir()}
    for name, state in files.items():
        content = (out / name).read_bytes()
        assert (state["bytes"], state["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    page = (out / "report.html").read_text()
    assert set(re.findall("<h2>(P[0-9a-f]{12})</h2>", page)) == {*done.written}
    assert page.count('<img src="data:image/jpeg;base64,') == 2
    lost = [pseudonym(f"HN-700{n}", KEY) for n in (3, 4, 5)]
    assert all(f'<span class="ci">{name}</span>' in page for name in lost)
    assert "The clinical table has no row of the patient." in page
    assert {f.code for f in done.findings} == {"SB408"}  # the CT holds no air
    assert done.leaks == ()


def test_a_file_that_was_damaged_since_is_written_again(tmp_path):
    source, out, wish = tmp_path / "dicom", tmp_path / "cohort", Request(Wish(("GTV",)))
    write_patient(source, "HN-7001")
    write_patient(source, "HN-7002")
    ingest(source, out, request=wish, naming=NAMING)
    path = out / "images" / f"{pseudonym('HN-7002', KEY)}_PET.nii.gz"
    content = path.read_bytes()
    manifest = (out / "manifest.json").read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = ingest(source, out, request=wish, naming=NAMING)
    assert (again.written, again.kept) == ((pseudonym("HN-7002", KEY),), (pseudonym("HN-7001", KEY),))
    assert path.read_bytes() == content
    assert (out / "manifest.json").read_bytes() == manifest


def test_a_value_that_got_into_a_file_is_told_by_its_kind_alone(tmp_path):
    source, out = tmp_path / "dicom", tmp_path / "cohort"
    write_patient(source, "HN-7001", region="Quillfeather GTV")
    write_patient(source, "HN-7002", region="Quillfeather 19510709")
    done = ingest(source, out, request=Request(Wish(("Quillfeather GTV",))), naming=NAMING)
    record = f"records/{pseudonym('HN-7001', KEY)}.json"
    assert {(leak.file, leak.kind) for leak in done.leaks} == {
        (record, "PatientName"),
        ("report.html", "PatientName"),
    }
    cause = "No region is named '... GTV'; the nearest names are ... .... Correct the name or the pattern."
    assert cause.replace("'", "&#39;") in (out / "report.html").read_text()


def test_given_pseudonyms_name_the_files_and_ids_without_one_are_told(tmp_path):
    source, out = tmp_path / "dicom", tmp_path / "cohort"
    for n in (1, 2, 3):
        write_patient(source, f"HN-700{n}")
    given = {"HN-7001": "A01", "HN-7002": "X-HN-7002"}

    def naming(patient):
        if patient not in given:
            raise ImageError("There is no row.", "Add it.")
        return given[patient]

    done = ingest(source, out, request=Request(Wish(("GTV",))), naming=naming)
    assert (done.written, done.failed) == (("A01", "X-HN-7002"), {"HN-7003": "There is no row. Add it."})
    assert "a patient without a pseudonym" in (out / "report.html").read_text()
    # a pseudonym that holds the id is met in names of files and in texts
    assert {(leak.file.split("/")[0], leak.kind) for leak in done.leaks} >= {
        ("images", "PatientID"),
        ("records", "PatientID"),
        ("report.html", "PatientID"),
    }
    assert not [leak for leak in done.leaks if "7002" in leak.file]


def test_what_is_left_of_an_earlier_call_and_overrides_of_nobody_are_told(tmp_path):
    source, out = tmp_path / "dicom", tmp_path / "cohort"
    write_patient(source, "HN-7001")
    gone = write_patient(source, "HN-7002")
    ingest(source, out, request=Request(), naming=NAMING)
    shutil.rmtree(gone)
    done = ingest(source, out, request=Request(), naming=NAMING, overrides={"hn-7001": Request(), "hn-70": Request()})
    assert (len(done.kept), done.leftover, done.unused) == (1, (pseudonym("HN-7002", KEY),), ("hn-70",))
    other = ingest(source, out, request=Request(), naming=by_key(bytes(32)))
    assert set(other.leftover) == {pseudonym("HN-7001", KEY), pseudonym("HN-7002", KEY)}


def test_a_cohort_that_another_call_writes_is_left_alone(tmp_path):
    write_patient(tmp_path / "dicom")
    with held(tmp_path / "cohort"), pytest.raises(BenchError, match="is in use by process"):
        ingest(tmp_path / "dicom", tmp_path / "cohort", request=Request(), naming=NAMING)
    assert not (tmp_path / "cohort/records").exists()


@pytest.mark.faults
def test_a_disk_that_cannot_be_written_is_the_reason_that_is_given(tmp_path):
    write_patient(tmp_path / "dicom")
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort/images").touch()
    done = ingest(tmp_path / "dicom", tmp_path / "cohort", request=Request(), naming=NAMING)
    assert done.failed["HN-7001"].startswith("Files could not be read or written (Not a directory).")


def test_an_id_that_lost_its_zeros_in_the_table_is_pointed_out_and_not_joined(tmp_path):
    write_patient(tmp_path / "dicom", "007001")
    write_patient(tmp_path / "dicom", "HN-7002")
    (tmp_path / "t.csv").write_text("Patient,Days,Dead\n7001,1,0\nHN-7002,2,1\n")
    table = Clinical(read_table(tmp_path / "t.csv"), "Patient")
    done = ingest(tmp_path / "dicom", tmp_path / "cohort", request=Request(), naming=NAMING, clinical=table)
    assert "no row of the patient, but one of '7001', which differs in leading zeros" in done.failed["007001"]


def test_regions_by_structure_make_a_labelled_mask_and_a_card_that_names_them(tmp_path):
    source, out = tmp_path / "dicom", tmp_path / "cohort"
    for n in (1, 2, 3):
        write_patient(source, f"HN-700{n}", region="GTV nodes" if n == 2 else "GTV")
    patterns, of = by_structure(["gtvp=GTV", "gtvn=GTV nodes"], "--region")
    wish = Wish(patterns, of=of, structures=numbered(of), may_lack=True)
    done = ingest(source, out, request=Request(wish), naming=NAMING, clinical=clinical(tmp_path / "c.xlsx", 3))
    labels = {}
    for n in (1, 2, 3):
        name = pseudonym(f"HN-700{n}", KEY)
        labels[n] = {*np.unique(np.asarray(nib.load(out / "images" / f"{name}_mask.nii.gz").dataobj)).tolist()}
        record = json.loads((out / "records" / f"{name}.json").read_text())["mask"]
        assert [record["structures"][s]["ml"] > 0 for s in ("gtvp", "gtvn")] == [n != 2, n == 2]
    assert labels == {1: {0, 1}, 2: {0, 2}, 3: {0, 1}}
    assert done.notes["HN-7002"] == ("No region of gtvp: taken as absent.",)
    card = out / "cohort.yaml"
    assert '_mask.nii.gz", labels: {gtvp: 1, gtvn: 2}}' in card.read_text()
    card.write_text(card.read_text().replace("TODO", "unknown").replace(", labels: {gtvp: 1, gtvn: 2}", ""))
    again = ingest(source, out, request=Request(wish), naming=NAMING, clinical=clinical(tmp_path / "c.xlsx", 3))
    assert again.todo == ("mask.labels in cohort.yaml: {gtvp: 1, gtvn: 2}",)


def test_structures_are_named_for_every_region_or_for_none():
    assert by_structure(["GTV", "GTV A=B"], "--region") == (("GTV", "GTV A=B"), ())
    with pytest.raises(BenchError, match="--region GTVn has no structure. Give each one, as in gtvn=GTVn, or none"):
        by_structure(["gtvp=GTV", "GTVn"], "--region")
