"""How a network is trained: schedule of learning rates, augmentation, masked input."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from survbench.models.engine.augment import Augmentation

PUBLISHED_ITERATIONS = 15_000
PUBLISHED_SCHEDULE = ((0, 1e-4), (2_500, 5e-5), (5_000, 1e-5), (10_000, 1e-6))
"""(iteration, learning rate from there on); DeepMTS, section 4.7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, apart from the budget.

    Attributes:
        schedule: (iteration of the published 15,000, learning rate from there on), the first at 0.
        augmentation: of training batches; None for none.
        masked_input: blank what is outside the tumour mask (after augmentation), in training and prediction.
    """

    schedule: Sequence[tuple[int, float]] = PUBLISHED_SCHEDULE
    augmentation: Augmentation | None = None
    masked_input: bool = False

    def learning_rate(self, done: int, steps: int) -> float:
        """Return the learning rate after ``done`` of ``steps`` steps, the schedule being compressed to ``steps``."""
        iteration = done * PUBLISHED_ITERATIONS / steps
        return self.schedule[bisect_right(self.schedule, iteration, key=lambda stage: stage[0]) - 1][1]


def evaluation_steps(steps: int, evaluations: int) -> frozenset[int]:
    """Return ``evaluations`` evenly spaced steps (fewer where there are fewer steps), the last among them.

    >>> sorted(evaluation_steps(100, 3))
    [33, 67, 100]
    """
    return frozenset(round(k * steps / evaluations) for k in range(1, evaluations + 1)) - {0}
