"""A patient's series to PET in SUV, CT in HU and a mask: what is chosen among several, and a real PET."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from dicom_files import write_contours, write_image, write_segments
from outside_data import outside
from pydicom import dcmread
from survbench.datasets.dicom.patient import Request, read_patient
from survbench.datasets.dicom.regions import Wish
from survbench.datasets.dicom.series import find_series
from survbench.datasets.readers.errors import ImageError

PET, CT, PLANNING = "1.7.1", "1.7.2", "1.7.3"
SHAPE = (8, 8, 6)


def square(height, side=3.0, left=3.0):
    """Return a square around voxels of the PET (4 x 4 x 4 mm), mm."""
    return np.array([(left + dx, left + dy, height) for dx, dy in ((0, 0), (side, 0), (side, side), (0, side))])


def region(name="GTV", side=10.0):
    return name, [square(4.0 * k, side) for k in (1, 2, 3)]


def write_pet(folder, uid=PET, **values):
    voxels = np.full(SHAPE, 1000, dtype=np.int16)
    return write_image(
        folder / f"pet{uid}", "PT", voxels, spacing=(4, 4, 4), SeriesInstanceUID=uid, slope=2.0, **values
    )


def write_ct(folder, uid=CT, shape=(16, 16, 6), **values):
    voxels = np.full(shape, 1064, dtype=np.int16)
    return write_image(
        folder / f"ct{uid}", "CT", voxels, spacing=(2, 2, 4), intercept=-1024, SeriesInstanceUID=uid, **values
    )


def write_set(folder, *regions, uid="1.8.1", drawn_on=PET, **values):
    return write_contours(
        folder / f"{uid}.bin", regions or [region()], drawn_on=drawn_on, SeriesInstanceUID=uid, **values
    )


def read(folder, *patterns, **request):
    return read_patient(find_series(folder).series, Request(Wish(patterns), **request))


def test_a_patient_is_pet_in_suv_ct_in_hu_and_a_mask_with_what_they_were_made_of(tmp_path):
    write_pet(tmp_path)
    write_ct(tmp_path)
    write_set(tmp_path)
    found = read(tmp_path)
    factor = 75_000 / (300e6 * 0.5 ** (3600 / 6586.2))
    assert found.pet.voxels == pytest.approx(np.full(SHAPE, 2000 * factor))
    assert found.suv.factors == pytest.approx((factor,) * 6)
    assert (found.ct.voxels == 40).all()
    assert (found.mask_on, found.regions, found.mask.voxels.sum()) == ("pet", ("GTV",), 27)
    assert [c.reason for c in (found.pet.choice, found.ct.choice, found.structures)] == ["the only one"] * 3
    assert found.notes == ()


def test_a_patient_may_have_no_ct(tmp_path):
    write_pet(tmp_path)
    write_set(tmp_path)
    assert read(tmp_path).ct is None


def test_of_two_pets_the_one_corrected_for_attenuation_is_taken_unless_the_user_names_the_other(tmp_path):
    write_pet(tmp_path, SeriesNumber="3", SeriesDescription="WB NAC", CorrectedImage=["DECY"])
    write_pet(tmp_path, "1.7.9", SeriesNumber="4", SeriesDescription="WB AC")
    write_set(tmp_path)
    found = read(tmp_path).pet.choice
    assert (found.series.uid, found.reason) == ("1.7.9", "corrected for attenuation")
    assert found.others == ("PT series 3 'WB NAC' (6 files)",)
    for name in ("3", "wb nac", PET):
        with pytest.raises(ImageError, match="not corrected for attenuation"):
            read(tmp_path, pet=name)
    with pytest.raises(ImageError, match="No PET is named '7'. Candidates: PT series 3 'WB NAC'"):
        read(tmp_path, pet="7")


def test_a_pet_that_may_be_corrected_comes_before_one_that_is_not(tmp_path):
    write_pet(tmp_path, CorrectedImage=["DECY"])
    write_pet(tmp_path, "1.7.9", CorrectedImage=None)
    write_set(tmp_path)
    found = read(tmp_path).pet.choice
    assert (found.series.uid, found.reason) == ("1.7.9", "not marked as uncorrected")


def test_pets_that_no_rule_tells_apart_are_listed(tmp_path):
    write_pet(tmp_path, SeriesNumber="3")
    write_pet(tmp_path, "1.7.9", SeriesNumber="4")
    write_set(tmp_path, drawn_on=None)
    with pytest.raises(
        ImageError, match=r"2 candidates for the PET, and no rule prefers one: PT series 3 \(6 files\); PT series 4"
    ):
        read(tmp_path)
    found = read(tmp_path, pet="4").pet.choice
    assert (found.series.uid, found.reason) == ("1.7.9", "named by the user")


def test_the_pets_own_ct_is_taken_before_the_planning_ct(tmp_path):
    write_pet(tmp_path)
    write_ct(tmp_path, SeriesNumber="2")
    write_ct(tmp_path, PLANNING, SeriesNumber="5", FrameOfReferenceUID="1.2.99", StudyInstanceUID="1.2.98")
    write_set(tmp_path)
    found = read(tmp_path).ct.choice
    assert (found.series.uid, found.reason) == (CT, "in the PET's frame of reference")
    assert len(found.others) == 1
    assert read(tmp_path, ct="5").ct.choice.series.uid == PLANNING


def test_of_two_cts_in_the_pets_frame_the_one_that_was_drawn_on_is_taken(tmp_path):
    write_pet(tmp_path)
    write_ct(tmp_path)
    write_ct(tmp_path, PLANNING, shape=(16, 16, 5), StudyInstanceUID="1.2.98")
    write_set(tmp_path, drawn_on=PLANNING)
    found = read(tmp_path)
    assert (found.ct.choice.series.uid, found.ct.choice.reason) == (PLANNING, "the region was drawn on it")
    assert (found.mask_on, found.mask.voxels.shape) == ("ct", (16, 16, 5))


def test_contours_of_a_ct_that_is_not_taken_come_onto_an_image_of_their_frame_or_are_refused(tmp_path):
    write_pet(tmp_path)
    write_set(tmp_path, drawn_on=PLANNING)
    assert read(tmp_path).mask.voxels.sum() == 27
    write_set(tmp_path, drawn_on=PLANNING, frame="1.2.99")
    with pytest.raises(ImageError, match="not drawn on any of the images, and is in another frame"):
        read(tmp_path)


def test_derived_structure_sets_on_pet_and_ct_are_told_apart_by_the_image_that_is_preferred(tmp_path):
    write_pet(tmp_path)
    write_ct(tmp_path)
    write_set(tmp_path, uid="1.8.1", drawn_on=CT, SeriesDescription="RTstruct_CTsim->CT(PET-CT)")
    write_set(tmp_path, uid="1.8.2", drawn_on=PET, SeriesDescription="RTstruct_CTsim->PET(PET-CT)")
    on_pet, on_ct = read(tmp_path), read(tmp_path, mask_on="ct")
    assert (on_pet.mask_on, on_pet.structures.reason) == ("pet", "drawn on the chosen PT")
    assert (on_ct.mask_on, on_ct.structures.reason) == ("ct", "drawn on the chosen CT")
    assert on_ct.mask.voxels.shape == (16, 16, 6)


def test_a_structure_set_without_the_region_is_passed_over_and_without_a_name_all_regions_count(tmp_path):
    write_pet(tmp_path)
    write_set(tmp_path, region("Heart"), uid="1.8.1", SeriesNumber="1")
    write_set(tmp_path, region("GTV", side=5), uid="1.8.2", SeriesNumber="2")
    found = read(tmp_path, "GTV")
    assert (found.structures.series.uid, found.mask.voxels.sum()) == ("1.8.2", 3)
    with pytest.raises(ImageError, match="2 regions, and none was chosen: Heart, GTV"):
        read(tmp_path)
    with pytest.raises(ImageError, match="RTSTRUCT series 1 .*'xyz'; there are Heart.*RTSTRUCT series 2 .*GTV"):
        read(tmp_path, "xyz")


def test_a_segmentation_is_a_structure_set_too(tmp_path):
    headers = [dcmread(path) for path in reversed(write_pet(tmp_path))]
    marks = np.zeros(SHAPE, dtype=bool)
    marks[2:5, 1:3, 2:4] = True
    write_segments(tmp_path / "seg.bin", [("Lesion", marks), ("Liver", ~marks)], headers, drawn_on=PET)
    found = read(tmp_path, "Lesion")
    assert (found.mask.voxels == marks).all()
    assert found.structures.reason == "the only one"


def test_of_several_volumes_in_a_series_the_one_with_most_slices_is_taken(tmp_path):
    write_pet(tmp_path)
    write_ct(tmp_path)
    write_image(tmp_path / "more", "CT", np.zeros((9, 9, 2), np.int16), SeriesInstanceUID=CT)
    write_set(tmp_path)
    found = read(tmp_path).ct
    assert (found.choice.series.name, found.choice.reason) == ("1.1", "most slices")
    with pytest.raises(ImageError, match="No CT is named '1.3'"):
        read(tmp_path, ct="1.3")
    assert read(tmp_path, ct="1.2").ct.voxels.shape == (9, 9, 2)


@pytest.mark.parametrize(("without", "message"), [("pet", "There is no PET"), ("set", "neither an RTSTRUCT nor a SEG")])
def test_what_a_patient_lacks_is_named(tmp_path, without, message):
    write_ct(tmp_path)
    if without != "pet":
        write_pet(tmp_path)
    if without != "set":
        write_set(tmp_path, drawn_on=CT)
    with pytest.raises(ImageError, match=message):
        read(tmp_path)


# ---- a real PET of TCIA with its contours, and its SUV as others computed it


@pytest.fixture(scope="module")
def sarcoma():
    folder = outside("dicom_pet")
    return folder, find_series(folder), json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def cropped(voxels, reference, expected):
    corner = expected["crop_origin_xyz_index"]
    return voxels[tuple(slice(low, low + n) for low, n in zip(corner, reference.shape, strict=True))]


def test_suv_and_mask_of_a_real_pet_equal_the_reference(sarcoma):
    folder, found, expected = sarcoma
    patient = read_patient(found.series, Request(Wish(("GTV_Mass",))))
    assert patient.suv.factors == pytest.approx([expected["expected_suvbw_factor"]] * 59, rel=1e-9)
    assert (patient.suv.units, patient.suv.delay_s[0]) == ("BQML", expected["delay_s"])
    assert patient.notes == ("The PET has 59 of the 267 slices that its header declares.",)

    reference = nib.load(folder / "reference_suv_crop.nii.gz")
    suv, other = cropped(patient.pet.voxels, reference, expected), reference.get_fdata()
    ratio = suv[other > 0.5] / other[other > 0.5]
    assert np.median(ratio) == pytest.approx(1, abs=1e-5)
    assert np.abs(ratio - 1).max() < 2e-3
    steps = [float(dcmread(p.path, stop_before_pixels=True).RescaleSlope) for p in patient.pet.choice.series.instances]
    assert np.abs(suv - other).max() < 1.01 * max(steps) * expected["expected_suvbw_factor"]  # one stored step

    reference = nib.load(folder / "reference_mask_crop.nii.gz")
    mask, other = patient.mask.voxels, reference.get_fdata() > 0
    inner = cropped(mask, reference, expected)
    assert 2 * (inner & other).sum() / (mask.sum() + other.sum()) >= 0.99
    corner = patient.pet.grid.affine @ [*expected["crop_origin_xyz_index"], 1]
    assert corner == pytest.approx(reference.affine[:, 3], abs=1e-3)


def test_of_its_two_regions_none_is_taken_unasked_and_the_other_one_is_another_mask(sarcoma):
    _, found, _ = sarcoma
    for wish in (Wish(), Wish(("GTV*",))):
        with pytest.raises(ImageError, match="GTV_Mass, GTV_Edema"):
            read_patient(found.series, Request(wish))
    both = read_patient(found.series, Request(Wish(("GTV*",), unite=True)))
    mass = read_patient(found.series, Request(Wish(("gtv_mass",))))
    assert both.regions == ("GTV_Mass", "GTV_Edema")
    assert both.mask.voxels.sum() > mass.mask.voxels.sum() > 0


# ---- several structures

NODES = Wish(("GTVp", "GTVn*"), of=("gtvp", "gtvn"), structures=(("gtvp", 1), ("gtvn", 2)), may_lack=True)


def numbers(found):
    """Return the number of voxels with each number."""
    return {int(label): int(count) for label, count in zip(*np.unique(found.labels, return_counts=True), strict=True)}


def test_regions_become_the_structures_that_they_are_named_for_and_nodes_win_over_the_primary(tmp_path):
    write_pet(tmp_path)
    write_set(tmp_path, region("GTVp", 16.0), region("GTVn L", 8.0), region("heart", 30.0))
    wish = Request(replace(NODES, unite=True))
    found = read_patient(find_series(tmp_path).series, wish)
    # squares of 4 x 4 and 2 x 2 voxels from one corner, on three slices
    assert numbers(found) == {0: 8 * 8 * 6 - 48, 1: 48 - 12, 2: 12}
    assert np.array_equal(found.mask.voxels, found.labels > 0)
    assert found.regions == ("GTVp", "GTVn L")
    assert "12 voxels of gtvn also in another structure." in found.notes


def test_a_patient_may_lack_nodes_but_not_all_structures_and_the_fuller_set_is_taken(tmp_path):
    write_pet(tmp_path)
    write_set(tmp_path, region("GTVp", 16.0))
    found = read_patient(find_series(tmp_path).series, Request(NODES))
    assert numbers(found).keys() == {0, 1}
    assert "No region of gtvn: taken as absent." in found.notes
    with pytest.raises(ImageError, match="No region is named 'CTVp'"):
        read_patient(find_series(tmp_path).series, Request(replace(NODES, patterns=("CTVp", "CTVn"))))
    write_set(tmp_path, region("GTVp", 16.0), region("GTVn", 8.0), uid="1.8.2", drawn_on="1.9.9")
    fuller = read_patient(find_series(tmp_path).series, Request(NODES))
    assert numbers(fuller).keys() == {0, 1, 2}


def test_a_structure_named_in_a_table_must_be_there(tmp_path):
    write_pet(tmp_path)
    write_set(tmp_path, region("GTVp", 16.0))
    with pytest.raises(ImageError, match="No region is named 'GTVn"):
        read_patient(find_series(tmp_path).series, Request(replace(NODES, may_lack=False)))
