"""Checks of a protocol: whether a cohort can be dealt into its folds."""

from __future__ import annotations

from survbench.findings import Check

TRAINING_MIN_EVENTS = 2
"""Events without which no model can be fitted to the patients outside a fold."""


class TooFewForFolds(Check):
    """Every fold needs an event and a patient who is known to have lived longer; the other folds together need two
    events.
    """

    code = "SB601"
    severity = "error"
    part = "protocol"
    title = "The cohort is too small for its folds"
    remedy = "Choose a profile with fewer folds, or give your own folds with --splits."


class SplitsDoNotFit(Check):
    """``--splits`` must put each patient of the cohort into one fold. Each fold needs two patients whose order is
    known, and the other folds together need two events.
    """

    code = "SB602"
    severity = "error"
    part = "protocol"
    title = "The file of splits does not fit the cohort"
    remedy = "Correct the file of splits."
