"""A cohort and its external cohort, opened on one grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from survbench.cohort import Subject
from survbench.datasets.cards.source import SourceCohort, offers
from survbench.datasets.cohorts.compatible import differences, refuse_different
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.preprocessing.grid import Grid, Point, plan_grid, reference_point
from survbench.datasets.preprocessing.resample import volume_key
from survbench.errors import BenchError
from survbench.features.feature_sets import FeatureSet, feature_set, settings_fingerprint
from survbench.findings import Finding
from survbench.io.hashing import digest
from survbench.plan.profile import Profile


@dataclass(slots=True)
class Cohorts:
    """A cohort, and where there is one its external cohort, on their common grid.

    Attributes:
        sources: the cohorts as their owners gave them.
        grid: None for cohorts without images.
        features: the radiomics to extract; None where nobody asks for any.
    """

    sources: list[SourceCohort]
    grid: Grid | None
    features: FeatureSet | None = None

    def ask_for_radiomics(self, name: str | None = None) -> FeatureSet:
        """Have radiomics extracted, of the named set or of the cards', and return the set.

        Raises:
            BenchError: no such set, the cards name different ones, or it has no grey levels for a modality.
        """
        first, *others = self.sources
        for other in others:
            if name is None and other.card.radiomics != first.card.radiomics:
                raise BenchError(
                    f"Cohort {first.card.name!r} has radiomics of set {first.card.radiomics!r}, external cohort "
                    f"{other.card.name!r} of set {other.card.radiomics!r}. Set the same on both cards."
                )
        modalities = [channel.modality for channel in first.card.images.values()]
        self.features = feature_set(name or first.card.radiomics, modalities)
        return self.features

    def differences(self) -> list[Finding]:
        """Return how the external cohort differs from the cohort; see :func:`differences`."""
        first, *others = self.sources
        return [finding for other in others for finding in differences(first, other)]

    def volume_keys(self, source: SourceCohort, subject: Subject) -> dict[str, str]:
        """Return the cache keys of a patient's volumes."""
        if self.grid is None:
            return {}
        centre = centre_of(source, subject)
        return {name: volume_key(subject.volumes[name], self.grid, centre) for name in volume_names(source)}

    def radiomics_key(self, source: SourceCohort, keys: Mapping[str, str]) -> str | None:
        """Return the cache key under which to extract a patient's features; None where nobody asks for them, or the
        cohort has a table of its own.
        """
        if self.features is None or source.cohort.features is not None or "radiomics" not in offers(source):
            return None
        return digest(["radiomics", settings_fingerprint(self.features), dict(keys)])


def open_cohorts(
    names: Sequence[tuple[str, Path | None]],
    *,
    profile: Profile,
    skip_bad: bool = False,
    ignored: Collection[str] = (),
    folds: bool = True,
) -> Cohorts:
    """Open a cohort, and after it an external one, given as names or paths with the folder of their data.

    Args:
        names: names or paths, with the folder of the data.
        profile: tells the grid, and the phantom's size.
        skip_bad: go on without patients that have problems.
        ignored: codes of findings in spite of which to go on.
        folds: whether the cohort is to be dealt into folds.

    Raises:
        BenchError: a cohort cannot be used, or the two do not fit each other.
    """
    sources: list[SourceCohort] = []
    for name, data in names:
        dealt = folds and not sources
        source = load_source(name, profile=profile, data=data, in_folds=dealt, skip_bad=skip_bad, ignored=ignored)
        if sources:
            refuse_different(sources[0], source)
        sources.append(source)
    card = sources[0].card
    grid = None
    if card.images and card.field_of_view_mm is not None:
        grid = plan_grid(card.field_of_view_mm, profile.voxels)
    return Cohorts(sources, grid)


def volume_names(source: SourceCohort) -> list[str]:
    """Return the volumes that are prepared of each patient."""
    return [*source.cohort.channels, *(["mask"] if source.card.mask is not None else [])]


def centre_of(source: SourceCohort, subject: Subject) -> Point:
    """Return the point on which a patient's grid is centred."""
    return reference_point(subject, source.cohort.channels, source.card.reference)
