"""Read a patient's PET in SUV, CT in HU and tumour mask from all series of the patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from survbench.datasets.dicom.choice import Choice, choose, rules_for_ct, rules_for_pet, rules_for_structures
from survbench.datasets.dicom.geometry import Grid, stack_of
from survbench.datasets.dicom.headers import number, read_header
from survbench.datasets.dicom.pixels import read_hu, read_suv, refuse_large
from survbench.datasets.dicom.planes import Mask
from survbench.datasets.dicom.regions import Region, Wish, chosen_names, found_in, labelled_mask, read_regions
from survbench.datasets.dicom.series import Series, volumes_of
from survbench.datasets.dicom.suv import Corrections, SuvConversion, suv_conversion
from survbench.datasets.readers.errors import ImageError
from survbench.findings import things

STRUCTURES = ("RTSTRUCT", "SEG")
ImageName = Literal["pet", "ct"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to read for a patient.

    Attributes:
        regions: which regions are the tumour.
        mask_on: the image whose grid the mask prefers, if structure sets were drawn on both.
        pet, ct, structures: the series to use, by number, description or UID; None to apply the rules of
            :mod:`~survbench.datasets.dicom.choice`.
        corrections: values that replace those of the PET's header.
    """

    regions: Wish = field(default_factory=Wish)
    mask_on: ImageName = "pet"
    pet: str | None = None
    ct: str | None = None
    structures: str | None = None
    corrections: Corrections = field(default_factory=Corrections)


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """An image on its own grid.

    Attributes:
        choice: the series, and why it was chosen.
        grid: the grid of the voxels.
        voxels: shape of the grid; SUV (float32) or whole HU (int16).
    """

    choice: Choice
    grid: Grid
    voxels: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class PatientImages:
    """The images and mask of a patient.

    Attributes:
        pet: in SUV by body weight.
        suv: how it was converted to SUV.
        ct: in HU; None if the patient has no CT.
        mask: the tumour, on the grid of the image ``mask_on``.
        labels: number of the structure of each of its voxels, on the same grid; 1 for a mask of one structure.
        mask_on: the image whose grid the mask is on.
        structures: the structure set, and why it was chosen.
        regions: the regions that the mask unites.
        notes: oddities that are not a reason to refuse the patient.
    """

    pet: Image
    suv: SuvConversion
    ct: Image | None
    mask: Mask
    labels: NDArray[np.unsignedinteger]
    mask_on: ImageName
    structures: Choice
    regions: tuple[str, ...]
    notes: tuple[str, ...]


def read_patient(series: Sequence[Series], request: Request) -> PatientImages:
    """Return the images and the mask of a patient.

    Args:
        series: all series of the patient, from any study.
        request: what to read.

    Raises:
        ImageError: something is missing, ambiguous or unreadable; the message says what, without names or dates.
    """
    sets = [(one, read_regions(one)) for one in series if one.modality in STRUCTURES]
    wanted = _wanted_sets(sets, request.regions)
    references = [uid for one, _ in wanted for uid in one.refers]
    pet = choose("PET", _volumes(series, "PT"), rules_for_pet(references), request.pet)
    cts = _volumes(series, "CT")
    ct = choose("CT", cts, rules_for_ct(pet.series, references), request.ct) if cts or request.ct else None
    images: dict[ImageName, Choice] = {"pet": pet} if ct is None else {"pet": pet, "ct": ct}
    in_order: list[ImageName] = sorted(images, key=lambda name: name != request.mask_on)
    rules = rules_for_structures([images[name].series for name in in_order])
    structures = choose("structure set", [one for one, _ in wanted], rules, request.structures)
    mask_on = _drawn_on(structures.series, {name: images[name].series for name in in_order})
    stacks = {name: stack_of(choice.series) for name, choice in images.items()}
    for stack in stacks.values():
        refuse_large(stack)
    regions = next(found for one, found in wanted if one is structures.series)
    names = chosen_names([region.name for region in regions if not region.empty], request.regions)
    labels, mask = labelled_mask(regions, request.regions, stacks[mask_on].grid)
    headers = [read_header(one.path) for one in stacks["pet"].slices]
    suv = suv_conversion(headers, request.corrections)
    return PatientImages(
        pet=Image(pet, stacks["pet"].grid, read_suv(stacks["pet"], suv.factors)),
        suv=suv,
        ct=None if ct is None else Image(ct, stacks["ct"].grid, read_hu(stacks["ct"])),
        mask=mask,
        labels=labels,
        mask_on=mask_on,
        structures=structures,
        regions=names,
        notes=(
            *(f"{name.upper()}: {note}" for name, stack in stacks.items() for note in stack.notes),
            *_notes([choice.series for choice in images.values()], headers, mask, suv),
        ),
    )


