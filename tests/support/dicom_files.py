"""Small DICOM studies, written with pydicom alone: CT, PET, RTSTRUCT and SEG of a made-up patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
}
STUDY, FRAME = "1.2.3.1", "1.2.3.2"
AXIAL = (1, 0, 0, 0, 1, 0)
OBLIQUE = (0.8, 0.6, 0.0, -0.48, 0.64, 0.6)
"""Rows and columns at right angles, parallel to no axis."""
FDG = {
    "RadiopharmaceuticalStartTime": "100000",
    "RadionuclideTotalDose": 300e6,
    "RadionuclideHalfLife": 6586.2,
}
PET = {
    "Units": "BQML",
    "DecayCorrection": "START",
    "CorrectedImage": ["DECY", "ATTN"],
    "PatientWeight": 75,
    "SeriesDate": "20200102",
    "SeriesTime": "110000",
    "AcquisitionDate": "20200102",
    "AcquisitionTime": "110000",
}


def pet_header(injection=None, **values):
    """Return a PET's header of a patient of 75 kg who got 300 MBq of F-18 an hour before; None removes a value."""
    header = Dataset()
    for keyword, value in {**PET, **values}.items():
        if value is not None:
            setattr(header, keyword, value)
    item = Dataset()
    for keyword, value in {**FDG, **(injection or {})}.items():
        if value is not None:
            setattr(item, keyword, value)
    header.RadiopharmaceuticalInformationSequence = Sequence([item])
    return header


def save(path, modality, header):
    """Write a file of a patient; what the header lacks of its identity is filled in."""
    header.SOPClassUID = CLASSES[modality]
    header.Modality = modality
    for keyword, value in {
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": f"1.2.4.{len(modality)}.{sum(map(ord, modality))}",
        "FrameOfReferenceUID": FRAME,
        "PatientID": "P1",
        "SeriesNumber": "1",
    }.items():
        if keyword not in header:
            setattr(header, keyword, value)
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def write_image(
    folder,
    modality,
    voxels,
    *,
    spacing=(2.0, 2.0, 3.0),
    origin=(0.0, 0.0, 0.0),
    orientation=AXIAL,
    step=None,
    slope=1.0,
    intercept=0.0,
    each=None,
    injection=None,
    **values,
):
    """Write a series, a file per slice, in reverse order.

    Args:
        folder: gets the files.
        modality: CT or PT; a PET gets the values of `pet_header`.
        voxels: whole numbers, shape (columns, rows, slices).
        spacing: mm between columns, rows, slices.
        origin: of the first voxel, LPS.
        orientation: of rows and columns.
        step: from slice to slice; by default along the normal.
        slope, intercept: of all slices.
        each: called with the place and the header of a slice before it is written; may return False to leave it out.
        injection: values of the injection.
        values: of all headers.
    """
    rows, columns = np.reshape(orientation, (2, 3)).astype(float)
    step = np.cross(rows, columns) * spacing[2] if step is None else np.asarray(step)
    paths = []
    for place in reversed(range(voxels.shape[2])):
        header = pet_header(injection, **values) if modality == "PT" else Dataset()
        for keyword, value in values.items():
            if value is not None:
                setattr(header, keyword, value)
        header.ImagePositionPatient = [float(f"{v:.6f}") for v in np.asarray(origin) + place * step]
        header.ImageOrientationPatient = [float(f"{v:.8f}") for v in (*rows, *columns)]
        header.PixelSpacing = [spacing[1], spacing[0]]
        header.SliceThickness = 99
        header.Rows, header.Columns = voxels.shape[1], voxels.shape[0]
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated = header.BitsStored = 16
        header.HighBit, header.PixelRepresentation = 15, 1
        header.RescaleSlope, header.RescaleIntercept = slope, intercept
        header.PixelData = voxels[:, :, place].T.astype("<i2").tobytes()
        if each is not None and each(place, header) is False:
            continue
        paths.append(save(Path(folder) / f"{place:04d}.bin", modality, header))
    return paths


def write_contours(path, regions, *, drawn_on=None, frame=FRAME, **values):
    """Write an RTSTRUCT.

    Args:
        path: of the file.
        regions: pairs of a name and its contours, each of shape (n, 3), mm, LPS; or (kind, points).
        drawn_on: UID of the series that it refers to.
        frame: of reference.
        values: of the header.
    """
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    declared, drawn = [], []
    for number, (name, contours) in enumerate(regions, start=1):
        one = Dataset()
        one.ROINumber, one.ROIName, one.ReferencedFrameOfReferenceUID = number, name, frame
        declared.append(one)
        shapes = []
        for contour in contours:
            kind, points = contour if isinstance(contour, tuple) else ("CLOSED_PLANAR", contour)
            shape = Dataset()
            shape.ContourGeometricType = kind
            shape.NumberOfContourPoints = len(points)
            shape.ContourData = [float(f"{v:.5f}") for v in np.ravel(points)]
            shapes.append(shape)
        region = Dataset()
        region.ReferencedROINumber, region.ContourSequence = number, Sequence(shapes)
        drawn.append(region)
    header.StructureSetROISequence, header.ROIContourSequence = Sequence(declared), Sequence(drawn)
    header.FrameOfReferenceUID = frame
    if drawn_on is not None:
        series, study, reference = Dataset(), Dataset(), Dataset()
        series.SeriesInstanceUID = drawn_on
        study.RTReferencedSeriesSequence = Sequence([series])
        reference.FrameOfReferenceUID, reference.RTReferencedStudySequence = frame, Sequence([study])
        header.ReferencedFrameOfReferenceSequence = Sequence([reference])
    return save(path, "RTSTRUCT", header)


