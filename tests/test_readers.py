"""Cohort folders as users have them, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import AFFINE, CARD, SHAPE, write_cohort, write_image
from survbench.card import parse_card, read_card
from survbench.datasets.draft import draft_card
from survbench.datasets.folder import inspect_cohort, read_cohort
from survbench.datasets.named import cohort_summaries, default_external, load_source
from survbench.datasets.nifti import ImageError, file_fingerprint, nifti_volume, read_header, read_image, read_mask
from survbench.datasets.validate import validate_named
from survbench.errors import BenchError, CohortError, UnknownNameError
from survbench.profile import load_profile

SMOKE = load_profile("smoke")


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy")


def read(folder, **options):
    return read_cohort(read_card(folder / "cohort.yaml"), folder, **options)


def lines(folder):
    return (folder / "clinical.csv").read_text().splitlines()


def write_lines(folder, rows):
    (folder / "clinical.csv").write_text("\n".join(rows) + "\n")


# --- a good folder


def test_a_folder_becomes_a_cohort(folder):
    source = read(folder)
    cohort = source.cohort
    assert cohort.ids == tuple(f"P{n:02d}" for n in range(12))
    assert cohort.channels == ("pet", "ct")
    assert cohort.event.sum() == 6
    assert cohort.time[0] == pytest.approx(60.0)
    subject = cohort.subjects[3]
    assert subject.clinical == {"age": 53.0, "sex": "m"}
    assert subject.volumes["pet"].spacing == (4.0, 4.0, 4.0)
    assert subject.volumes["mask"].voxels().dtype == bool
    assert cohort.restrict({"clinical"}).subjects[0].clinical == {"age": 50.0}


def test_time_is_months_whatever_the_table_counts_in(folder):
    text = CARD.replace("unit: months", "unit: days")
    found = read_cohort(parse_card(text, source="card"), folder).cohort
    assert found.time == pytest.approx(read(folder).cohort.time * 12 / 365.25)


def test_voxels_equal_nibabels_also_with_scaling(tmp_path):
    values = np.arange(8 * 6 * 4, dtype=np.int16).reshape(8, 6, 4)
    affine = np.array([[-2.0, 0.1, 0, 5], [0.1, 3.0, 0, -4], [0, 0, 1.5, 2], [0, 0, 0, 1]])
    for name in ("a.nii", "a.nii.gz"):
        image = nib.Nifti1Image(values, affine)
        image.header.set_slope_inter(0.5, -3)
        nib.save(image, tmp_path / name)
        expected = nib.load(tmp_path / name)
        volume = nifti_volume(tmp_path / name, "CT")
        assert np.allclose(volume.voxels(), expected.get_fdata())
        assert np.allclose(volume.affine, expected.affine)


def test_a_label_picks_its_voxels(tmp_path):
    values = np.zeros((4, 4, 4), dtype=np.uint8)
    values[0], values[1] = 1, 2
    write_image(tmp_path / "m.nii.gz", values)
    assert read_mask(tmp_path / "m.nii.gz").sum() == 32
    assert np.array_equal(read_mask(tmp_path / "m.nii.gz", label=2), values == 2)
    assert file_fingerprint(tmp_path / "m.nii.gz", 1) != file_fingerprint(tmp_path / "m.nii.gz", 2)


# --- damaged files


def test_a_truncated_file_is_refused(folder):
    path = folder / "images" / "P00_pet.nii.gz"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.99)])
    with pytest.raises(ImageError, match="P00_pet.nii.gz cannot be read"):
        read_image(path)


def test_a_truncated_unpacked_file_is_refused_by_its_size(tmp_path):
    write_image(tmp_path / "a.nii", np.ones((8, 8, 8), np.float32))
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii").write_bytes(content[:-1])
    with pytest.raises(ImageError, match="truncated"):
        read_header(tmp_path / "a.nii")


def test_a_flipped_byte_is_noticed(folder):
    path = folder / "images" / "P00_pet.nii.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError, match="P00_pet"):
        read_image(path)


def test_a_header_that_declares_a_huge_image_allocates_nothing(tmp_path):
    write_image(tmp_path / "a.nii.gz", np.ones((8, 8, 8), np.float32))
    raw = bytearray(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()))
    raw[40:56] = struct.pack("<8h", 3, 30000, 30000, 30000, 1, 1, 1, 1)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(ImageError, match="at most"):
        read_header(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no NIfTI"), (b"hello" * 200, "no NIfTI")],
    ids=["empty", "text"],
)
def test_something_else_is_no_image(tmp_path, content, message):
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_header(tmp_path / "a.nii")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_not_finite_are_counted(tmp_path, bad):
    voxels = np.ones((8, 8, 8), np.float32)
    voxels[0, 0, :3] = bad
    write_image(tmp_path / "a.nii.gz", voxels)
    with pytest.raises(ImageError, match="3 voxels"):
        read_image(tmp_path / "a.nii.gz")


def test_a_series_of_images_is_no_image(tmp_path):
    write_image(tmp_path / "a.nii.gz", np.ones((8, 8, 8, 3), np.float32))
    with pytest.raises(ImageError, match="no 3-D image"):
        read_header(tmp_path / "a.nii.gz")
    write_image(tmp_path / "b.nii.gz", np.ones((8, 8, 8, 1), np.float32))
    assert read_header(tmp_path / "b.nii.gz").shape == (8, 8, 8)


# --- problems of a cohort


def test_all_problems_come_in_one_message_and_skip_bad_goes_on(folder, caplog):
    (folder / "images" / "P01_ct.nii.gz").unlink()
    write_image(folder / "images" / "P02_mask.nii.gz", np.ones((8, 8, 8), np.uint8))
    rows = lines(folder)
    rows[4] = "P03,-5,1,53,m"
    rows[5] = "P04,10,2,54,f"
    rows[6] = "P05,10,1,old,m"
    write_lines(folder, rows)
    with pytest.raises(CohortError) as caught:
        read(folder)
    text = str(caught.value)
    for part in (
        "P01: There is no file images/P01_ct.nii.gz. There is: P01_mask.nii.gz, P01_pet.nii.gz",
        "P02: The mask has the grid 8 x 8 x 8",
        "P03: Time is '-5'",
        "P04: Event is '2'",
        "P05: age is 'old', but must be a number",
        "--skip-bad",
    ):
        assert part in text
    kept = read(folder, skip_bad=True).cohort
    assert set(kept.ids) == {f"P{n:02d}" for n in range(12)} - {"P01", "P02", "P03", "P04", "P05"}
    assert caplog.text.count("is left out") == 5


def test_doubled_and_dangerous_ids_are_named(folder):
    rows = lines(folder)
    write_lines(folder, [*rows, rows[1], "../../etc,10,1,50,f", "=cmd,10,1,50,f"])
    text = str(pytest.raises(CohortError, read, folder).value)
    assert "P00: The id stands in 2 rows" in text
    assert "could lead to another folder" in text
    assert "a formula to spreadsheets" in text


def test_a_missing_column_gets_a_suggestion(folder):
    rows = lines(folder)
    write_lines(folder, [rows[0].replace("months", "Month"), *rows[1:]])
    with pytest.raises(CohortError, match=r"no column 'months' \(endpoint.time in the card\). Did you mean 'Month'"):
        read(folder, skip_bad=True)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    outside = tmp_path / "secret.nii.gz"
    path = folder / "images" / "P00_pet.nii.gz"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(CohortError, match="P00: images/P00_pet.nii.gz leads out of the cohort's folder"):
        read(folder)


def test_images_that_do_not_overlap_are_refused(folder):
    far = AFFINE.copy()
    far[0, 3] = 5000
    write_image(folder / "images" / "P00_ct.nii.gz", np.ones(SHAPE, np.int16), far)
    with pytest.raises(CohortError, match="P00: ct and pet do not overlap"):
        read(folder)


def test_unknown_keys_of_a_card_get_a_suggestion():
    with pytest.raises(BenchError, match=r"endpoint.tiem: unknown key. Did you mean 'time'"):
        parse_card(CARD.replace("time: months", "tiem: months"), source="card")
    with pytest.raises(BenchError, match="unknown key. Did you mean 'licence'"):
        parse_card(CARD.replace("licence:", "license:"), source="card")


@pytest.mark.parametrize(
    ("column", "what"), [("months", "the endpoint's time"), ("event", "the endpoint's event"), ("patient", "the id")]
)
def test_the_outcome_is_no_predictor(column, what):
    text = CARD.replace("column: age, kind: numeric", f"column: {column}, kind: numeric")
    with pytest.raises(BenchError, match=f"is {what} and cannot be given to methods"):
        parse_card(text, source="card")


@pytest.mark.parametrize("sides", ["[0, 0, 0]", "[64, 64, -64]", "[.nan, 64, 64]", "[.inf, 64, 64]"])
def test_a_field_of_view_that_is_none_is_refused(sides):
    with pytest.raises(BenchError, match="field_of_view_mm"):
        parse_card(CARD.replace("[64, 64, 64]", sides), source="card")


# --- validate


def test_a_good_cohort_has_no_error(folder):
    assert [p for p in validate_named(str(folder)) if p.severity == "error"] == []


def findings(folder):
    return {(p.subject, p.severity): p.what for p in validate_named(str(folder)) if p.subject}


def test_validate_reads_the_voxels(folder):
    images = folder / "images"
    write_image(images / "P00_mask.nii.gz", np.zeros(SHAPE, np.uint8))
    broken = np.ones(SHAPE, np.float32)
    broken[0] = np.nan
    write_image(images / "P01_pet.nii.gz", broken)
    (images / "P02_pet.nii.gz").write_bytes((images / "P03_pet.nii.gz").read_bytes())
    write_image(images / "P04_ct.nii.gz", np.full(SHAPE, 7, np.int16))
    ct, pet = images / "P05_ct.nii.gz", images / "P05_pet.nii.gz"
    content = ct.read_bytes()
    ct.write_bytes(pet.read_bytes())
    pet.write_bytes(content)
    found = findings(folder)
    assert "mask is empty" in found["P00", "error"]
    assert "256 voxels that are NaN" in found["P01", "error"]
    assert "the same image as P02's" in found["P03", "error"]
    assert "ct is constant (7)" in found["P04", "error"]
    assert "SUV is not negative. Is it a CT?" in found["P05", "error"]
    whole = [p.what for p in validate_named(str(folder)) if p.severity == "warning"]
    assert ["P05" in what for what in whole if "is unlike HU" in what] == [True]


def test_validate_warns_of_what_may_mislead(folder):
    whole = " ".join(p.what for p in validate_named(str(folder)) if p.severity == "warning")
    assert "only 6 events" in whole
    write_image(folder / "images" / "extra_pet.nii.gz", np.ones(SHAPE, np.float32))
    rows = lines(folder)
    write_lines(folder, [rows[0], *(",".join([*r.split(",")[:3], "", r.split(",")[4]]) for r in rows[1:])])
    whole = " ".join(p.what for p in validate_named(str(folder)) if p.severity == "warning")
    assert "1 files belong to no patient of the table: extra_pet.nii.gz" in whole
    assert "Column 'age' is missing in 12 of 12" in whole


def test_a_file_without_orientation_is_named(folder):
    path = folder / "images" / "P03_ct.nii.gz"
    image = nib.load(path)
    image.set_sform(image.affine, code=0)
    image.set_qform(image.affine, code=0)
    nib.save(image, path)
    assert any("state no orientation" in p.what and "P03" in p.what for p in validate_named(str(folder)))


def test_padding_that_follows_the_patient_is_named(folder):
    for n in range(0, 12, 2):
        path = folder / "images" / f"P{n:02d}_pet.nii.gz"
        voxels = nib.load(path).get_fdata().astype(np.float32)
        voxels[10:] = 0
        write_image(path, voxels)
        ct = folder / "images" / f"P{n:02d}_ct.nii.gz"
        voxels = nib.load(ct).get_fdata().astype(np.int16)
        voxels[10:] = -1000
        write_image(ct, voxels)
    assert any("scanned share of the field of view" in p.what for p in validate_named(str(folder)))


# --- a drafted card


def test_a_drafted_card_reads_the_cohort(folder):
    (folder / "cohort.yaml").unlink()
    text = draft_card(folder, folder / "clinical.csv")
    card = parse_card(text, source="draft")
    assert {n: (c.modality, c.file) for n, c in card.images.items()} == {
        "pet": ("PET", "images/{id}_pet.nii.gz"),
        "ct": ("CT", "images/{id}_ct.nii.gz"),
    }
    assert card.mask.file == "images/{id}_mask.nii.gz"
    assert (card.id, card.endpoint.time, card.endpoint.event) == ("patient", "months", "event")
    assert card.field_of_view_mm == (64.0, 64.0, 64.0)
    assert card.model_columns == ()
    assert "GUESS" in text
    (folder / "cohort.yaml").write_text(text)
    assert [p for p in validate_named(str(folder)) if p.severity == "error"] == []


def test_a_draft_finds_days_words_and_folders(tmp_path):
    folder = tmp_path / "My Study (2026)"
    for name in ("a1", "a2", "a3"):
        for kind in ("t1", "seg"):
            write_image(folder / name / f"{kind}.nii.gz", np.ones(SHAPE, np.uint8))
    rows = ["id;os_days;vital_status;age", "a1;100;dead;50", "a2;900;alive;60", "a3;500;dead;70"]
    (folder / "t.csv").write_text("\n".join(rows))
    card = parse_card(draft_card(folder, folder / "t.csv"), source="draft")
    assert card.name == "my-study-2026"
    assert (card.endpoint.unit, card.endpoint.observed, card.endpoint.censored) == ("days", ("dead",), ("alive",))
    assert card.images["t1"].modality == "MR"
    assert card.images["t1"].file == "{id}/t1.nii.gz"
    assert len(inspect_cohort(card, folder).source.cohort) == 3


@pytest.mark.parametrize(
    ("column", "codes", "observed"),
    [
        ("status", "1 2", "2"),  # as R's survival package codes it
        ("event", "0 1", "1"),
        ("censored", "0 1", "0"),
        ("alive", "no yes", "no"),
        ("alive_status", "alive dead", "dead"),
    ],
)
def test_a_draft_says_how_many_events_its_guess_of_the_coding_gives(folder, column, codes, observed):
    (folder / "cohort.yaml").unlink()
    cells = [column, *(codes.split()[n % 3 == 0] for n in range(12))]
    rows = [line.split(",") for line in lines(folder)]
    write_lines(folder, [",".join([*row[:2], cell, *row[3:]]) for row, cell in zip(rows, cells, strict=True)])
    text = draft_card(folder, folder / "clinical.csv")
    endpoint = parse_card(text, source="draft").endpoint
    assert (endpoint.event, endpoint.observed) == (column, (observed,))
    events = cells.count(observed)
    assert f"by which {events} of 12 had the event" in text


def test_a_misspelt_column_is_the_only_finding_about_ids(folder):
    card = folder / "cohort.yaml"
    card.write_text(card.read_text().replace("id: patient", "id: patiant"))
    assert not any("belong to no patient" in p.what for p in validate_named(str(folder)))


def test_a_table_elsewhere_or_without_ids_is_refused(folder, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BenchError, match="lies outside"):
        draft_card(folder, tmp_path / "t.csv")
    (folder / "t.csv").write_text("a,b\nx9,2\ny9,3\n")
    with pytest.raises(BenchError, match="No column of the table names the files"):
        draft_card(folder, folder / "t.csv")


# --- names


def test_names_paths_and_suggestions(folder):
    assert {c["name"] for c in cohort_summaries()} == {
        "phantom", "phantom-external", "hn_petct", "nsclc_pet", "sts51",
    }  # fmt: skip
    assert default_external("phantom") == "phantom-external"
    assert default_external("sts51") is None
    for given in (folder, folder / "cohort.yaml"):
        assert len(load_source(str(given), profile=SMOKE).cohort) == 12
    with pytest.raises(UnknownNameError, match="Did you mean 'phantom'"):
        load_source("fantom", profile=SMOKE)
    with pytest.raises(BenchError, match="Give their folder with --data"):
        load_source("sts51", profile=SMOKE)
    with pytest.raises(BenchError, match="bench cohort init"):
        load_source(str(folder / "images"), profile=SMOKE)
    with pytest.raises(BenchError, match="There is no cohort at"):
        load_source(str(Path("nowhere/at/all")), profile=SMOKE)
