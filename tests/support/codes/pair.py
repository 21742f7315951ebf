"""Two inputs for a code: one that trips it, and one near it that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from survbench.datasets.cohorts.validate import validate_named
from survbench.findings import Finding, Stated

Found = Iterable[Finding | Stated]


@dataclass(frozen=True, slots=True)
class Pair:
    """Each makes its input in an empty folder and returns what is found in it; ``of_cohort``: by ``validate_named``."""

    trips: Callable[[Path], Found]
    passes: Callable[[Path], Found]
    of_cohort: bool


class Pairs(dict[str, Pair]):
    """The pairs of a part, by code."""

    def of(self, code: str, *, of_cohort: bool = False):
        """Add the pair of a function of an empty folder and of whether the input is to be wrong."""

        def add(found: Callable[[Path, bool], Found]):
            assert code not in self, f"{code} has two pairs"
            self[code] = Pair(partial(found, wrong=True), partial(found, wrong=False), of_cohort)
            return found

        return add

    def of_cohort(self, code: str):
        """Add the pair of a function that writes a cohort into the folder."""

        def add(write: Callable[[Path, bool], object]):
            def found(folder: Path, wrong: bool) -> Found:
                write(folder, wrong=wrong)
                return validate_named(str(folder)).findings

            self.of(code, of_cohort=True)(found)
            return write

        return add
