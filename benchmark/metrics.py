"""Metrics from arrays, under the name by which users import them; see :mod:`survbench.statistics.metrics`."""

from survbench.statistics.metrics import (
    Concordance,
    concordance_index,
    cox_loss,
    dice,
    fold_mean_concordance,
    hd95,
    pooled_concordance,
    soft_dice_loss,
)

__all__ = [
    "Concordance",
    "concordance_index",
    "cox_loss",
    "dice",
    "fold_mean_concordance",
    "hd95",
    "pooled_concordance",
    "soft_dice_loss",
]
