"""What a user gives to ``bench predict``: one patient's files, or a folder or table of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from survbench.actions.dicom_patient import dicom_files
from survbench.actions.predict import Models
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cohorts.new_patients import (
    MASK,
    NewPatients,
    OnePatient,
    card_of,
    files_in,
    has_layout,
    needed_part,
    read_many,
    read_one,
)
from survbench.datasets.dicom.patient import Request
from survbench.datasets.dicom.regions import Wish, by_structure
from survbench.datasets.readers.paths import fitting_files
from survbench.errors import BenchError, UnknownNameError
from survbench.io.paths import expanded

NAMELESS = "patient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user gives; see ``bench predict --help``."""

    folder: Path | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    mask: Path | None = None
    clinical: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    centre: str = ""
    regions: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, Path]:
        """The files that are named one by one, by channel and ``mask``."""
        images = {name: expanded(path) for name, path in self.images.items()}
        return images if self.mask is None else {**images, MASK: self.mask}

    def one(self, name: str, files: Mapping[str, Path]) -> OnePatient:
        """Return the one patient of these files."""
        return OnePatient(id=name, files=files, clinical=self.clinical, centre=self.centre)


def places_of(given: Given, card: CohortCard) -> set[Path]:
    """Return the table that is given and the folders in which the given images lie: nothing there may be replaced.

    Args:
        given: what the user gives.
        card: by which a folder or table is read, whole.
    """
    places = {path.parent for path in given.files.values()}
    if given.folder is not None:
        folder = expanded(given.folder)
        where = folder if folder.is_dir() else folder.parent
        places |= {folder}
        places |= {(where / path).parent for pattern in card.patterns for _, path in fitting_files(where, pattern)}
    return {path.resolve() for path in places}


@contextmanager
def read_given(given: Given, models: Models) -> Iterator[tuple[CohortCard, NewPatients]]:
    """Give the patients, without outcomes, and the card by which they were read; DICOM lies in a temporary folder as
    NIfTI meanwhile.

    Raises:
        BenchError: nothing is given, or what is given cannot be read.
    """
    card = models.cohort.card
    needed = needed_part(card, models.needs)
    if given.folder is None:
        if not (given.files or given.clinical):
            raise BenchError(f"Give the patients: a folder or table, or one patient's values. {_wanted(needed)}")
        yield card, read_one(needed, given.one(given.id or NAMELESS, given.files))
        return
    folder = expanded(given.folder).absolute()
    table = folder if folder.is_file() else None
    where = folder if table is None else folder.parent
    own = card_of(where, card)
    if table is not None or has_layout(own, where):
        if given.files or given.clinical or given.id or given.centre or given.regions:
            raise BenchError(
                f"{folder} is read as a folder or table of patients, so --image, --mask, --clinical, --id, --centre "
                "and --region have no place. Put clinical values and centres into the table, or name one patient's "
                "files without the folder."
            )
        seen = needed_part(own, models.needs)
        found = read_many(seen, where, table)
        if not (found.source.cohort.subjects or found.errors):
            has_table = table is not None or (where / own.table).is_file()
            lacks = f"{folder} has no row of a patient" if has_table else f"{where} has no {own.table}"
            raise BenchError(f"{lacks}, so there is nobody to predict. {_wanted(seen)} Give a folder or table with it.")
        yield own, found
        return
    if not needed.patterns:
        raise BenchError(
            f"{folder} has no {own.table}, and no image is read from it. {_wanted(needed)} Give the folder with its "
            "table, or one patient's values without a folder."
        )
    with TemporaryDirectory(prefix="survbench-dicom-") as scratch:
        lying = files_in(needed, folder)
        if not lying:
            request = Request(regions=_regions(given.regions, needed))
            lying = dicom_files(folder, needed, Path(scratch), request)
        files = {**lying, **given.files}
        if not files:
            raise BenchError(f"{folder} holds neither DICOM nor NIfTI files of this patient. {_wanted(needed)}")
        yield card, read_one(needed, given.one(given.id or folder.name, files))


def _regions(given: Sequence[str], card: CohortCard) -> Wish:
    """Return which regions of one patient's DICOM are the mask, with the structures and numbers of the card.

    Raises:
        BenchError: the card has several structures, and it is not said which regions they are.
    """
    patterns, of = by_structure(given, "--region")
    if len(card.structures) > 1 and not of:
        named = ", ".join(f"--region {name}=NAME" for name in card.structures)
        raise BenchError(f"The mask has structures {', '.join(card.structures)}. Say which regions they are: {named}.")
    unknown = [name for name in of if name not in card.structures]
    if unknown:
        raise UnknownNameError("structure", unknown[0], card.structures, see="mask.labels of the study's card")
    if len(card.structures) == 1:
        of = (*card.structures,) * len(patterns)
    # a structure that is not named is absent; one that is named and not there is a slip
    structures = tuple(card.structures.items()) if of else ()
    return Wish(patterns, unite=len(given) > 1, of=of, structures=structures)


def _wanted(card: CohortCard) -> str:
    """Return in a sentence what the method sees of a patient."""
    images = [f"{name} ({channel.modality})" for name, channel in card.images.items()]
    parts = [
        ("images: " + ", ".join(images)) if images else "",
        "a tumour mask" if card.mask is not None else "",
        ("clinical values: " + ", ".join(c.name for c in card.clinical)) if card.clinical else "",
        "a table of features" if card.features is not None else "",
        f"the centre (column {card.centre!r})" if card.centre is not None else "",
    ]
    return f"The method sees {'; '.join(part for part in parts if part)}."
