"""The paper's handcrafted features by pyradiomics: 80 per image, 9 images per channel, and 16 of the shape.

With PET and CT that is 80 x 9 x 2 + 16 = 1456 (DeepMTS, section 4.3). They are taken on the preprocessed grid in SUV
and HU, before any z-score.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.hashing import digest
from survbench.volume import Volume

if TYPE_CHECKING:
    from SimpleITK import Image

IMAGE_TYPES = ("original", *(f"wavelet-{x}{y}{z}" for x in "LH" for y in "LH" for z in "LH"))
CLASSES: Mapping[str, tuple[str, ...]] = {
    "firstorder": (
        "10Percentile", "90Percentile", "Energy", "Entropy", "InterquartileRange", "Kurtosis", "Maximum",
        "MeanAbsoluteDeviation", "Mean", "Median", "Minimum", "Range", "RobustMeanAbsoluteDeviation",
        "RootMeanSquared", "Skewness", "StandardDeviation", "TotalEnergy", "Uniformity", "Variance",
    ),
    "glcm": (
        "Autocorrelation", "ClusterProminence", "ClusterShade", "ClusterTendency", "Contrast", "Correlation",
        "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance", "Id", "Idm", "Idmn", "Idn", "Imc1", "Imc2",
        "InverseVariance", "JointAverage", "JointEnergy", "JointEntropy", "MCC", "MaximumProbability", "SumAverage",
        "SumEntropy", "SumSquares",
    ),
    "glrlm": (
        "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "GrayLevelVariance", "HighGrayLevelRunEmphasis",
        "LongRunEmphasis", "LongRunHighGrayLevelEmphasis", "LongRunLowGrayLevelEmphasis", "LowGrayLevelRunEmphasis",
        "RunEntropy", "RunLengthNonUniformity", "RunLengthNonUniformityNormalized", "RunPercentage", "RunVariance",
        "ShortRunEmphasis", "ShortRunHighGrayLevelEmphasis", "ShortRunLowGrayLevelEmphasis",
    ),
    "glszm": (
        "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "GrayLevelVariance",
        "HighGrayLevelZoneEmphasis", "LargeAreaEmphasis", "LargeAreaHighGrayLevelEmphasis",
        "LargeAreaLowGrayLevelEmphasis", "LowGrayLevelZoneEmphasis", "SizeZoneNonUniformity",
        "SizeZoneNonUniformityNormalized", "SmallAreaEmphasis", "SmallAreaHighGrayLevelEmphasis",
        "SmallAreaLowGrayLevelEmphasis", "ZoneEntropy", "ZonePercentage", "ZoneVariance",
    ),
    "ngtdm": ("Busyness", "Coarseness", "Complexity", "Contrast", "Strength"),
}  # fmt: skip
SHAPE = (
    "Compactness1", "Compactness2", "Elongation", "Flatness", "LeastAxisLength", "MajorAxisLength",
    "Maximum2DDiameterColumn", "Maximum2DDiameterRow", "Maximum2DDiameterSlice", "Maximum3DDiameter", "MeshVolume",
    "MinorAxisLength", "Sphericity", "SphericalDisproportion", "SurfaceArea", "SurfaceVolumeRatio",
)  # fmt: skip
"""The 16 behind the printed number: pyradiomics' 14 without VoxelVolume and with its three deprecated ones."""

BIN_COUNT = 32
"""Grey levels of textures: fixed, because the sub-bands of a wavelet have ranges of very different size."""
SETTINGS: Mapping[str, Any] = {
    "binCount": BIN_COUNT,
    "wavelet": "coif1",
    "label": 1,
    "preCrop": True,
    "padDistance": 5,
    "minimumROIDimensions": 1,
    "force2D": False,
}
"""Cropping to the mask and 5 voxels around it leaves every value as it is: coif1 reaches 3 voxels."""

log = logging.getLogger(__name__)


def settings_fingerprint() -> str:
    """Return what identifies the features: names, settings, and the version of pyradiomics."""
    names = {name: list(features) for name, features in CLASSES.items()}
    return digest([dict(SETTINGS), names, list(SHAPE), list(IMAGE_TYPES), version("pyradiomics-bhklab")])


def feature_names(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the names of all features in their order.

    >>> len(feature_names(["pet", "ct"]))
    1456
    """
    textures = (
        f"{channel}_{image}_{group}_{name}"
        for channel in channels
        for image in IMAGE_TYPES
        for group, names in CLASSES.items()
        for name in names
    )
    return (*textures, *(f"shape_{name}" for name in SHAPE))


def extract(subject: Subject) -> dict[str, float]:
    """Return a patient's features by name, in the order of :func:`feature_names`.

    A value that does not exist (the texture of a single voxel, say) is NaN; its name is logged.

    Args:
        subject: image channels and ``mask`` on one grid.

    Raises:
        ValueError: the mask is empty.
    """
    mask = subject.volumes["mask"]
    tumour = np.asarray(mask.voxels(), dtype=bool)
    if not tumour.any():
        raise ValueError(f"the mask of {subject.id} is empty")
    if _touches_border(tumour):
        log.warning("%s: the mask touches the border of the grid; wavelet features there are less exact", subject.id)
    channels = [name for name in subject.volumes if name != "mask"]
    label = _image(tumour.astype(np.uint8), mask)
    values: dict[str, float] = {}
    for number, channel in enumerate(channels):
        image = subject.volumes[channel]
        voxels = _image(np.asarray(image.voxels(), dtype=np.float64), image)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing, which become NaN and are named below
            found = _extractor(shape=number == 0).execute(voxels, label)
        for name, value in found.items():
            kind, group, feature = name.split("_", 2)
            if group == "shape":
                values[f"shape_{feature}"] = _number(value)
            elif kind in IMAGE_TYPES:
                values[f"{channel}_{name}"] = _number(value)
    names = feature_names(channels)
    missing = [n for n in names if not np.isfinite(values.get(n, np.nan))]
    if missing:
        log.warning("%s: %d features do not exist, such as %s", subject.id, len(missing), missing[0])
    return {name: values.get(name, np.nan) for name in names}


@cache
def _extractor(*, shape: bool) -> Any:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.ERROR)
    extractor = RadiomicsFeatureExtractor(**SETTINGS)
    extractor.disableAllImageTypes()
    extractor.enableImageTypes(Original={}, Wavelet={})
    extractor.disableAllFeatures()
    groups = {name: list(features) for name, features in CLASSES.items()}
    extractor.enableFeaturesByName(**groups, **({"shape": list(SHAPE)} if shape else {}))
    return extractor


def _image(voxels: NDArray[Any], volume: Volume) -> Image:
    from SimpleITK import GetImageFromArray

    image = GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
    image.SetSpacing(volume.spacing)  # type: ignore[no-untyped-call]
    return image


def _number(value: Any) -> float:
    """Return a feature as float; on some versions of numpy a few come as complex numbers without imaginary part."""
    return float(np.real(np.asarray(value)).item())


def _touches_border(mask: NDArray[np.bool_]) -> bool:
    return any(bool(mask.take(edge, axis=axis).any()) for axis in range(3) for edge in (0, -1))
