"""A hospital's export of two centres, with values that identify patients planted wherever there is room for text.

CT, PET and RTSTRUCT of most patients and a SEG of the others; some scans are oblique, one has a tilted gantry and one
irregular slices. The workbook has titles above its header, German dates, and a second sheet.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openpyxl
from dicom_files import AXIAL, OBLIQUE, save, write_contours, write_image, write_segments
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

CENTRES = {"Zurich": 12, "Basel": 8}
"""Patients of each centre."""
SURNAMES = (
    *(
        "Quillfeather",
        "Oberhauser",
        "Schönbächler",
        "Wolkenstein",
        "Ixworthy",
        "Zamorazano",
        "Brandtmeyer",
        "Pfannkuch",
    ),
    *(
        "Vandersteen",
        "Abderhalden",
        "Kowalczykowa",
        "Lindqvistson",
        "Marchetti",
        "Nachtigall",
        "Rosenkrantz",
        "Tschudiner",
    ),
    *("Uhlenbrock", "Yilmazoglu", "Fernsebner", "Gschwendtner"),
)
GIVEN = (
    *(
        "Adalberta",
        "Bertholda",
        "Cunigunde",
        "Dietlinde",
        "Ermentrud",
        "Friedbert",
        "Gottlieb",
        "Hildegund",
        "Irmtraud",
    ),
    *("Josephus", "Kreszentia", "Liebgart", "Mechthild", "Nepomuk", "Ottokarl", "Philomena", "Quirinus", "Radegund"),
    *("Siegbert", "Theodelinde"),
)
STAFF, HOSPITAL = "Thornebury", "Elsewhereberg"
SIZE = (24, 24, 20)
PET_MM = (6.0, 6.0, 6.0)
CT_MM = (4.0, 4.0, 6.0)
CT_SIZE = (36, 36, 20)
BQ_PER_SUV = 300e6 * 0.5 ** (3600 / 6586.2) / 75_000


@dataclass(frozen=True, slots=True)
class Person:
    """A patient of the study.

    Attributes:
        number: of all patients, from 0.
        centre: where.
        id: PatientID.
        surname, given: of the name.
        born: the day.
    """

    number: int
    centre: str
    id: str
    surname: str
    given: str
    born: dt.date

    @property
    def others(self) -> dict[str, str]:
        """Other ids, by DICOM keyword."""
        return {
            "OtherPatientIDs": f"AHV7568{self.number:02d}31907",
            "AccessionNumber": f"ACC{self.number:02d}88120",
            "StudyID": f"ST{self.number:02d}44107",
        }

    @property
    def root(self) -> str:
        """Start of the patient's UIDs."""
        return f"1.3.6.1.4.1.59{self.number:02d}7.8841"


def people() -> list[Person]:
    """Return all patients, those of a centre one after the other."""
    centres = [centre for centre, count in CENTRES.items() for _ in range(count)]
    return [
        Person(
            number,
            centre,
            f"{centre[:2].upper()}P-7{number:02d}64{number * 37 % 89:02d}18",
            SURNAMES[number],
            GIVEN[number],
            dt.date(1938 + number * 7 % 20, (1, 3, 5, 7, 8, 10, 12)[number % 7], 11 + number),
        )
        for number, centre in enumerate(centres)
    ]


def planted() -> set[str]:
    """Return all that identifies, in lower case without accents: names and their parts, ids, birth dates, UIDs."""
    values = {STAFF, HOSPITAL}
    for person in people():
        values |= {
            person.id,
            person.id.split("-")[1],
            person.surname,
            person.given,
            *person.others.values(),
            person.root,
        }
        values |= {
            person.born.strftime(notation) for notation in ("%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%d%m%Y")
        }
    return {unicodedata.normalize("NFKD", value.lower()).encode("ascii", "ignore").decode() for value in values}


def pattern(values: set[str]) -> re.Pattern[bytes]:
    """Return what finds values in text in lower case; digits do not count within longer numbers."""
    told = [re.escape(value).encode() for value in sorted(values, key=len, reverse=True)]
    numbers = rb"(?<![\d.])(?:" + b"|".join(one for one in told if one[:1].isdigit()) + rb")(?!\d)"
    return re.compile(b"|".join([*(one for one in told if not one[:1].isdigit()), numbers]))


