"""The image to which all patients are registered, and the crop that they share in its frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from survbench.datasets.cards.card import CohortCard
from survbench.io.hashing import digest
from survbench.volume import Volume

REGISTRATION_VERSION = 1
"""Part of the keys: raise it when the same images would be registered otherwise."""
TWICE = "interpolated twice"
"""Part of the keys of volumes that are resampled to 1 mm before they are registered."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template; that of the cohort that trains serves the external cohort and new patients, too.

    Attributes:
        channel: name of the patients' channel that is registered to it.
        volume: the image.
        centre: of the crop, in world millimetres of the template.
        field_of_view_mm: sides of the crop along x, y and z.
        twice: whether images are resampled to 1 mm first, as in the paper, and so interpolated twice.
    """

    channel: str
    volume: Volume
    centre: tuple[float, float, float]
    field_of_view_mm: tuple[float, float, float]
    twice: bool = False

    @classmethod
    def of(cls, card: CohortCard, volume: Volume) -> Template:
        """Return the template of a card that declares a registration, given the image that it names."""
        if card.registration is None or card.field_of_view_mm is None:
            message = f"the card of {card.name} declares no registration"
            raise ValueError(message)
        centre = card.reference if not isinstance(card.reference, str) else image_centre(volume)
        twice = card.registration.interpolation == "twice"
        return cls(card.registration.channel, volume, centre, card.field_of_view_mm, twice)

    def registration_key(self, image: Volume) -> str:
        """Return the content key of an image's registration, which is known before the images are read."""
        place = [self.channel, list(self.centre), list(self.field_of_view_mm)]
        return digest([REGISTRATION_VERSION, self.volume.fingerprint(), place, image.fingerprint()])

    def placement_key(self, image: Volume) -> str:
        """Return what belongs into the key of a volume that is resampled by an image's registration."""
        key = self.registration_key(image)
        return digest([key, TWICE]) if self.twice else key

    def with_fingerprint(self, fingerprint: str) -> Template:
        """Return the template with its image known by another fingerprint, such as that of the file it came from."""
        return replace(self, volume=replace(self.volume, fingerprint=partial(str, fingerprint)))


def image_centre(image: Volume) -> tuple[float, float, float]:
    """Return the world point in the middle of an image, in millimetres."""
    x, y, z = (image.affine @ np.array([*(np.array(image.shape) - 1) / 2, 1.0]))[:3]
    return round(float(x), 4), round(float(y), 4), round(float(z), 4)
