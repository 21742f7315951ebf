"""Whether a fit has learned, as text; shared by a method's page and ``bench status``."""

from __future__ import annotations

from survbench.evaluation.learning import Learning, Measure
from survbench.leaderboard.text.cells import NONE, interval, number


def learning_cells(learning: Learning) -> dict[str, str]:
    """Return the cells of a fit, by column heading."""
    loss = NONE
    if learning.loss_uninformed is not None and learning.loss_best is not None:
        loss = f"{learning.loss_uninformed:.3f} → {learning.loss_best:.3f}"
    return {
        "Verdict": learning.verdict or NONE,
        "Patients": str(learning.patients),
        "Events": str(learning.events),
        "Training C": number(learning.c_index),
        "Least C": number(learning.least_c),
        "Test C (95 % CI)": _measure(learning.c_test),
        "Loss": loss,
        "Likelihood ratio": NONE if learning.likelihood_ratio is None else f"{learning.likelihood_ratio:.1f}",
        "Training Dice": number(learning.dice),
        "Constant Dice": number(learning.dice_constant),
        "Test Dice (95 % CI)": _measure(learning.dice_test),
    }


def _measure(measure: Measure | None) -> str:
    return NONE if measure is None else interval(measure.value, measure.low, measure.high)
