"""What a study keeps of the template to which its patients were registered.

The image itself stays in the output folder's cache. It is in no pack, because it is the image of a patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.template import Template
from survbench.datasets.preprocessing.cache import volume_store
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.nifti import nifti_volume
from survbench.errors import BenchError
from survbench.io.hashing import digest


@dataclass(frozen=True, slots=True)
class StudyTemplate:
    """A template without its image; see :class:`~survbench.datasets.cards.template.Template`.

    Attributes:
        fingerprint: of the image; "" in a pack with pseudonyms, by which no patient can be recognised.
    """

    channel: str
    fingerprint: str
    centre: tuple[float, float, float]
    twice: bool

    @classmethod
    def keep(cls, template: Template, out: Path) -> StudyTemplate:
        """Return what a study keeps of a template, and put the image into the output folder's cache."""
        image = template.volume
        kept = cls(template.channel, image.fingerprint(), template.centre, template.twice)
        store = volume_store(out)
        if not store.has(kept._key):
            store.put(kept._key, image.voxels(), modality=image.modality, affine=image.affine)
        return kept

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> StudyTemplate:
        """Return the template from the output of :meth:`to_json`."""
        x, y, z = raw["centre"]
        return cls(raw["channel"], raw["fingerprint"], (x, y, z), raw["twice"])

    def to_json(self) -> dict[str, Any]:
        """Return the template as JSON."""
        return asdict(self)

    def open(self, out: Path, card: CohortCard, file: Path | None) -> Template:
        """Return the template with its image.

        Args:
            out: the output folder.
            card: the study's card.
            file: of the image, where the output folder does not have it.

        Raises:
            BenchError: there is no image, the file is not the template, or it cannot be read.
        """
        if card.field_of_view_mm is None:
            message = f"the card of {card.name} has no field of view"
            raise ValueError(message)
        if not self.fingerprint:
            raise BenchError(
                "A pack with pseudonyms keeps nothing by which the template of the registration is recognised, so new "
                "patients cannot be registered to it. Predict from the output folder of the run."
            )
        if file is None:
            try:
                volume = volume_store(out).open(self._key)
            except OSError as error:
                raise BenchError(
                    f"{out} does not hold the template to which the study's patients were registered; a pack never "
                    f"does. Give the {self.channel} image of the template with --template FILE."
                ) from error
        else:
            try:
                volume = nifti_volume(file, card.images[self.channel].modality)
                fingerprint = volume.fingerprint()
            except (OSError, ImageError) as error:
                raise BenchError(f"The template {file} cannot be read: {error}") from error
            if fingerprint != self.fingerprint:
                raise BenchError(
                    f"{file} is not the template of the study: its content differs. Give the very file to which the "
                    "study's patients were registered."
                )
        template = Template(self.channel, volume, self.centre, card.field_of_view_mm, self.twice)
        return template.with_fingerprint(self.fingerprint)

    @property
    def _key(self) -> str:
        return digest(["template", self.fingerprint])
