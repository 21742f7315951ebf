"""What a search for hyper-parameters has found, and the file that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from survbench.errors import BenchError
from survbench.io.config import Stored
from survbench.io.files import write_json
from survbench.io.layout import TUNED
from survbench.io.stored import read_stored


class Trial(Stored):
    """What came of one set of hyper-parameters; ``value`` is None where it failed or was given up early."""

    number: int
    params: Mapping[str, Any]
    state: str
    value: float | None
    steps: Mapping[str, float]
    error: str = ""


class Tuned(Stored):
    """A finished search: the trials in their order, and the params of the best one (of equals the first)."""

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The complete trial with the highest score.

        Raises:
            BenchError: no trial was completed.
        """
        if not self.scored:
            reasons = {t.error for t in self.trials if t.error}
            raise BenchError(f"None of {len(self.trials)} tuning trials could be scored: {'; '.join(sorted(reasons))}")
        return max(self.scored, key=lambda t: (t.value, -t.number))

    @property
    def scored(self) -> tuple[Trial, ...]:
        """The trials that have a score, in their order."""
        return tuple(t for t in self.trials if t.value is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the search as JSON: ``best_params``, ``best_value``, ``trials``."""
        best = self.best
        return {"best_params": best.params, "best_value": best.value, **self.model_dump(mode="json")}


def write_tuned(folder: Path, tuned: Tuned) -> None:
    """Write ``tuned.json``: ``best_params``, ``best_value``, ``trials``."""
    write_json(folder / TUNED, tuned.to_json())


def read_tuned(folder: Path) -> Tuned:
    """Return what :func:`write_tuned` wrote."""
    return read_stored(folder / TUNED, Tuned.model_validate)