def write_study(folder: Path) -> Path:
    """Write images and workbook of all patients into a folder, which is returned."""
    for person in people():
        _write_person(folder / person.centre, person)
    (folder / "Zurich" / f"Brief {SURNAMES[0]}.txt").write_text(f"Frau {GIVEN[0]} {SURNAMES[0]}, geb. 11.01.1938")
    _write_workbook(folder / f"Register {STAFF}.xlsx")
    return folder


def size_of(person: Person) -> float:
    """Return the radius of a patient's tumour, mm."""
    return 13.0 + 3.1 * (person.number * 7 % 5) + 0.2 * person.number


def _common(person: Person) -> dict[str, object]:
    born = person.born.strftime("%d.%m.%Y")
    return {
        **person.others,
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientID": person.id,
        "PatientName": f"{person.surname}^{person.given}",
        "PatientBirthDate": person.born.strftime("%Y%m%d"),
        "PatientBirthName": f"{person.surname}-{STAFF}",
        "PatientAddress": f"{person.surname}weg 7, {HOSPITAL}",
        "PatientComments": f"{person.given} {person.surname}, geb. {born}",
        "ImageComments": f"Ref. {person.id} {person.given}",
        "StudyDescription": f"PET-CT {person.surname}",
        "ProtocolName": f"Kopf-Hals {person.surname}",
        "ReferringPhysicianName": f"Dr^{STAFF}",
        "OperatorsName": STAFF,
        "InstitutionName": f"Klinik {HOSPITAL}",
        "StationName": f"{HOSPITAL[:10]}CT1",
        "StudyInstanceUID": f"{person.root}.1",
        "FrameOfReferenceUID": f"{person.root}.2",
    }


def _private(person: Person):
    """Return what plants a patient in private values and in sequences of a header."""

    def each(_, header: Dataset) -> None:
        header.add_new((0x0011, 0x10), "LO", "ELSEWHERE RIS 1.0")
        header.add_new((0x0011, 0x1001), "LO", f"{person.surname} {person.id}")
        header.add_new((0x0011, 0x1002), "UN", f"{person.given}|{person.born:%Y%m%d}".encode())
        other, request = Dataset(), Dataset()
        other.PatientID, other.IssuerOfPatientID = person.others["OtherPatientIDs"], HOSPITAL
        request.ScheduledProcedureStepDescription = f"PET {person.surname}"
        request.RequestedProcedureID = person.others["AccessionNumber"]
        header.OtherPatientIDsSequence = Sequence([other])
        header.RequestAttributesSequence = Sequence([request])

    return each


