"""The table of predictions of a run: one writer and one reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS = "predictions.parquet"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What a run predicted, without outcomes; a row per patient, NaN for what is not predicted.

    Attributes:
        ids: of the patients.
        fold, seed: of the run.
        role: see :class:`survbench.io.layout.Role`.
        centres: of the patients.
        risk, dice, hd95: shape (n,); None where the method does not give them.
        survival: at :data:`survbench.api.SURVIVAL_MONTHS`, shape (n, months), or None.
    """

    ids: Sequence[str]
    fold: int
    seed: int
    role: str
    centres: Sequence[str]
    risk: Floats | None = None
    dice: Floats | None = None
    hd95: Floats | None = None
    survival: Sequence[Any] | Floats | None = None

    def write(self, folder: Path, time: Floats, event: NDArray[np.bool_]) -> None:
        """Write ``predictions.parquet`` into a run's folder, with the outcomes.

        Args:
            folder: the run's.
            time: months, shape (n,).
            event: shape (n,).
        """
        import pandas as pd

        absent = np.full(len(self.ids), np.nan)
        table = pd.DataFrame(
            {
                "id": pd.array(list(self.ids), dtype="string"),
                "fold": np.int64(self.fold),
                "seed": np.int64(self.seed),
                "role": pd.array([self.role] * len(self.ids), dtype="string"),
                "time": time,
                "event": event,
                "centre": pd.array(list(self.centres), dtype="string"),
                "risk": absent if self.risk is None else self.risk,
                "dice": absent if self.dice is None else self.dice,
                "hd95": absent if self.hd95 is None else self.hd95,
                "survival": [None] * len(self.ids) if self.survival is None else list(self.survival),
            }
        )
        table.to_parquet(folder / PREDICTIONS)


def read_predictions(folder: Path) -> pd.DataFrame:
    """Return the table of a run: ``id fold seed role time event centre risk dice hd95 survival``."""
    import pandas as pd

    return pd.read_parquet(folder / PREDICTIONS)
