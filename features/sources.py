"""Sources of columns: what a learner sees of a patient. A source and a learner meet by name: ``<source>-<learner>``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from survbench.cohort import FeatureTable, Need, Subject, UnlabelledCohort
from survbench.errors import UnknownNameError
from survbench.features.clinical import coded_table
from survbench.features.combat import Combat
from survbench.features.extraction import structure_column
from survbench.features.lesions import centroids_mm, largest_distance_mm, volume_ml

AnyCohort = TypeVar("AnyCohort", bound=UnlabelledCohort)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Declaration of a source.

    Attributes:
        name: kebab case; the first part of the name of a pair.
        title: the first part of the title of a pair.
        family: of the pairs, one of :data:`survbench.api.FAMILIES`.
        about: one sentence for the page of methods.
        needs: what a pair must be given, in both phases.
        upstream: the method whose ``embed`` makes the features, if any.
        quick_seconds: CPU seconds that the source adds to a fit of the ``quick`` profile.
        columns: returns a table of features from the patients that a method is given, or None to leave
            ``cohort.features`` as the harness made it.
        clinical: whether the clinical columns stay beside the features, exempt from any selection.
        transform: what learns from a training fold how to change the features, if anything.
    """

    name: str
    title: str
    family: str
    about: str
    needs: frozenset[Need]
    upstream: str = ""
    quick_seconds: float = 0.0
    columns: Callable[[UnlabelledCohort], FeatureTable] | None = None
    clinical: bool = True
    transform: type[Combat] | None = None

    def learned(self, train: UnlabelledCohort) -> Combat | None:
        """Return how the source changes the features, as learned from a training fold; None if it does not."""
        return None if self.transform is None else self.transform.fit(self._chosen(train))

    def view(self, cohort: AnyCohort, *, transform: Combat | None) -> AnyCohort:
        """Return the patients with the features and clinical columns that the source gives to a learner.

        Args:
            cohort: the patients.
            transform: what :meth:`learned` returned for the training fold.

        Raises:
            ValueError: a patient's centre was not in the training fold, and there is no reference centre.
        """
        chosen = self._chosen(cohort)
        if transform is None or chosen.features is None:
            return chosen
        return replace(chosen, features=transform.applied(chosen.features, chosen.centres))

    def _chosen(self, cohort: AnyCohort) -> AnyCohort:
        if self.columns is None:
            return cohort
        clinical = cohort.clinical_columns if self.clinical else ()
        return replace(cohort, features=self.columns(cohort), clinical_columns=clinical)


def _volume(cohort: UnlabelledCohort) -> FeatureTable:
    volumes = np.array([[volume_ml(s.volumes["mask"])] for s in cohort.subjects], dtype=np.float64)
    return FeatureTable(("volume_ml",), volumes.reshape(len(cohort), 1))


def _radiomics_and_clinical(cohort: UnlabelledCohort) -> FeatureTable:
    """Return radiomics and clinical columns as one table; what is missing stays NaN, for the learner to fill."""
    if cohort.features is None:
        raise ValueError("radiomics features were asked for, and the cohort has none")
    clinical = coded_table(cohort)
    values = np.hstack([cohort.features.values, clinical.values])
    return FeatureTable((*cohort.features.names, *clinical.names), values)


def _radiomics_and_structures(cohort: UnlabelledCohort) -> FeatureTable:
    """Return radiomics of the mask and of each structure, and behind them what exists of absent structures, too: number
    of lesions and volume, by structure, and Dmax over all lesions. A table of features may have these columns already.
    """
    if cohort.features is None:
        raise ValueError("radiomics features were asked for, and the cohort has none")
    measured = [_lesions(s) for s in cohort.subjects]
    names = [name for name in (measured[0] if measured else {}) if name not in cohort.features.names]
    values = np.array([[one[name] for name in names] for one in measured], dtype=np.float64)
    table = np.hstack([cohort.features.values, values.reshape(len(cohort), len(names))])
    return FeatureTable((*cohort.features.names, *names), table)


def _lesions(subject: Subject) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, mask in subject.structures.items():
        found[structure_column(name, "lesions")] = float(len(centroids_mm(mask)))
        found[structure_column(name, "volume_ml")] = volume_ml(mask)
    return {**found, "dmax_mm": largest_distance_mm(subject.structures.values())}


_COMBAT = (
    "[ComBat](../explanation/feature-models.md#combat) brings the features of all centres to one scale. That can hurt: "
    "what differs between centres goes, signal included."
)
SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        source.name: source
        for source in (
            Source(
                name="clinical",
                title="Clinical",
                family="clinical",
                about="The clinical columns that the card gives to methods.",
                needs=frozenset({"clinical"}),
            ),
            Source(
                name="clinical-volume",
                title="Clinical, volume",
                family="clinical",
                about="The clinical columns, and the volume of the tumour mask in millilitres.",
                needs=frozenset({"clinical", "mask"}),
                quick_seconds=0.05,
                columns=_volume,
            ),
            Source(
                name="radiomics",
                title="Radiomics",
                family="radiomics",
                about="Radiomics features of the masked tumour, or the card's table of features. Features are "
                "selected; the clinical columns, where the card has some, are all kept.",
                needs=frozenset({"radiomics", "clinical"}),
            ),
            Source(
                name="structures",
                title="Radiomics by structure",
                family="radiomics",
                about="Radiomics features of the masked tumour and of [each structure](../explanation/structures.md) "
                "that the card names, number of lesions and volume of each structure, and the largest distance between "
                "lesions. Features are selected; the clinical columns, where the card has some, are all kept.",
                needs=frozenset({"radiomics", "structures", "clinical"}),
                quick_seconds=0.2,
                columns=_radiomics_and_structures,
            ),
            Source(
                name="radiomics-clinical",
                title="Radiomics, clinical",
                family="radiomics",
                about="Radiomics features and clinical columns in one table: both are selected alike.",
                needs=frozenset({"radiomics", "clinical"}),
                columns=_radiomics_and_clinical,
                clinical=False,
            ),
            Source(
                name="deepfeat",
                title="Deep features",
                family="deep-features",
                about="Features that DeepMTS, fitted on the same fold with the same seed, makes of a patient. Features "
                "are selected; the clinical columns, where the card has some, are all kept.",
                needs=frozenset({"upstream", "clinical"}),
                upstream="deepmts",
                quick_seconds=8.0,
            ),
            Source(
                name="combat-radiomics",
                title="Radiomics by ComBat",
                family="radiomics",
                about=f"The columns of `radiomics`; {_COMBAT}",
                needs=frozenset({"radiomics", "clinical", "centres"}),
                quick_seconds=0.05,
                transform=Combat,
            ),
            Source(
                name="combat-deepfeat",
                title="Deep features by ComBat",
                family="deep-features",
                about=f"The columns of `deepfeat`; {_COMBAT}",
                needs=frozenset({"upstream", "clinical", "centres"}),
                upstream="deepmts",
                quick_seconds=8.0,
                transform=Combat,
            ),
        )
    }
)
"""The sources by name. Another source is another entry: its ``columns`` make the features of patients."""


def source_named(name: str) -> Source:
    """Return a source; an unknown name raises :class:`survbench.errors.UnknownNameError`."""
    if name not in SOURCES:
        raise UnknownNameError("source", name, SOURCES, see="docs/reference/methods.md")
    return SOURCES[name]
