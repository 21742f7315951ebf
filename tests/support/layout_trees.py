"""Writes small copies of public collections: trees, names of files, columns and regions, codes; made-up patients."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import openpyxl
from dicom_files import write_contours, write_image

SHAPE, CT_SHAPE = (16, 16, 16), (20, 20, 20)
AFFINE, CT_AFFINE = np.diag([5.0, 5.0, 5.0, 1.0]), np.diag([4.0, 4.0, 4.0, 1.0])


def days(n):
    """Return a time in no order of anything else."""
    return 400 + 31 * (7 * n % 25)


def phantom(n, shape, spacing):
    """Return PET, CT and mask (1 and, beside it, 2) of a patient, of whom no two are alike."""
    rng = np.random.default_rng(n)
    grid = np.stack(np.meshgrid(*[np.arange(side) * spacing for side in shape], indexing="ij"), axis=-1)
    away = np.linalg.norm(grid - 38 - rng.uniform(-1, 1, 3), axis=-1)
    ball, body = away <= 10 + n % 5, np.linalg.norm(grid - 38, axis=-1) < 34
    node = (np.linalg.norm(grid - (58, 38, 38), axis=-1) <= 7) & ~ball
    pet = (0.5 + 6.0 * (ball | node) + 0.2 * rng.random(shape)).astype(np.float32)
    ct = (-1000.0 + 1140.0 * body + rng.normal(0, 10, shape)).astype(np.int16)
    return pet, ct, (ball + 2 * node).astype(np.uint8)


def save(path, voxels, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def write_nifti(n, pet, ct, mask):
    """Write a patient: PET on a grid of its own, CT and mask on another."""
    save(pet, phantom(n, SHAPE, 5.0)[0], AFFINE)
    _, voxels, marked = phantom(n, CT_SHAPE, 4.0)
    save(ct, voxels, CT_AFFINE)
    save(mask, marked, CT_AFFINE)


def write_csv(path, rows, *, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream).writerows(rows)


def write_book(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def hecktor2021(folder: Path, patients: int = 8) -> Path:
    """One flat folder, ids of seven characters, tables above it of which one calls the id otherwise."""
    tree = folder / "hecktor2021_train"
    info = [["PatientID_hecktor", "CenterID", "Gender (1=M,0=F)", "Age", "Tobacco", "Alcohol", "Performance status", "TNM edition", "TNM group", "T-stage", "N-stage", "M-stage", "HPV status (0=-, 1=+)", "Chemotherapy", "Estimated weight (kg) for SUV"]]  # fmt: skip  # noqa: E501
    endpoint = [["PatientID", "Progression", "Progression free survival"]]
    for n in range(patients):
        name = f"CHGJ{n + 1:03d}"
        nii = tree / "hecktor_nii"
        write_nifti(n, *(nii / f"{name}_{kind}.nii.gz" for kind in ("pt", "ct", "gtvt")))
        info.append([name, 1 + n % 2, n % 2, 50 + 3 * n % 7, "", "", "", 7, "IV", ["T1", "T4a", "Tx"][n % 3], "N2b", "M0", "", 1, 80])  # fmt: skip  # noqa: E501
        endpoint.append([name, n % 2, days(n)])
    write_csv(tree / "hecktor2021_patient_info_training.csv", info)
    write_csv(tree / "hecktor2021_patient_endpoint_training.csv", endpoint)
    write_csv(tree / "hecktor2021_bbox_training.csv", [["PatientID", "x1", "x2"], ["CHGJ001", 0, 1]])
    return tree


def hecktor2022(folder: Path, patients: int = 8) -> Path:
    """The re-issue's tree, double underscores, a label with an underscore for the hyphen, blank cells; the last patient
    has no endpoint, the one before no relapse and no time.
    """
    tree = folder / "hecktor2022_training_corrected_v3" / "hecktor2022_training" / "hecktor2022"
    info = [["PatientID", "Task 1", "Task 2", "CenterID", "Gender", "Age", "Weight", "Tobacco", "Alcohol", "Performance status", "HPV status (0=-, 1=+)", "Surgery", "Chemotherapy"]]  # fmt: skip  # noqa: E501
    endpoint = [["PatientID", "Relapse", "RFS"]]
    for n in range(patients):
        name = f"CHUM-{n + 1:03d}" if n < patients // 2 else f"MDA-{n + 1:03d}"
        label = name.replace("-", "_") if n == 0 else name
        write_nifti(n, tree / f"imagesTr/{name}__PT.nii.gz", tree / f"imagesTr/{name}__CT.nii.gz", tree / f"labelsTr/{label}.nii.gz")  # fmt: skip  # noqa: E501
        info.append([name, 1, int(n < patients - 1), 1 + 4 * (n >= patients // 2), "MF"[n % 3 % 2], 50 + 3 * n % 7, "" if n % 3 else 70 + 3 * n % 11, "", "", "", n % 2, "", 1])  # fmt: skip  # noqa: E501
        if n < patients - 1:
            endpoint.append([name, *(["", ""] if n == patients - 2 else [n % 2, days(n)])])
    write_csv(tree / "hecktor2022_clinical_info_training.csv", info)
    write_csv(tree / "hecktor2022_patient_endpoint_training.csv", endpoint)
    return tree


def hecktor2025(folder: Path, patients: int = 8) -> Path:
    """A folder per patient with the label beside the images, planning files, a table with a byte order mark and
    no-break spaces; the first patient has no label.
    """
    tree = folder / "Task 2"
    rows = [["PatientID", "CenterID", "Age", "Gender", "Tobacco\u00a0Consumption", "Alcohol Consumption", "Performance Status", "Treatment", "M-stage", "Relapse", "RFS", "HPV\u00a0Status"]]  # fmt: skip  # noqa: E501
    for n in range(patients):
        name = f"USZ-{n + 1:03d}"
        own = tree / name
        write_nifti(n, own / f"{name}__PT.nii.gz", own / f"{name}__CT.nii.gz", own / f"{name}.nii.gz")
        save(own / f"{name}__CTPlanning.nii.gz", np.zeros((2, 2, 2), np.int16), AFFINE)
        rows.append([name, 6, 50 + 3 * n % 7, n % 2, "", "NaN", "null", n % 2, "M0", n % 2, days(n), ["0", "1", "N/A"][n % 3]])  # fmt: skip  # noqa: E501
    (tree / "USZ-001" / "USZ-001.nii.gz").unlink()
    write_csv(tree / "HECKTOR_2025_Training_Task_2.csv", rows, encoding="utf-8-sig")
    return tree


STS_HEAD = ("Patient ID", "Age", "Sex", "Histological type", "MSKCC type", "Site of primary STS", "Grade", "Time – diagnosis to MRI scan (days)", "Treatment", "Outcome (recurrence, mets) ", "Time – diagnosis to outcome (days)", "Status (NED, AWD, D)", "Time – diagnosis to last follow-up (days)")  # fmt: skip  # noqa: E501
"""As the workbook spells them: en dashes, and a space at an end."""


def sts51(folder: Path, patients: int = 8) -> Path:
    """The tree of the IBSI, and the workbook of TCIA with notes below the patients."""
    rows = [STS_HEAD]
    for n in range(patients):
        name = f"STS_{n + 1:03d}"
        own = folder / "ibsi_validation" / "nifti" / name
        write_nifti(n, *(own / f"{kind}.nii.gz" for kind in ("PET_image", "CT_image", "CT_mask")))
        save(own / "MR_T1_image.nii.gz", np.zeros((2, 2, 2), np.float32), AFFINE)
        died, recurred = n % 4 == 1, n % 4 == 3
        rows.append([name, 40 + 3 * n % 7, ["Male", "Female"][n % 2], "liposarcoma", "Liposarcoma", "left thigh", "High", 10, "Radiotherapy + Surgery", "mets" if recurred else None, 200 + n if recurred else None, "D" if died else "AWD" if recurred else "NED", days(n)])  # fmt: skip  # noqa: E501
    rows += [["NED: no evidence of disease"], ["AWD: alive with disease"]]
    write_book(folder / "ibsi_validation" / "INFOclinical_STS.xlsx", {"Sheet1": rows})
    return folder / "ibsi_validation"


HN_TIMES = ("diagnosis", "PET", "CT sim", "start treatment", "end treatment")
HN_CENTRES = ("HGJ", "CHUS", "HMR", "CHUM")


def head_neck(folder: Path, *, images: bool = True) -> Path:
    """The manifest's tree, the table of contours with names per patient, and the clinical workbook, whose sheets spell
    a column in two ways and have notes below, and a sheet of who was excluded.
    """
    tree = folder / "manifest-1234" / "Head-Neck-PET-CT"
    clinical: dict[str, list[object]] = {}
    contours: dict[str, list[object]] = {}
    stages = (("T3", "N2", "Stage III"), ("T3", "N2", "stade IV"), ("T1", "N3b", "Stage IVB"), ("T2", "N1", "StageII"))
    for at, centre in enumerate(HN_CENTRES):
        last = "last follow-up(days)" if centre == "HMR" else "last follow-up (days)"
        head = ["Patient #", "Sex", "Age", "Primary Site", "T-stage", "N-stage", "M-stage", "TNM group stage", "HPV status", *(f"Time – diagnosis to {what} (days)" for what in HN_TIMES), "Therapy", "Surgery", f"Time – diagnosis to {last}", "Locoregional", "Distant", "Death", *(f"Time – diagnosis to {what} (days)" for what in ("LR", "DM", "Death"))]  # fmt: skip  # noqa: E501
        rows, drawn = [head], [["Patient", "Name GTV Primary", "Name GTV Lymph Nodes"]]
        for n in (1, 2):
            name, number = f"HN-{centre}-{n:03d}", 2 * at + n
            t, group, stage = stages[at]
            local, distant, dead = int(n == 1), int(at == 1), int(at == 2)
            end = 1000 + 31 * number
            rows.append([name, "m" if number == 3 else "M", 50 + number, "Nasopharynx" if n == 1 else "Oropharynx", t, group, "M0", stage, "+" if n == 1 else "N/A", 0, 9, 20, 30, 80, "chemo radiation", "NO", end, local, distant, dead, 300 + number if local else None, 200 + number if distant else None, end if dead else None])  # fmt: skip  # noqa: E501
            primary, nodes = REGIONS[centre][n - 1]
            drawn.append([name, primary, nodes])
            if images:
                _head_neck_patient(tree / name, name, number, primary, nodes)
        clinical[centre] = [*rows, ["Notes: times are from diagnosis"], [None], ["(1) see the paper"]]
        contours[centre] = drawn
    clinical["Excluded"] = [["Patient #", "Reason"], ["HN-HGJ-068", "no PET"]]
    write_book(folder / "manifest-1234" / "INFOclinical_HN_Version2_30may2018.xlsx", clinical)
    write_book(folder / "manifest-1234" / "INFO_GTVcontours_HN.xlsx", contours)
    return folder / "manifest-1234"


REGIONS = {
    "HGJ": (("GTV_67.5gy", None), ("GTV BOT", "GTV")),  # the first is drawn as GTV_67.5Gy
    "CHUS": (("GTV,GTV1,GTV2", "GTVgg RP"), ("GTV  66 Gy", "IG2,IIG2,G3")),
    "HMR": (("GTV primaire", "GTV"), ("GTV primaire", "GTV ggs")),
    "CHUM": (("GTV et GG", None), ("GTV n", "GTV gg")),
}
"""Names of the primary tumour and of the nodes, two patients of each centre."""


def _head_neck_patient(where, name, number, primary, nodes):
    person = {"PatientID": name, "StudyInstanceUID": f"1.6.{number}", "FrameOfReferenceUID": f"1.5.{number}"}
    shape = (24, 24, 20)
    grid = np.stack(np.meshgrid(*[np.arange(side) for side in shape], indexing="ij"), axis=-1)
    body = np.linalg.norm(grid - (11.5, 11.5, 9.5), axis=-1) < 10
    rng = np.random.default_rng(number)
    pet = (2000 + 200 * rng.random(shape) + 28_000 * (np.linalg.norm(grid - (11.5, 11.5, 9.5), axis=-1) < 4)).astype(np.int16)  # fmt: skip  # noqa: E501
    ct = (1064 * body + 20 * rng.random(shape)).astype(np.int16)
    place = {"spacing": (4, 4, 4), "origin": (-40, -40, 40)}
    study = where / "08-27-1885-NA-PET HEAD NECK-94646"
    write_image(study / "1.000000-PET AC 21-49095", "PT", pet, **place, slope=1.0, SeriesInstanceUID=f"1.7.{number}", SeriesDescription="PET AC 21", **person)  # fmt: skip  # noqa: E501
    write_image(study / "3.000000-StandardFull-07232", "CT", ct, **place, SeriesInstanceUID=f"1.4.{number}", intercept=-1024, SeriesDescription="StandardFull", **person)  # fmt: skip  # noqa: E501
    spelled = [part.replace("gy", "Gy") for part in (primary or "").split(",")]
    others = [part for part in (nodes or "").split(",") if part] + ["moelle"]
    boxes = [(8 + place, 6 + number % 3 + place) for place in range(len(spelled))]
    regions = [(region, _box(start, side)) for region, (start, side) in zip(spelled, boxes, strict=True)]
    regions += [(region, _box(2, 3)) for region in others]
    for image, uid in (("CT", f"1.4.{number}"), ("PET", f"1.7.{number}")):
        text = f"RTstruct_CTsim->{image}(PET-CT)"
        write_contours(
            study / f"1.000000-RTstructCTsim-{image}PET-CT-45294" / "1-1.dcm",
            regions,
            drawn_on=uid,
            frame=f"1.5.{number}",
            SeriesInstanceUID=f"1.3.{len(image)}.{number}",
            SeriesDescription=text,
            StructureSetName=text,
            PatientID=name,
            StudyInstanceUID=person["StudyInstanceUID"],
        )


def _box(start, side):
    """Return the contours of a box of whole voxels on three slices, in mm."""
    low, high = -40 + 4 * (start - 0.5), -40 + 4 * (start + side - 0.5)
    corners = ((low, low), (high, low), (high, high), (low, high))
    return [np.array([(*xy, 40 + 4 * k) for xy in corners]) for k in (8, 9, 10)]
