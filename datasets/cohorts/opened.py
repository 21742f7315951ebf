"""A cohort and its external cohort, opened on one grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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
from survbench.volume import Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientKeys:
    """Where what is prepared of a patient lies in the cache.

    Attributes:
        volumes: key of each channel and of the mask, by name.
        structures: key of the mask of each structure, by name, in the order of the card.
        radiomics: key of the features of the tumour mask, as ``mask``, and of each structure; empty where none are
            extracted.
    """

    volumes: Mapping[str, str]
    structures: Mapping[str, str]
    radiomics: Mapping[str, str]


@dataclass(slots=True)
class Cohorts:
    """A cohort, and its external cohort if there is one, on a common grid.

    Attributes:
        sources: the cohorts as read from their owners' files.
        grid: the grid; None for cohorts without images.
        features: the radiomics to extract; None if no method asks for them.
        per_structure: whether they are extracted of each structure, too.
    """

    sources: list[SourceCohort]
    grid: Grid | None
    features: FeatureSet | None = None
    per_structure: bool = False

    def ask_for_radiomics(self, name: str | None = None, *, per_structure: bool = False) -> FeatureSet:
        """Request extraction of radiomics with the named set or else the cards' set, and return the set.

        Args:
            name: of the set; None for that of the cards.
            per_structure: request those of each structure, too.

        Raises:
            BenchError: there is no such set, the cards name different ones, or it has no grey levels for a modality.
        """
        first, *others = self.sources
        for other in others:
            if name is None and other.card.radiomics != first.card.radiomics:
                raise BenchError(
                    f"Cohort {first.card.name!r} uses radiomics set {first.card.radiomics!r}, external cohort "
                    f"{other.card.name!r} uses {other.card.radiomics!r}. Name the same set on both cards."
                )
        modalities = [channel.modality for channel in first.card.images.values()]
        self.features = feature_set(name or first.card.radiomics, modalities)
        self.per_structure = per_structure
        return self.features

    def differences(self) -> list[Finding]:
        """Return differences between the external cohort and the cohort that do not rule out using them together."""
        first, *others = self.sources
        return [finding for other in others for finding in differences(first, other)]

    def volume_keys(self, source: SourceCohort, subject: Subject) -> dict[str, str]:
        """Return the cache keys of a patient's volumes."""
        return self._placed(source, subject, {name: subject.volumes[name] for name in volume_names(source)})

    def keys(self, source: SourceCohort, subject: Subject) -> PatientKeys:
        """Return the cache keys of what is prepared of a patient. There are none of features if no method asks for them
        or the cohort has a feature table of its own.
        """
        volumes, structures = self.volume_keys(source, subject), self._placed(source, subject, subject.structures)
        if self.features is None or source.cohort.features is not None or "radiomics" not in offers(source):
            return PatientKeys(volumes=volumes, structures=structures, radiomics={})
        settings = settings_fingerprint(self.features)
        radiomics = {"mask": digest(["radiomics", settings, volumes])}
        if self.per_structure and len(structures) > 1:
            # not the key of a mask with these voxels, which must have features where a structure may have none
            for name, key in structures.items():
                radiomics[name] = digest(["radiomics of a structure", settings, {**volumes, "mask": key}])
        return PatientKeys(volumes=volumes, structures=structures, radiomics=radiomics)

    def _placed(self, source: SourceCohort, subject: Subject, volumes: Mapping[str, Volume]) -> dict[str, str]:
        """Return the cache keys of some of a patient's volumes on the grid, by name."""
        if self.grid is None:
            return {}
        centre, pose_key = centre_of(source, subject), ""
        if source.template is not None:
            pose_key = source.template.placement_key(subject.volumes[source.template.channel])
        return {name: volume_key(volume, self.grid, centre, pose_key) for name, volume in volumes.items()}


def open_cohorts(
    names: Sequence[tuple[str, Path | None]],
    *,
    profile: Profile,
    skip_bad: bool = False,
    ignored: Collection[str] = (),
    folds: bool = True,
) -> Cohorts:
    """Open a cohort, and an external cohort after it, each given by name or path with the folder of its data.

    Args:
        names: pairs of a name or path and the data folder.
        profile: sets the grid and the phantom's size.
        skip_bad: leave out patients with problems instead of failing.
        ignored: codes of findings to ignore.
        folds: whether the first cohort will be split into folds.

    Raises:
        BenchError: a cohort cannot be used, or the two do not fit together.
    """
    sources: list[SourceCohort] = []
    for name, data in names:
        dealt = folds and not sources
        source = load_source(name, profile=profile, data=data, in_folds=dealt, skip_bad=skip_bad, ignored=ignored)
        if sources:
            refuse_different(sources[0], source)
            source = replace(source, template=sources[0].template)
        sources.append(source)
    card = sources[0].card
    grid = None
    if card.images and card.field_of_view_mm is not None:
        grid = plan_grid(card.field_of_view_mm, profile.voxels)
    return Cohorts(sources, grid)


def volume_names(source: SourceCohort) -> list[str]:
    """Return the names of the volumes that are prepared for each patient."""
    return [*source.cohort.channels, *(["mask"] if source.card.mask is not None else [])]


def centre_of(source: SourceCohort, subject: Subject) -> Point:
    """Return the point on which a patient's grid is centred, in the template's world in a registered cohort."""
    if source.template is not None:
        return source.template.centre
    return reference_point(subject, source.cohort.channels, source.card.reference)
