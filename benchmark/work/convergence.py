"""Watches convergence on a test fold: predictions are kept while a method trains. Masks are scored after it has
finished, risks by the process that started the job: this one does not know the outcomes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import UnlabelledCohort
from survbench.io.arrays import read_arrays
from survbench.runs.completion import CurvePoint
from survbench.statistics.metrics import dice, soft_dice_loss

log = logging.getLogger(__name__)


class FileMonitor:
    """Keeps risks and tumour probabilities (as float16) in a folder that survives a killed fit.

    It holds no outcome and no mask, so a method that looks into it finds only its own predictions.
    """

    def __init__(self, cohort: UnlabelledCohort, folder: Path) -> None:
        self.cohort = cohort
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def record(
        self,
        step: int,
        *,
        risk: NDArray[np.float64] | None = None,
        probability: Iterable[NDArray[np.float32]] | None = None,
    ) -> None:
        """Keep what a method predicts for ``cohort`` after ``step``."""
        if risk is not None:
            np.savez(self.folder / f"{step}.risk.npz", values=np.asarray(risk, dtype=np.float64))
        for row, image in enumerate(() if probability is None else probability):
            np.savez(self.folder / f"{step}.{row}.probability.npz", values=np.asarray(image, dtype=np.float16))


def recorded_risks(folder: Path) -> dict[int, NDArray[np.float64]]:
    """Return the risks of the test fold at every recorded step. A damaged file is named in a warning and left out."""
    found = {_step(path): _read(path) for path in folder.glob("*.risk.npz")}
    return {step: risk for step, risk in found.items() if risk is not None}


def score_masks(folder: Path, masks: list[NDArray[np.bool_]]) -> Iterator[tuple[CurvePoint, float]]:
    """Yield L_seg and Dice of the test fold at every recorded step of which no file is damaged."""
    for step in sorted({_step(p) for p in folder.glob("*.probability.npz")}):
        read = [_read(folder / f"{step}.{row}.probability.npz") for row in range(len(masks))]
        images = [image for image in read if image is not None]
        if len(images) < len(masks):
            continue
        pairs = [(image.astype(np.float32), mask) for image, mask in zip(images, masks, strict=True)]
        yield (step, "test", "L_seg"), float(np.mean([soft_dice_loss(p, m) for p, m in pairs]))
        yield (step, "test", "Dice"), float(np.mean([dice(p > 0.5, m) for p, m in pairs]))


def _read(path: Path) -> NDArray[Any] | None:
    try:
        (values,) = read_arrays(path, "values")
    except OSError as error:
        log.warning("%s; the curves have a gap there", error)
        return None
    return values


def _step(path: Path) -> int:
    return int(path.name.split(".")[0])


class Curves:
    """Collects what a fit reports, and tells the run's progress through a small file."""

    def __init__(self, progress: Path, *, total: int) -> None:
        self.points: dict[CurvePoint, float] = {}
        self._progress = progress
        self._total = total
        self._told = 0.0

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values of a step; a resumed fit may report a step again."""
        for metric, value in values.items():
            self.points[step, "train", metric] = float(value)
        if time.monotonic() - self._told > 1.0:
            self._told = time.monotonic()
            self._progress.write_text(f"{step}/{self._total}", encoding="utf-8")
