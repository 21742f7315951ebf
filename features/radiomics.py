"""Handcrafted features of the masked tumour by pyradiomics, on the preprocessed grid in SUV and HU, before any z-score.

A :class:`~survbench.features.feature_sets.FeatureSet` defines the features, the images and the grey levels.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.features.extraction import Extraction, absent_structure
from survbench.features.feature_sets import FeatureSet
from survbench.volume import Volume

if TYPE_CHECKING:
    from SimpleITK import Image

PAD = 5
"""Voxels kept around the mask. More than the wavelet's reach, so cropping does not change any value."""
BASE_SETTINGS: Mapping[str, Any] = {"label": 1, "distances": [1], "force2D": False}
"""Three dimensions, neighbours at distance 1 in 13 directions, averaged: pyradiomics' defaults, made explicit."""


@dataclass(frozen=True, slots=True)
class _Region:
    """The location of the tumour.

    Attributes:
        window: the part of the grid that is kept.
        mask: the tumour in the window, in pyradiomics' form.
        box: its bounding box in the window: first and last voxel along x, y and z.
        margin: number of voxels between the tumour and the border of the grid.
    """

    window: tuple[slice, ...]
    mask: Image
    box: NDArray[np.intp]
    margin: int

    @classmethod
    def around(cls, mask: Volume, pad: int | None) -> Self:
        """Return the region of a mask with ``pad`` voxels around it, or with the whole grid if ``pad`` is None."""
        tumour = np.asarray(mask.voxels(), dtype=bool)
        voxels = int(np.count_nonzero(tumour))
        if voxels < 2:
            raise ValueError(f"the mask is {'a single voxel' if voxels else 'empty'}")
        along = [np.flatnonzero(tumour.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        first, last = np.array([a[0] for a in along]), np.array([a[-1] for a in along])
        start = np.zeros(3, dtype=np.intp) if pad is None else np.maximum(first - pad, 0)
        stop = np.array(tumour.shape) if pad is None else last + 1 + pad
        window = tuple(map(slice, start.tolist(), stop.tolist()))
        return cls(
            window=window,
            mask=_image(tumour[window].astype(np.uint8), mask),
            box=np.column_stack([first - start, last - start]).ravel(),
            margin=int(min(first.min(), (np.array(tumour.shape) - 1 - last).min())),
        )

    def image(self, volume: Volume) -> Image:
        """Return a channel's voxels in the window."""
        return _image(np.asarray(volume.voxels()[self.window], dtype=np.float64), volume)

    def crop(self, image: Image) -> tuple[Image, Image]:
        """Return image and mask within the bounding box, as feature classes expect them."""
        from radiomics.imageoperations import cropToTumorMask

        cropped: tuple[Image, Image] = cropToTumorMask(image, self.mask, self.box)
        return cropped


@dataclass(slots=True)
class _Collected:
    values: dict[str, float] = field(default_factory=dict)
    grey_levels: dict[str, int] = field(default_factory=dict)
    constant: list[str] = field(default_factory=list)


def extract(subject: Subject, feature_set: FeatureSet, *, pad: int | None = PAD) -> Extraction:
    """Return a patient's features, in the order of :meth:`FeatureSet.names`.

    Args:
        subject: image channels and ``mask`` on one grid.
        feature_set: the features, and the grey levels of textures.
        pad: number of voxels around the mask for wavelets; None for the whole image, which gives the same values.

    Raises:
        ValueError: the mask is empty or a single voxel.
        BenchError: the set has no grey levels for one of the modalities.
    """
    _quiet()
    region = _Region.around(subject.volumes["mask"], pad)
    channels = [name for name in subject.volumes if name != "mask"]
    found = _Collected()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of empty sets, which become NaN
        for channel in channels:
            _extract_channel(channel, subject.volumes[channel], region, feature_set, found)
        image = region.image(
            subject.volumes[channels[0]]
        )  # only for its spacing; shape features depend only on the mask
        shape_features = _computed("shape", feature_set.shape, region.crop(image), BASE_SETTINGS)
        found.values.update({f"shape_{name}": _number(value) for name, value in shape_features.featureValues.items()})
    values = {name: found.values.get(name, np.nan) for name in feature_set.names(channels)}
    return Extraction(values, found.grey_levels, tuple(found.constant), region.margin)


def extract_structure(subject: Subject, mask: Volume, feature_set: FeatureSet) -> Extraction:
    """Return the features of a structure, as :func:`extract` does of the tumour mask. Fewer than two voxels have no
    features: all are NaN, as for a structure that the patient does not have.

    Args:
        subject: image channels on one grid.
        mask: the structure on that grid.
        feature_set: the features.
    """
    channels = {name: volume for name, volume in subject.volumes.items() if name != "mask"}
    if np.count_nonzero(mask.voxels()) < 2:
        return absent_structure(feature_set.names([*channels]))
    return extract(replace(subject, volumes={**channels, "mask": mask}), feature_set)


def _quiet() -> None:
    """Silence pyradiomics, whose import sets its logger's level: failed features become NaN and are reported."""
    import radiomics  # noqa: F401

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)


def _extract_channel(channel: str, volume: Volume, region: _Region, feature_set: FeatureSet, found: _Collected) -> None:
    settings = {**BASE_SETTINGS, "wavelet": feature_set.wavelet, **feature_set.bins.settings(volume.modality)}
    for filtered, kind in _images(region.image(volume), region.mask, settings, feature_set.images):
        name = f"{channel}_{kind}"
        cropped = region.crop(filtered)
        for group, features in feature_set.features.items():
            computed = _computed(group, features, cropped, settings)
            for feature, value in computed.featureValues.items():
                found.values[f"{name}_{group}_{feature}"] = _number(value)
            found.grey_levels[name] = len(computed.coefficients["grayLevels"])
        if _is_constant(*cropped):
            found.constant.append(name)


def _images(
    image: Image, mask: Image, settings: Mapping[str, Any], wanted: Sequence[str]
) -> Iterator[tuple[Image, str]]:
    from radiomics.imageoperations import getWaveletImage

    if "original" in wanted:
        yield image, "original"
    if set(wanted) - {"original"}:
        yield from ((found, kind) for found, kind, _ in getWaveletImage(image, mask, **settings) if kind in wanted)


def _computed(group: str, features: tuple[str, ...], cropped: tuple[Image, Image], settings: Mapping[str, Any]) -> Any:
    """Return pyradiomics' object for a feature class after it has computed ``features``."""
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
    image.SetSpacing(volume.spacing)
    return image


def _number(value: Any) -> float:
    """Return a feature as float; some numpy versions return a few as complex numbers with zero imaginary part."""
    return float(np.real(np.asarray(value)).item())