def _write_person(folder: Path, person: Person) -> None:
    random = np.random.default_rng(person.number)
    orientation = OBLIQUE if person.number % 4 == 1 else AXIAL
    rows, columns = np.reshape(orientation, (2, 3)).astype(float)
    normal = np.cross(rows, columns)
    axes = np.stack([rows, columns, normal])
    centre, radius = np.array([4.0, -3.0, 2.0]) + random.uniform(-6, 6, 3), size_of(person)
    where = folder / f"{person.surname}_{person.given}_{person.born:%Y%m%d}"
    common, each = _common(person), _private(person)

    def scene(size, spacing, positions):
        """Return mm from the middle in the directions of the slices, shape (columns, rows, slices, 3)."""
        column, row = np.meshgrid(*(np.arange(n) * mm for n, mm in zip(size, spacing, strict=False)), indexing="ij")
        flat = np.stack([column, row, np.zeros_like(row)], axis=-1)
        return flat[:, :, None] + positions @ axes.T

    def body(points):
        return (points[..., 0] / 58) ** 2 + (points[..., 1] / 50) ** 2 < 1

    pet_places = -(np.array(SIZE) - 1) / 2 * PET_MM @ axes + np.arange(SIZE[2])[:, None] * PET_MM[2] * normal
    points = scene(SIZE[:2], PET_MM, pet_places)
    tumour = np.linalg.norm(points - centre, axis=-1) < radius
    suv = np.where(tumour, 7.0 + 0.3 * person.number, np.where(body(points), 1.2, 0.05))
    suv = suv * random.gamma(60, 1 / 60, suv.shape)
    pet_files = write_image(
        where / "pet", "PT", np.rint(suv * BQ_PER_SUV / 2).astype(np.int16), spacing=PET_MM, origin=pet_places[0],
        orientation=orientation, slope=2.0, each=each, SeriesInstanceUID=f"{person.root}.3", SeriesNumber="4",
        SeriesDescription=f"PET {person.surname}", **common,
    )  # fmt: skip

    heights = np.arange(CT_SIZE[2]) * CT_MM[2]
    if person.number == 2:
        heights = heights + 1.2 * np.sin(np.arange(CT_SIZE[2]))
    tilt = np.tan(np.radians(14)) if person.number == 3 else 0.0
    ct_places = -(np.array(CT_SIZE) - 1) / 2 * CT_MM @ axes + heights[:, None] * (normal + tilt * columns)
    ct_places -= tilt * heights.mean() * columns
    points = scene(CT_SIZE[:2], CT_MM, ct_places)
    ball = np.linalg.norm(points - centre, axis=-1) < radius
    spine = np.hypot(points[..., 0], points[..., 1] - 35) < 9
    hu = np.where(spine, 500, np.where(ball, 60, np.where(body(points), 20, -1000))) + random.normal(0, 12, ball.shape)

    def placed(place, header):
        header.ImagePositionPatient = ct_places[place].round(5).tolist()
        each(place, header)

    write_image(
        where / "ct", "CT", np.rint(hu + 1024).astype(np.int16), spacing=CT_MM, orientation=orientation,
        intercept=-1024, each=placed, SeriesInstanceUID=f"{person.root}.4", SeriesNumber="2",
        SeriesDescription=f"CT {person.surname}", **common,
    )  # fmt: skip

    if person.number % 5 == 4:
        headers = [dcmread(path) for path in reversed(pet_files)]
        labels = [(f"GTV {person.surname}", tumour), (f"Rest {person.given}", ~tumour)]
        header = dcmread(write_segments(where / "seg.dcm", labels, headers, drawn_on=f"{person.root}.3", SeriesInstanceUID=f"{person.root}.5", **common))  # fmt: skip  # noqa: E501
    else:
        angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        circles = []
        for place in ct_places:
            height = place @ normal - centre[2]
            if abs(height) < radius - 0.3:
                around = np.sqrt(radius**2 - height**2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
                circles.append(np.column_stack([centre[:2] + around, np.full(60, place @ normal)]) @ axes)
        regions = [
            ("GTV" if person.number % 3 else f"GTV {person.surname}", circles),
            (f"Niere {person.given}", circles[:2]),
        ]
        header = dcmread(write_contours(where / "rs.dcm", regions, drawn_on=f"{person.root}.4", frame=f"{person.root}.2", SeriesInstanceUID=f"{person.root}.5", **{k: v for k, v in common.items() if k != "FrameOfReferenceUID"}))  # fmt: skip  # noqa: E501
        header.StructureSetLabel, header.StructureSetName = f"{person.surname}", f"Plan {person.given}"
    each(0, header)
    save(where / f"{header.Modality} {person.surname}.dcm", header.Modality, header)
    for old in (where / "seg.dcm", where / "rs.dcm"):
        old.unlink(missing_ok=True)
    for path in [*where.glob("*/*.bin")]:
        path.rename(path.with_name(f"{person.surname} {person.id} {path.stem}.dcm"))


def _write_workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = f"{STAFF} 2021"
    sheet.append([f"Register der Klinik {HOSPITAL}"])
    sheet.append([f"Verantwortlich: Dr. {STAFF}", None, "Stand", dt.date(2021, 4, 3)])
    sheet.append([])
    sheet.append(
        [
            "Patienten-ID",
            "Name",
            "Geburtsdatum",
            "Alter",
            "Geschlecht",
            "T-Stadium",
            "Zeit_Monate",
            "Status",
            "Bemerkung",
        ]
    )
    random = np.random.default_rng(11)
    for person in sorted(people(), key=lambda one: one.surname):
        larger = size_of(person)
        sheet.append([
            person.id if person.number % 2 else person.id.lower(),
            f"{person.surname}, {person.given}",
            person.born if person.number % 3 else person.born.strftime("%d.%m.%Y"),
            2021 - person.born.year,
            "mw"[person.number // 2 % 2],
            f"T{1 + int(larger > 17) + int(larger > 23)}",
            round(float(70 - 2 * larger + random.uniform(-12, 12)), 1),
            1 + (person.number * 5 // 3) % 2,
            f"{person.given} kommt mit Dr. {STAFF}",
        ])  # fmt: skip
    legend = book.create_sheet("Legende")
    for row in (["Status", "Bedeutung"], [1, "lebt"], [2, "verstorben"], [STAFF, HOSPITAL]):
        legend.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
