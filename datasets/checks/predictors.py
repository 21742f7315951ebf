"""Checks of the predictors other than images: features and clinical columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from survbench.datasets.cards.source import SourceCohort, offers
from survbench.datasets.checks.kinds import CohortCheck, InputCheck
from survbench.datasets.checks.leaks import blank_by_events
from survbench.errors import BenchError
from survbench.features.feature_sets import feature_set
from survbench.findings import Finding, things

SHOWN = 5
"""Largest number of columns that a sentence names."""
MISSING_SHARE = 0.2


def few(names: Sequence[str]) -> str:
    """Return the first few names as text for a sentence."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


class UnusableClinicalCell(InputCheck):
    """A cell of a clinical column is not a number, or not one of the levels that the card lists."""

    code = "SB301"
    severity = "error"
    part = "predictors"
    title = "A clinical cell does not fit its column"
    remedy = "Correct the cells, or add the level to the card."
    needs = "columns"
    sections = ("clinical",)
    counts = "cells"


class UnknownFeatureColumn(InputCheck):
    """A name or pattern under ``features`` matches no column of the table, or no column remains as a feature."""

    code = "SB302"
    severity = "error"
    part = "predictors"
    title = "A name or pattern under features matches no column"
    needs = "features"
    sections = ("features",)
    remedy = "Correct the name or the pattern."


class DeclaredTwice(InputCheck):
    """A feature is also the id, the outcome or a clinical column, or has the name of one."""

    code = "SB303"
    severity = "error"
    part = "predictors"
    title = "A feature is also declared as something else"
    remedy = "Name it in features.exclude, or remove it from the other place on the card."
    needs = "features"
    sections = ("features",)


class NoFeatureRow(InputCheck):
    """A patient has no row in the feature table, has more than one row, or has a row without a value."""

    code = "SB304"
    severity = "error"
    part = "predictors"
    title = "A patient has no row in the feature table"
    remedy = "Add the row, or name the patient under patients.without on the card."
    needs = "features"
    sections = ("features",)


class TextColumns(InputCheck):
    """Columns that are declared as features hold text: pyradiomics exports begin with some text columns."""

    code = "SB310"
    severity = "error"
    part = "predictors"
    title = "Feature columns hold no numbers"
    remedy = "Name them in features.exclude."
    needs = "features"
    sections = ("features",)


class FeatureNotNumber(InputCheck):
    """A cell of a feature is neither a number nor missing."""

    code = "SB305"
    severity = "error"
    part = "predictors"
    title = "A feature is not a number"
    needs = "features"
    sections = ("features",)
    remedy = "Correct the cells; leave them blank where the value is missing."
    counts = "cells"


class MissingValues(CohortCheck):
    """A clinical column that methods get, or a feature, is missing in more than a fifth of the patients.

    Columns whose values are missing because of an event are not counted: see SB306 and SB314.
    """

    code = "SB307"
    severity = "warning"
    part = "predictors"
    title = "Many values are missing"
    remedy = "Fill in the values, or leave them to be imputed in the training folds."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        cohort = source.cohort
        afterwards = blank_by_events(source)
        for column in source.card.clinical:
            if not column.model or column.column in afterwards:
                continue
            values = [s.clinical.get(column.name) for s in cohort.subjects]
            missing = sum(v is None for v in values)
            if missing > MISSING_SHARE * len(values):
                yield self.finding(f"Column {column.column!r} is missing in {missing} of {len(values)} patients.")
        if cohort.features is not None:
            share = (~np.isfinite(cohort.features.values)).mean(axis=0)
            gaps = [name for name, s in zip(cohort.features.names, share, strict=True) if s > MISSING_SHARE]
            gaps = [name for name in gaps if name not in afterwards]
            if gaps:
                many = f"missing in more than {MISSING_SHARE:.0%} of patients: {few(gaps)}"
                yield self.finding(f"{things(len(gaps), 'feature')} {'is' if len(gaps) == 1 else 'are'} {many}.")


class ConstantColumn(CohortCheck):
    """A clinical column that methods get has the same value in all patients."""

    code = "SB308"
    severity = "warning"
    part = "predictors"
    title = "A clinical column has only one value"
    sections = ("clinical",)
    remedy = "It carries no information; set model: false."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        for column in source.card.clinical:
            values = {s.clinical.get(column.name) for s in source.cohort.subjects} - {None}
            if column.model and len(values) == 1:
                yield self.finding(f"Column {column.column!r} has only one value ({next(iter(values))!r}).")


class NothingToPredictFrom(CohortCheck):
    """The card declares no images, no features and no clinical column with ``model: true``: all methods are skipped."""

    code = "SB315"
    severity = "warning"
    part = "predictors"
    title = "Methods are given nothing to predict from"
    remedy = "Set model: true for the clinical columns that are known at baseline, or declare 'features' or 'images'."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        if not offers(source) & {"images", "radiomics", "clinical"}:
            yield self.finding("No method can run: no images, no features, and no clinical column with model: true.")


class LevelsAlike(CohortCheck):
    """Levels of a column differ only in case or spaces, so methods treat them as two categories."""

    code = "SB316"
    severity = "note"
    part = "predictors"
    title = "Levels differ only in spelling"
    sections = ("clinical",)
    remedy = "If they mean the same, spell them the same way in the table and on the card."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        for column in source.card.clinical:
            alike: dict[str, list[str]] = {}
            for level in column.levels:
                alike.setdefault("".join(level.casefold().split()), []).append(level)
            for levels in alike.values():
                if column.model and len(levels) > 1:
                    yield self.finding(f"Levels of column {column.column!r} differ only in spelling: {few(levels)}.")


class UnusableFeatureSet(CohortCheck):
    """``radiomics`` on the card does not name a feature set, or names one without grey levels for one of the card's
    modalities.
    """

    code = "SB309"
    severity = "error"
    part = "predictors"
    title = "The feature set on the card cannot be used"
    sections = ("images",)
    remedy = "Correct 'radiomics' on the card."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        try:
            feature_set(source.card.radiomics, [channel.modality for channel in source.card.images.values()])
        except BenchError as error:
            yield self.finding(str(error))
