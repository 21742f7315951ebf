"""What all learners on tables share: which columns they take, and which of those they keep."""

from __future__ import annotations

from typing import TypedDict

from survbench.cohort import Cohort
from survbench.models.learners.design import Design


class Columns(TypedDict, total=False):
    """Arguments of :class:`TableLearner`, which its subclasses pass on."""

    source: str
    redundancy: float
    screening: float | None


class TableLearner:
    """A learner on the columns of a source.

    Args:
        source: name of the source of the columns, one of :data:`survbench.features.sources.SOURCES`.
        redundancy: largest ``|Spearman's rho|`` that two features may have; clinical columns are exempt.
        screening: false-discovery rate (Benjamini and Hochberg) of a univariate Cox test before that; None for no test.
    """

    def __init__(self, *, source: str = "radiomics", redundancy: float = 0.7, screening: float | None = None) -> None:
        self.source = source
        self.redundancy = redundancy
        self.screening = screening

    def _design(self, train: Cohort) -> Design:
        """Return the design that the training fold gives."""
        return Design.fit(train, source=self.source, redundancy=self.redundancy, screening=self.screening)
