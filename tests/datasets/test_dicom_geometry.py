"""Series in a folder, where their slices lie, and their voxels in HU."""

import numpy as np
import pytest
from dicom_files import AXIAL, OBLIQUE, write_image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1, RLELossless
from survbench.datasets.dicom.geometry import stack_of
from survbench.datasets.dicom.pixels import read_hu, read_suv
from survbench.datasets.dicom.series import find_series, volumes_of
from survbench.datasets.readers.errors import ImageError


def ramp(shape=(5, 4, 6)):
    return np.arange(np.prod(shape)).reshape(shape).astype(np.int16)


def volumes(folder):
    return [volume for one in find_series(folder).series for volume in volumes_of(one)]


def stack(folder):
    (volume,) = volumes(folder)
    return stack_of(volume)


# ---- what lies in a folder


def test_series_are_found_by_their_headers_and_the_rest_is_counted(tmp_path):
    write_image(tmp_path / "x/CT", "PT", ramp(), SeriesInstanceUID="1.9.1", SeriesNumber="2", PatientID="B")
    write_image(tmp_path / "x/PET", "CT", ramp(), SeriesInstanceUID="1.9.2", SeriesNumber="10", PatientID="A")
    write_image(tmp_path / "y", "CT", ramp(), SeriesInstanceUID="1.9.3", SeriesNumber="9", PatientID="A")
    (tmp_path / "x/notes.dcm").write_text("not DICOM")
    (tmp_path / "x/empty").touch()
    (tmp_path / "x/cut.bin").write_bytes((tmp_path / "y/0000.bin").read_bytes()[:170])
    directory = dcmread(tmp_path / "y/0000.bin")
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.save_as(tmp_path / "DICOMDIR")
    found = find_series(tmp_path)
    assert [(s.patient, s.modality, s.name, len(s.instances)) for s in found.series] == [
        ("A", "CT", "9", 6),
        ("A", "CT", "10", 6),
        ("B", "PT", "2", 6),
    ]
    assert [*found.by_patient()] == ["A", "B"]
    assert (found.others, found.directories) == (1, 1)
    assert [path.name for path in found.unreadable] == ["cut.bin", "empty"]


def test_a_file_that_lies_there_twice_counts_once(tmp_path):
    for path in write_image(tmp_path / "a", "CT", ramp()):
        (tmp_path / "b").mkdir(exist_ok=True)
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    (volume,) = volumes(tmp_path)
    assert (len(volume.instances), volume.copies) == (6, 6)


def test_a_scout_is_no_slice_and_another_orientation_or_size_is_another_volume(tmp_path):
    kind = {"SeriesInstanceUID": "1.9"}
    write_image(tmp_path / "a", "CT", ramp(), **kind)
    write_image(tmp_path / "b", "CT", ramp((9, 9, 2)), orientation=(0, 1, 0, 0, 0, -1), **kind, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])  # fmt: skip  # noqa: E501
    assert [len(v.instances) for v in volumes(tmp_path)] == [6]
    write_image(tmp_path / "c", "CT", ramp((9, 9, 3)), **kind)
    write_image(tmp_path / "d", "CT", ramp((5, 4, 2)), orientation=(0, 1, 0, 0, 0, -1), **kind)
    found = volumes(tmp_path)
    assert [(v.name, len(v.instances)) for v in found] == [("1.1", 6), ("1.2", 3), ("1.3", 2)]
    assert [stack_of(v).grid.shape for v in found] == [(5, 4, 6), (9, 9, 3), (5, 4, 2)]


@pytest.mark.parametrize("keyword", ["AcquisitionNumber", "TriggerTime", "FrameReferenceTime", "AcquisitionTime"])
def test_acquisitions_gates_and_times_at_one_place_are_volumes_of_their_own(tmp_path, keyword):
    values = ["10", "9"] if keyword != "AcquisitionTime" else ["100000", "090000"]
    for folder, value in zip("ab", values, strict=True):
        write_image(tmp_path / folder, "CT", ramp(), SeriesInstanceUID="1.9", **{keyword: value})
    first, second = volumes(tmp_path)
    assert [i.path.parent.name for i in stack_of(first).slices] == ["b"] * 6
    assert [i.path.parent.name for i in stack_of(second).slices] == ["a"] * 6


def test_beds_of_one_scan_are_one_volume_whatever_their_acquisition_number(tmp_path):
    def bed(place, header):
        header.AcquisitionNumber = 1 + place // 3

    write_image(tmp_path, "PT", ramp(), each=bed)
    assert len(volumes(tmp_path)) == 1


# ---- where slices lie


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE, (0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0)])
def test_voxels_lie_where_the_positions_say_whatever_the_orientation(tmp_path, orientation):
    voxels, spacing, origin = ramp(), (1.5, 2.5, 3.5), (-10.0, 20.0, -30.0)
    write_image(tmp_path, "CT", voxels, spacing=spacing, origin=origin, orientation=orientation)
    found = stack(tmp_path)
    assert found.grid.shape == voxels.shape
    # PS3.3 C.7.6.2.1.1: column and row of a slice at 1.5 and 2.5 mm along rows and columns; LPS to RAS
    rows, columns = np.reshape(orientation, (2, 3))
    lps = np.array(origin) + 3 * 1.5 * rows + 2 * 2.5 * columns + 4 * 3.5 * np.cross(rows, columns)
    assert found.grid.affine @ [3, 2, 4, 1] == pytest.approx([-lps[0], -lps[1], lps[2], 1], abs=1e-4)
    assert found.grid.indices(lps[None]) == pytest.approx(np.array([[3.0, 2.0, 4.0]]), abs=1e-4)
    assert read_hu(found)[3, 2, 4] == voxels[3, 2, 4]


