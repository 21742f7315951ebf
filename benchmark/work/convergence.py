"""Watches convergence on a test fold: predictions are kept while a method trains and scored after it has finished."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import UnlabelledCohort
from survbench.statistics.metrics import concordance_index, cox_loss, dice, soft_dice_loss

CurveRow = tuple[int, str, str, float]
"""(step, split, metric, value)"""


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
            np.save(self.folder / f"{step}.risk.npy", np.asarray(risk, dtype=np.float64))
        for row, image in enumerate(() if probability is None else probability):
            np.save(self.folder / f"{step}.{row}.probability.npy", np.asarray(image, dtype=np.float16))


def score(
    folder: Path, time: NDArray[np.float64], event: NDArray[np.bool_], masks: list[NDArray[np.bool_]] | None
) -> Iterator[CurveRow]:
    """Yield L_sur, C, L_seg and Dice of the test fold at every recorded step."""
    for path in sorted(folder.glob("*.risk.npy"), key=_step):
        risk = np.load(path, allow_pickle=False)
        yield _step(path), "test", "L_sur", cox_loss(time, event, risk)
        yield _step(path), "test", "C", concordance_index(time, event, risk).value
    if masks is None:
        return
    for step in sorted({_step(p) for p in folder.glob("*.probability.npy")}):
        images = [np.load(folder / f"{step}.{row}.probability.npy", allow_pickle=False) for row in range(len(masks))]
        pairs = [(image.astype(np.float32), mask) for image, mask in zip(images, masks, strict=True)]
        yield step, "test", "L_seg", float(np.mean([soft_dice_loss(p, m) for p, m in pairs]))
        yield step, "test", "Dice", float(np.mean([dice(p > 0.5, m) for p, m in pairs]))


def _step(path: Path) -> int:
    return int(path.name.split(".")[0])


class Curves:
    """Collects what a fit reports, and tells the run's progress through a small file."""

    def __init__(self, progress: Path, *, total: int) -> None:
        self._rows: dict[tuple[int, str, str], float] = {}
        self._progress = progress
        self._total = total
        self._told = 0.0

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values of a step; a resumed fit may report a step again."""
        for metric, value in values.items():
            self._rows[step, "train", metric] = float(value)
        if time.monotonic() - self._told > 1.0:
            self._told = time.monotonic()
            self._progress.write_text(f"{step}/{self._total}", encoding="utf-8")

    def extend(self, rows: Iterator[CurveRow]) -> None:
        """Add rows that the harness has scored."""
        for step, split, metric, value in rows:
            self._rows[step, split, metric] = value

    def write(self, path: Path) -> None:
        """Write all rows, ordered."""
        import pandas as pd

        rows = [(*key, value) for key, value in sorted(self._rows.items())]
        table = pd.DataFrame(rows, columns=["step", "split", "metric", "value"])
        table.astype({"step": "int64", "split": "string", "metric": "string", "value": "float64"}).to_parquet(path)