def read_images(series: Sequence[Series], request: Request) -> tuple[Image, Image | None]:
    """Return a patient's PET in SUV and, if there is one, CT in HU; nobody needs to have drawn a tumour.

    Args:
        series: all series of the patient, from any study.
        request: what to read; what it says of regions and structure sets does not matter here.

    Raises:
        ImageError: something is missing, ambiguous or unreadable; the message says what, without names or dates.
    """
    references = [uid for one in series if one.modality in STRUCTURES for uid in one.refers]
    pet = choose("PET", _volumes(series, "PT"), rules_for_pet(references), request.pet)
    cts = _volumes(series, "CT")
    ct = choose("CT", cts, rules_for_ct(pet.series, references), request.ct) if cts or request.ct else None
    of_pet, of_ct = stack_of(pet.series), None if ct is None else stack_of(ct.series)
    refuse_large(of_pet)
    suv = suv_conversion([read_header(one.path) for one in of_pet.slices], request.corrections)
    image = Image(pet, of_pet.grid, read_suv(of_pet, suv.factors))
    if ct is None or of_ct is None:
        return image, None
    refuse_large(of_ct)
    return image, Image(ct, of_ct.grid, read_hu(of_ct))


def _volumes(series: Sequence[Series], modality: str) -> list[Series]:
    return [volume for one in series if one.modality == modality for volume in volumes_of(one)]


def _wanted_sets(
    sets: Sequence[tuple[Series, tuple[Region, ...]]], wish: Wish
) -> list[tuple[Series, tuple[Region, ...]]]:
    """Return the structure sets with the wanted regions, or with most of them if a patient may lack some. Without a
    pattern, all sets together must have one name.

    Raises:
        ImageError: there is none; the message gives the reason for the only set, or the reasons for all sets.
    """
    if not sets:
        raise ImageError("There is neither an RTSTRUCT nor a SEG.", "Provide all series of the patient.")
    if not wish.patterns:
        chosen_names(list(dict.fromkeys(r.name for _, regions in sets for r in regions if not r.empty)), wish)
    fitting, reasons = [], []
    for one, regions in sets:
        try:
            chosen_names([region.name for region in regions if not region.empty], wish)
        except ImageError as error:
            reasons.append((one, error))
        else:
            fitting.append((one, regions))
    if not fitting:
        if len(reasons) == 1:
            raise reasons[0][1]
        message = " ".join(f"{one.label}: {error.what}" for one, error in reasons)
        raise ImageError(message, reasons[0][1].remedy)
    found = [found_in([region.name for region in regions if not region.empty], wish) for _, regions in fitting]
    return [one for one, count in zip(fitting, found, strict=True) if count == max(found)]


def _drawn_on(structures: Series, images: dict[ImageName, Series]) -> ImageName:
    """Return the image whose grid the mask is on: the one on which it was drawn, or else one in its frame of reference.

    Raises:
        ImageError: the structure set was drawn on another image, in another frame of reference.
    """
    for name, image in images.items():
        if image.uid in structures.refers:
            return name
    for name, image in images.items():
        if structures.frame and image.frame == structures.frame:
            return name
    what = f"{structures.label} was not drawn on any of the images, and is in another frame of reference."
    raise ImageError(what, "Choose the image on which it was drawn, or register it to the PET.")


def _notes(images: Sequence[Series], pet: Sequence[Dataset], mask: Mask, suv: SuvConversion) -> Iterator[str]:
    if copies := sum(one.copies for one in images):
        yield f"{things(copies, 'file')} left out as copies."
    if (declared := number(pet[0], "NumberOfSlices") or 0) > len(pet):
        yield f"The PET has {len(pet)} of the {declared:.0f} slices that its header declares."
    yield from mask.notes
    yield from suv.notes
