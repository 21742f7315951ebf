"""Patients, what is known about them, and (only where a method may learn) what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from survbench.volume import Volume

Need = Literal["images", "mask", "structures", "clinical", "radiomics", "upstream", "centres", "truth"]
"""What a method may ask for: every image channel of the card, the manual tumour mask, the structures of the mask each
for itself, the clinical columns that the card gives to methods, radiomics features of the masked tumour (with
``structures``, also of each structure), the features that its upstream method makes of a patient, patients of two
centres or more, or (reference rows alone) the true log-hazard."""


@dataclass(frozen=True, slots=True)
class ClinicalColumn:
    """A clinical column as the card declares it.

    ``levels`` are the values of an ordinal column from low to high, or those of a categorical one; empty for a number.
    """

    name: str
    kind: Literal["numeric", "ordinal", "categorical"]
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Named features, ``values`` of shape (patients, names), in the order of the cohort's subjects."""

    names: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Subject:
    """One patient without outcome. ``volumes`` maps the card's channel names, and ``mask``, to volumes;
    ``clinical`` maps column names to a number, a level, or None where the value is missing. Rows of one ``group``, such
    as the lesions of one patient, stay in one fold; "" is a group of its own. ``structures`` maps the names under the
    card's ``mask.labels`` to masks, in the order of the card; the mask of a structure that the patient does not have,
    such as nodes, has no voxel.
    """

    id: str
    centre: str
    clinical: Mapping[str, float | str | None]
    volumes: Mapping[str, Volume]
    group: str = ""
    structures: Mapping[str, Volume] = field(default_factory=dict)

    @property
    def patient(self) -> tuple[bool, str]:
        """What rows of one patient share: their group, or the id; a group may be called like the id of another row."""
        return bool(self.group), self.group or self.id


@dataclass(frozen=True, kw_only=True)
class UnlabelledCohort:
    """Patients without outcomes: what ``predict_*`` gets, so that nothing can leak because it is not there.

    Attributes:
        subjects: the patients, in the order of every array that belongs to the cohort.
        channels: names of the image channels, in the order in which networks stack them.
        clinical_columns: the declared columns behind ``Subject.clinical``.
        features: radiomics or upstream features, where they were asked for.
        truth: true log-hazard of simulated patients, shape (n,), where a reference row asked for it.
        reference_centre: the centre that others are brought to or learn from, as the card names it; "" for none.
    """

    subjects: tuple[Subject, ...]
    channels: tuple[str, ...] = ()
    clinical_columns: tuple[ClinicalColumn, ...] = ()
    features: FeatureTable | None = None
    truth: NDArray[np.float64] | None = None
    reference_centre: str = ""

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def ids(self) -> tuple[str, ...]:
        """The patients' ids."""
        return tuple(s.id for s in self.subjects)

    @property
    def centres(self) -> tuple[str, ...]:
        """The patients' centres."""
        return tuple(s.centre for s in self.subjects)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Self:
        """Return the cohort with these rows, in this order."""
        return replace(self, **self._rows(np.asarray(rows, dtype=np.intp)))

    def _rows(self, index: NDArray[np.intp]) -> dict[str, Any]:
        return {
            "subjects": tuple(self.subjects[i] for i in index),
            "features": self.features and FeatureTable(self.features.names, self.features.values[index]),
            "truth": None if self.truth is None else self.truth[index],
        }

    def select(self, ids: Iterable[str]) -> Self:
        """Return the cohort with these patients, in this order; an unknown id raises ``KeyError``."""
        position = {s.id: i for i, s in enumerate(self.subjects)}
        return self.take([position[i] for i in ids])

    def restrict(self, needs: Iterable[Need]) -> Self:
        """Return the cohort without the images, masks, columns and tables that ``needs`` does not name."""
        allowed = set(needs)
        channels = self.channels if "images" in allowed else ()
        kept = {*channels, *(["mask"] if "mask" in allowed else [])}
        columns = self.clinical_columns if "clinical" in allowed else ()
        names = {c.name for c in columns}
        subjects = tuple(
            replace(
                s,
                volumes={k: v for k, v in s.volumes.items() if k in kept},
                clinical={k: v for k, v in s.clinical.items() if k in names},
                structures=s.structures if "structures" in allowed else {},
            )
            for s in self.subjects
        )
        return replace(
            self,
            subjects=subjects,
            channels=channels,
            clinical_columns=columns,
            features=self.features if {"radiomics", "upstream"} & allowed else None,
            truth=self.truth if "truth" in allowed else None,
            reference_centre=self.reference_centre if "centres" in allowed else "",
        )


@dataclass(frozen=True, kw_only=True)
class Cohort(UnlabelledCohort):
    """Patients with outcomes.

    Attributes:
        time: months to the event or to censoring, shape (n,), positive.
        event: true where the event was seen, shape (n,).
    """

    time: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    event: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))

    def __post_init__(self) -> None:
        if self.time.shape != (len(self),) or self.event.shape != (len(self),):
            message = f"{len(self)} subjects need as many outcomes, got {self.time.shape} and {self.event.shape}"
            raise ValueError(message)

    def _rows(self, index: NDArray[np.intp]) -> dict[str, Any]:
        return {**super()._rows(index), "time": self.time[index], "event": self.event[index]}

    def unlabelled(self, needs: Iterable[Need]) -> UnlabelledCohort:
        """Return what a method that declares ``needs`` may see when it predicts: no outcomes, nothing undeclared."""
        bare = UnlabelledCohort(
            subjects=self.subjects,
            channels=self.channels,
            clinical_columns=self.clinical_columns,
            features=self.features,
            truth=self.truth,
            reference_centre=self.reference_centre,
        )
        return bare.restrict(needs)