def write_segments(path, segments, image, *, kind="BINARY", highest=255, drawn_on=None, **values):
    """Write a SEG whose frames lie where the slices of an image do.

    Args:
        path: of the file.
        segments: pairs of a label and marks, shape (columns, rows, slices); slices without a mark are left out.
        image: header files of the image's slices, by place.
        kind: BINARY, or FRACTIONAL with numbers up to ``highest``.
        highest: MaximumFractionalValue.
        drawn_on: UID of the series that it refers to.
        values: of the header.
    """
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    declared, groups, frames = [], [], []
    for number, (label, marks) in enumerate(segments, start=1):
        one = Dataset()
        one.SegmentNumber, one.SegmentLabel = number, label
        declared.append(one)
        for place in np.flatnonzero(marks.any(axis=(0, 1))):
            position, identity = Dataset(), Dataset()
            position.ImagePositionPatient = image[place].ImagePositionPatient
            identity.ReferencedSegmentNumber = number
            group = Dataset()
            group.PlanePositionSequence = Sequence([position])
            group.SegmentIdentificationSequence = Sequence([identity])
            groups.append(group)
            frames.append(marks[:, :, place].T)
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = image[0].ImageOrientationPatient
    measures.PixelSpacing = image[0].PixelSpacing
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([orientation]), Sequence([measures])
    header.SegmentSequence, header.SegmentationType = Sequence(declared), kind
    header.SharedFunctionalGroupsSequence = Sequence([shared])
    header.PerFrameFunctionalGroupsSequence = Sequence(groups)
    pixels = np.stack(frames)
    header.NumberOfFrames, header.Rows, header.Columns = pixels.shape
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
    if kind == "BINARY":
        header.BitsAllocated = header.BitsStored = 1
        header.HighBit = 0
        header.PixelData = pack_bits(pixels.astype(np.uint8).ravel())
    else:
        header.BitsAllocated = header.BitsStored = 8
        header.HighBit = 7
        header.MaximumFractionalValue = highest
        header.SegmentationFractionalType = "OCCUPANCY"
        header.PixelData = pixels.astype(np.uint8).tobytes()
    if drawn_on is not None:
        series = Dataset()
        series.SeriesInstanceUID = drawn_on
        header.ReferencedSeriesSequence = Sequence([series])
    return save(path, "SEG", header)


def write_patient(folder, name="HN-7001", *, tumour=30_000, region="GTV", orientation=OBLIQUE, **values):
    """Write PET, CT (40 to 89 HU) and RTSTRUCT of one patient, with planted names in every kind of place."""
    number = name[-4:]
    person = {
        "PatientID": name,
        "PatientName": "Quillfeather^Ada",
        "PatientBirthDate": "19510709",
        "InstitutionName": "Ward 9 of St. Elsewhere",
        "SeriesDescription": "Quillfeather PET",
        "StudyInstanceUID": f"1.6.{number}",
        "FrameOfReferenceUID": f"1.5.{number}",
    }
    shape = (12, 10, 8)
    places = np.arange(np.prod(shape)).reshape(shape)
    pet = (2000 + places * int(number) % 200).astype(np.int16)
    pet[4:8, 3:6, 2:5] = tumour
    place = {"spacing": (4, 4, 5), "orientation": orientation, "origin": (-20, 30, 40)}
    where = folder / f"Quillfeather {number}"

    def private(_, header):
        header.add_new((0x0011, 0x10), "LO", "Somebody")
        header.add_new((0x0011, 0x1001), "LO", "Quillfeather")

    write_image(where / "pet", "PT", pet, **place, SeriesInstanceUID=f"1.7.{number}", each=private, **person, **values)
    ct = (1064 + places * int(number) % 50).astype(np.int16)
    write_image(where / "ct", "CT", ct, **place, SeriesInstanceUID=f"1.4.{number}", intercept=-1024, **person)
    rows, columns = np.reshape(orientation, (2, 3))
    normal = np.cross(rows, columns)
    outlines = [
        np.array([-20, 30, 40])
        + 5 * k * normal
        + np.array([[c * 4 * rows + r * 4 * columns] for c, r in ((3.5, 2.5), (7.5, 2.5), (7.5, 5.5), (3.5, 5.5))])[
            :, 0
        ]
        for k in (2, 3, 4)
    ]
    drawn = {"drawn_on": f"1.7.{number}", "frame": f"1.5.{number}", "SeriesInstanceUID": f"1.3.{number}"}
    write_contours(where / "rs", [(region, outlines)], **drawn, **{k: person[k] for k in ("PatientID", "PatientName", "StudyInstanceUID")})  # fmt: skip  # noqa: E501
    return where
