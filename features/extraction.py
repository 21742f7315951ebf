"""A patient's radiomics, and the file that stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from survbench.io.files import finite, write_json
from survbench.io.hashing import digest
from survbench.io.layout import CACHE
from survbench.io.stored import UnreadableError, matching, read_stored

RADIOMICS = "radiomics"
"""Folder of the cache."""
WAVELET_REACH = 3
"""Voxels beyond the mask that coif1 uses (6 taps); at the border of the grid, it continues at the opposite border."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """A patient's features and what is needed to judge them.

    Attributes:
        values: features by name; NaN for a feature that does not exist.
        grey_levels: number of grey levels in the mask, by image: ``<channel>_<image>``.
        constant: images with a single intensity in the mask.
        margin: number of voxels between the mask and the border of the grid; 0 if the mask touches it.
    """

    values: Mapping[str, float]
    grey_levels: Mapping[str, int]
    constant: tuple[str, ...]
    margin: int

    @property
    def absent(self) -> bool:
        """Whether no feature exists, because the patient does not have the structure."""
        return not np.isfinite(list(self.values.values())).any()


def structure_column(structure: str, feature: str) -> str:
    """Return the name of a structure's feature in a table that holds those of several.

    >>> structure_column("gtvn", "shape_Sphericity")
    'gtvn_shape_Sphericity'
    """
    return f"{structure}_{feature}"


def with_structures(of_mask: Extraction, structures: Mapping[str, Extraction]) -> Extraction:
    """Return the features of the tumour mask and, behind them, those of each structure, named after it."""
    values, levels, constant = dict(of_mask.values), dict(of_mask.grey_levels), [*of_mask.constant]
    for name, own in structures.items():
        values |= {structure_column(name, feature): value for feature, value in own.values.items()}
        levels |= {structure_column(name, image): count for image, count in own.grey_levels.items()}
        constant += [structure_column(name, image) for image in own.constant]
    margin = min(one.margin for one in (of_mask, *structures.values()))
    return Extraction(values, levels, tuple(constant), margin)


def absent_structure(names: Sequence[str]) -> Extraction:
    """Return the features of a structure that a patient does not have: none of them exists."""
    return Extraction(dict.fromkeys(names, np.nan), {}, (), WAVELET_REACH)


def radiomics_path(out: Path, key: str) -> Path:
    """Return the path of a patient's stored features."""
    return out / CACHE / RADIOMICS / key[:2] / f"{key}.json"


def write_radiomics(out: Path, key: str, extraction: Extraction) -> None:
    """Store a patient's features; a non-finite one becomes null."""
    path = radiomics_path(out, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "values": json_values(extraction.values),
        "grey_levels": dict(extraction.grey_levels),
        "constant": list(extraction.constant),
        "margin": extraction.margin,
    }
    write_json(path, {"sha256": digest(content), "content": content})


def json_values(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return features in JSON form: None for values that are not finite."""
    return {name: finite(v) for name, v in values.items()}


def read_radiomics(out: Path, key: str) -> Extraction | None:
    """Return a patient's features, or None if they are missing or damaged."""
    try:
        return read_stored(radiomics_path(out, key), lambda raw: _extraction(matching(raw, "content")))
    except (FileNotFoundError, UnreadableError):
        return None


def _extraction(content: Mapping[str, Any]) -> Extraction:
    values = {name: np.nan if v is None else v for name, v in content["values"].items()}
    return Extraction(values, content["grey_levels"], tuple(content["constant"]), content["margin"])