def test_slices_that_are_missing_are_counted_and_placed(tmp_path):
    write_image(tmp_path, "CT", ramp((5, 4, 12)), each=lambda place, _: place not in {3, 4, 8})
    with pytest.raises(ImageError, match="lacks 3 slices, after slices 3, 6 of 9"):
        stack(tmp_path)


def test_duplicated_slices_are_named(tmp_path):
    write_image(tmp_path / "a", "CT", ramp(), SeriesInstanceUID="1.9")
    write_image(tmp_path / "b", "CT", ramp(), SeriesInstanceUID="1.9", each=lambda place, _: place == 2)
    with pytest.raises(ImageError, match="duplicated slices: slice 3 in the same place"):
        stack(tmp_path)


def test_a_gantry_that_is_tilted_beyond_any_is_refused(tmp_path):
    tilt = np.radians(60)
    write_image(tmp_path, "CT", ramp(), step=(0, 3 * np.sin(tilt), 3 * np.cos(tilt)))
    with pytest.raises(ImageError, match="shift sideways by 60 degrees"):
        stack(tmp_path)


def moved(**shifts):
    """Return a change that moves slices by so many mm along an axis: `x3=1` moves slice 3 along x."""

    def each(place, header):
        for axis, letter in enumerate("xyz"):
            header.ImagePositionPatient[axis] += shifts.get(f"{letter}{place}", 0)

    return each


@pytest.mark.parametrize(
    ("each", "message"),
    [
        (
            moved(z4=7.5, z5=7.5),
            "irregular slices: most are 3 mm apart, but up to 10.5 mm after slice 4; gaps of up to 5.25",
        ),
        (moved(x2=4), "slices up to 4 mm off its axis: slice 3"),
        (lambda _, header: delattr(header, "ImagePositionPatient"), "6 files without position"),
        (lambda place, _: place == 1, "has only one slice"),
        (lambda _, header: setattr(header, "NumberOfFrames", "6"), "several images in one file"),
    ],
)
def test_slices_that_are_no_regular_volume_are_refused(tmp_path, each, message):
    write_image(tmp_path, "CT", ramp(), each=each)
    with pytest.raises(ImageError, match=message):
        stack(tmp_path)


def test_positions_may_be_rounded(tmp_path):
    write_image(tmp_path, "CT", ramp(), each=moved(z1=0.02, z4=-0.03, y2=0.02))
    assert np.linalg.norm(stack(tmp_path).grid.affine[:3, 2]) == pytest.approx(3)


# ---- voxels


def test_slope_and_intercept_are_those_of_each_slice(tmp_path):
    def each(place, header):
        header.RescaleSlope, header.RescaleIntercept = 1 + place, -1000 - place

    voxels = ramp()
    write_image(tmp_path, "CT", voxels, each=each)
    places = np.arange(6)
    assert read_hu(stack(tmp_path)) == pytest.approx(voxels * (1.0 + places) - 1000 - places)
    assert read_suv(stack(tmp_path), [2.0] * 6)[1, 2, 3] == 2 * (voxels[1, 2, 3] * 4 - 1003)


def test_pixels_may_be_unsigned_or_packed(tmp_path):
    voxels = ramp()
    for path in write_image(tmp_path, "CT", voxels, each=lambda _, h: setattr(h, "PixelRepresentation", 0)):
        header = dcmread(path)
        header.compress(RLELossless)
        header.save_as(path)
    assert (read_hu(stack(tmp_path)) == voxels).all()


@pytest.mark.parametrize(
    ("each", "message"),
    [
        (lambda _, header: delattr(header, "RescaleIntercept"), "slope and intercept"),
        (lambda _, header: setattr(header, "PixelData", header.PixelData[:-2]), "truncated: it needs 40 bytes"),
        (lambda _, header: setattr(header, "SamplesPerPixel", 3), "in colour"),
    ],
)
def test_slices_without_usable_pixels_are_refused(tmp_path, each, message):
    write_image(tmp_path, "CT", ramp(), each=each)
    with pytest.raises(ImageError, match=message):
        read_hu(stack(tmp_path))


def test_pixels_that_need_another_library_say_which(tmp_path):
    for path in write_image(tmp_path, "CT", ramp()):
        header = dcmread(path)
        header.PixelData = encapsulate([b"not a picture "])
        header["PixelData"].is_undefined_length = True
        header.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        header.save_as(path)
    with pytest.raises(ImageError, match=r"compressed as JPEG Lossless.*pip install 'survbench\[jpeg\]'"):
        read_hu(stack(tmp_path))


def test_a_header_that_declares_too_much_is_refused_before_anything_is_allocated(tmp_path):
    def each(_, header):
        header.Rows = header.Columns = 65_000

    write_image(tmp_path, "CT", ramp(), each=each)
    with pytest.raises(ImageError, match="65000 x 65000 x 6 voxels, "):
        read_hu(stack(tmp_path))
