"""How a network is trained: learning-rate schedule, augmentation, masked input."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from survbench.models.engine.augment import Augmentation
from survbench.training import PUBLISHED_STEPS, ShortBudget, Training

PUBLISHED_SCHEDULE = ((0, 1e-4), (2_500, 5e-5), (5_000, 1e-5), (10_000, 1e-6))
"""Pairs (iteration, learning rate from there on); DeepMTS, section 4.7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, apart from the budget.

    Attributes:
        schedule: pairs of an iteration of the published 15,000 and the learning rate from there on, the first at 0.
        learning_rate_factor: factor for every learning rate.
        augmentation: augmentation of training batches; None for none.
        masked_input: set voxels outside the tumour mask to 0 (after augmentation), in training and prediction.
    """

    schedule: Sequence[tuple[int, float]] = PUBLISHED_SCHEDULE
    learning_rate_factor: float = 1.0
    augmentation: Augmentation | None = None
    masked_input: bool = False

    def learning_rate(self, done: int, training: Training) -> float:
        """Return the learning rate after ``done`` steps, from the schedule compressed to the available steps, or from
        the one-cycle schedule that replaces it.
        """
        if training.short_budget is not None:
            return one_cycle(done, training.steps, training.short_budget) * self.learning_rate_factor
        iteration = done * PUBLISHED_STEPS / training.steps
        rate = self.schedule[bisect_right(self.schedule, iteration, key=lambda stage: stage[0]) - 1][1]
        return rate * self.learning_rate_factor * training.learning_rate_scale


def one_cycle(done: int, steps: int, short: ShortBudget) -> float:
    """Return the learning rate after ``done`` of ``steps`` steps (based on Smith and Topin, 2019; from zero to zero).

    >>> short = ShortBudget(peak_learning_rate=1.0, warm_up=0.4)
    >>> [round(one_cycle(done, 5, short), 2) for done in range(5)]
    [0.5, 1.0, 1.0, 0.75, 0.25]
    """
    rising = max(1, round(short.warm_up * steps))
    if done < rising:
        return short.peak_learning_rate * (done + 1) / rising
    return short.peak_learning_rate * (1 + math.cos(math.pi * (done - rising) / (steps - rising))) / 2


def evaluation_steps(steps: int, evaluations: int) -> frozenset[int]:
    """Return ``evaluations`` evenly spaced steps (fewer if there are fewer steps), including the last.

    >>> sorted(evaluation_steps(100, 3))
    [33, 67, 100]
    """
    return frozenset(round(k * steps / evaluations) for k in range(1, evaluations + 1)) - {0}
