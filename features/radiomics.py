"""Handcrafted features of the masked tumour by pyradiomics, on the preprocessed grid in SUV and HU, before any z-score.

Which ones, of which images and with which grey levels is a :class:`~survbench.features.feature_sets.FeatureSet`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.features.feature_sets import FeatureSet
from survbench.volume import Volume

if TYPE_CHECKING:
    from SimpleITK import Image

WAVELET_REACH = 3
"""Voxels that coif1 looks beyond the mask (6 taps); past the border of the grid it goes on at the opposite one."""
PAD = 5
"""Voxels around the mask that are kept. More than the wavelet's reach, so cropping leaves every value as it is."""
BASE_SETTINGS: Mapping[str, Any] = {"label": 1, "distances": [1], "force2D": False}
"""Three dimensions, neighbours at distance 1 in 13 directions, averaged: pyradiomics' defaults, spelt out."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """A patient's features and what a reader must know to trust them.

    Attributes:
        values: features by name; NaN for one that does not exist.
        grey_levels: how many grey levels the mask holds in each image, by ``<channel>_<image>``.
        constant: images that have one intensity in the mask.
        margin: voxels between the mask and the border of the grid; 0 for a mask that touches it.
    """

    values: Mapping[str, float]
    grey_levels: Mapping[str, int]
    constant: tuple[str, ...]
    margin: int


@dataclass(frozen=True, slots=True)
class _Region:
    """The mask as pyradiomics takes it, and its bounding box: first and last voxel along x, y and z."""

    mask: Image
    box: NDArray[np.intp]

    def crop(self, image: Image) -> tuple[Image, Image]:
        """Return image and mask within the bounding box: what feature classes take."""
        from radiomics.imageoperations import cropToTumorMask

        cropped: tuple[Image, Image] = cropToTumorMask(image, self.mask, self.box)
        return cropped


@dataclass(slots=True)
class _Found:
    values: dict[str, float] = field(default_factory=dict)
    grey_levels: dict[str, int] = field(default_factory=dict)
    constant: list[str] = field(default_factory=list)


def extract(subject: Subject, chosen: FeatureSet, *, pad: int | None = PAD) -> Extraction:
    """Return a patient's features, in the order of :meth:`FeatureSet.names`.

    Args:
        subject: image channels and ``mask`` on one grid.
        chosen: the features, and the grey levels of textures.
        pad: voxels around the mask that wavelets see; None for the whole image, which gives the same values.

    Raises:
        ValueError: the mask is empty or a single voxel.
        BenchError: the set has no grey levels for one of the modalities.
    """
    tumour = np.asarray(subject.volumes["mask"].voxels(), dtype=bool)
    voxels = int(np.count_nonzero(tumour))
    if voxels < 2:
        raise ValueError(f"the mask of {subject.id} is {'a single voxel' if voxels else 'empty'}")
    low, high = _bounds(tumour)
    margin = min(int(low.min()), int((np.array(tumour.shape) - high).min()))
    window = (slice(None),) * 3
    if pad is not None:
        window = tuple(slice(max(0, a - pad), b + pad) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    _quiet()
    channels = [name for name in subject.volumes if name != "mask"]
    region = _Region(
        mask=_image(tumour[window].astype(np.uint8), subject.volumes["mask"]),
        box=np.column_stack([low, high - 1]).ravel() - np.repeat([w.start or 0 for w in window], 2),
    )
    found = _Found()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing, which become NaN
        for channel in channels:
            volume = subject.volumes[channel]
            image = _image(np.asarray(volume.voxels()[window], dtype=np.float64), volume)
            settings = {**BASE_SETTINGS, "wavelet": chosen.wavelet, **chosen.bins.settings(volume.modality)}
            _of_channel(channel, image, region, settings, chosen, found)
        if chosen.shape and channels:
            of_shape = _computed("shape", chosen.shape, region.crop(image), BASE_SETTINGS)
            found.values.update({f"shape_{name}": _number(value) for name, value in of_shape.featureValues.items()})
    values = {name: found.values.get(name, np.nan) for name in chosen.names(channels)}
    return Extraction(values, found.grey_levels, tuple(found.constant), margin)


def _quiet() -> None:
    """Silence pyradiomics, whose import sets its logger's level: what fails becomes NaN, and the report names it."""
    import radiomics  # noqa: F401

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)


def _of_channel(
    channel: str, image: Image, region: _Region, settings: Mapping[str, Any], chosen: FeatureSet, found: _Found
) -> None:
    for filtered, kind in _images(image, region.mask, settings):
        if kind not in chosen.images:
            continue
        name = f"{channel}_{kind}"
        cropped = region.crop(filtered)
        for group, features in chosen.features.items():
            computed = _computed(group, features, cropped, settings)
            for feature, value in computed.featureValues.items():
                found.values[f"{name}_{group}_{feature}"] = _number(value)
            found.grey_levels[name] = len(computed.coefficients["grayLevels"])
        if _is_constant(*cropped):
            found.constant.append(name)


def _images(image: Image, mask: Image, settings: Mapping[str, Any]) -> Iterator[tuple[Image, str]]:
    from radiomics.imageoperations import getWaveletImage

    yield image, "original"
    for filtered, kind, _ in getWaveletImage(image, mask, **settings):
        yield filtered, kind


def _computed(group: str, features: tuple[str, ...], cropped: tuple[Image, Image], settings: Mapping[str, Any]) -> Any:
    """Return pyradiomics' object of a feature class after it has computed ``features``."""
    from radiomics import getFeatureClasses

    computed = getFeatureClasses()[group](*cropped, **settings)
    for feature in features:
        computed.enableFeatureByName(feature)
    computed.execute()
    return computed


def _is_constant(image: Image, mask: Image) -> bool:
    from SimpleITK import GetArrayViewFromImage

    inside = GetArrayViewFromImage(image)[GetArrayViewFromImage(mask) == 1]
    return bool(inside.min() == inside.max())


def _image(voxels: NDArray[Any], volume: Volume) -> Image:
    from SimpleITK import GetImageFromArray

    image = GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
    image.SetSpacing(volume.spacing)  # type: ignore[no-untyped-call]
    return image


def _bounds(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first voxel of the mask along each axis, and the one after the last."""
    along = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return np.array([a[0] for a in along]), np.array([a[-1] + 1 for a in along])


def _number(value: Any) -> float:
    """Return a feature as float; on some versions of numpy a few come as complex numbers without imaginary part."""
    return float(np.real(np.asarray(value)).item())
