"""Whether a fit has learned, as people read it; shared by a method's page and ``bench status``."""

from __future__ import annotations

from survbench.evaluation.learning import Learning, Measure
from survbench.leaderboard.text.cells import NONE, interval, number


def learning_cells(found: Learning) -> dict[str, str]:
    """Return the cells of a fit, by the heading of their column."""
    loss = NONE
    if found.loss_uninformed is not None and found.loss_best is not None:
        loss = f"{found.loss_uninformed:.3f} → {found.loss_best:.3f}"
    return {
        "Verdict": found.verdict or NONE,
        "Patients": str(found.patients),
        "Events": str(found.events),
        "Training C": number(found.c_index),
        "Least C": number(found.least_c),
        "Test C (95 % CI)": _measure(found.c_test),
        "Loss": loss,
        "Likelihood ratio": NONE if found.likelihood_ratio is None else f"{found.likelihood_ratio:.1f}",
        "Training Dice": number(found.dice),
        "Constant Dice": number(found.dice_constant),
        "Test Dice (95 % CI)": _measure(found.dice_test),
    }


def _measure(measure: Measure | None) -> str:
    return NONE if measure is None else interval(measure.value, measure.low, measure.high)
