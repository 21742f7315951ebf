"""Named sets of radiomics features: the features, the images, and the discretisation into grey levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator
from survbench.errors import BenchError, UnknownNameError
from survbench.io.config import Strict
from survbench.io.hashing import digest
from survbench.volume import Modality

EXTRACTION_VERSION = 1
"""Raise it when the same settings give different values."""
DEFAULT_SET = "paper"
UNITS = {"CT": "HU", "PET": "SUV"}

Group = Literal["firstorder", "glcm", "glrlm", "glszm", "ngtdm"]


class Bins(Strict):
    """How intensities in the mask become grey levels: a fixed ``count`` between lowest and highest, or a fixed
    ``width`` in the modality's unit (HU, SUV).
    """

    count: Annotated[int, Field(ge=2)] | None = None
    width: Mapping[Literal["CT", "PET"], Annotated[float, Field(gt=0)]] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Bins:
        if (self.count is None) == (self.width is None):
            raise ValueError("bins need either a count or a width")
        return self

    def settings(self, modality: Modality) -> dict[str, float]:
        """Return pyradiomics' setting for images of a modality.

        Raises:
            BenchError: the width is fixed, but the modality has no unit.
        """
        if self.count is not None:
            return {"binCount": self.count}
        widths: Mapping[Any, float] = self.width or {}
        if modality not in widths:
            raise BenchError(
                f"Feature set with {self}: there is no width for {modality}, whose intensities have no unit. "
                f"Set 'radiomics: {DEFAULT_SET}' on the cohort's card, or use --set {DEFAULT_SET}."
            )
        return {"binWidth": widths[modality]}

    def __str__(self) -> str:
        if self.count is not None:
            return f"{self.count} grey levels"
        widths = (f"{value:g} {UNITS[modality]}" for modality, value in (self.width or {}).items())
        return f"grey levels of {' and '.join(widths)}"


class FeatureSet(Strict):
    """A named set: ``features`` from each of the ``images`` of each channel, and ``shape`` once per patient."""

    name: str
    title: str
    why: str
    bins: Bins
    wavelet: str
    images: tuple[str, ...]
    features: Mapping[Group, tuple[str, ...]]
    shape: tuple[str, ...]

    def names(self, channels: Sequence[str]) -> tuple[str, ...]:
        """Return the names of all features, in order.

        >>> len(feature_set("paper").names(["pet", "ct"])), len(feature_set("pyradiomics").names(["pet", "ct"]))
        (1456, 1436)
        """
        of_images = (
            f"{channel}_{image}_{group}_{name}"
            for channel in channels
            for image in self.images
            for group, names in self.features.items()
            for name in names
        )
        return (*of_images, *(f"shape_{name}" for name in self.shape))


@cache
def feature_sets() -> dict[str, FeatureSet]:
    """Return the feature sets by name, the default first."""
    raw = yaml.safe_load((files("survbench.features") / "feature_sets.yaml").read_text(encoding="utf-8"))
    return {name: FeatureSet.model_validate({"name": name, **block}) for name, block in raw["sets"].items()}


def feature_set(name: str, modalities: Iterable[Modality] = ()) -> FeatureSet:
    """Return a feature set by name, for images of these modalities.

    Raises:
        UnknownNameError: there is no such set.
        BenchError: the set has no grey levels for one of the modalities.
    """
    if name not in feature_sets():
        raise UnknownNameError("feature set", name, feature_sets(), see="'bench list feature-sets'")
    chosen = feature_sets()[name]
    for modality in modalities:
        chosen.bins.settings(modality)
    return chosen


def settings_fingerprint(feature_set: FeatureSet) -> str:
    """Return a hash of everything that determines the values: names, settings, and the versions of the extraction and
    of the libraries that compute them.
    """
    settings = feature_set.model_dump(mode="json", exclude={"name", "title", "why"})
    return digest([EXTRACTION_VERSION, settings, _backend()])


@cache
def _backend() -> dict[str, str]:
    return {package: version(package) for package in ("pyradiomics-bhklab", "PyWavelets")}
