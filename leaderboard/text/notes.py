"""Notes about a row in addition to its numbers."""

from __future__ import annotations

from survbench.io.layout import CurveSource
from survbench.leaderboard.board.rows import Row
from survbench.leaderboard.text.cells import interval, learned


def notes(row: Row) -> list[str]:
    """Return notes about a row in addition to its numbers, in sentences."""
    said = [row.notes] if row.notes else []
    gap = row.oracle_gap
    if gap.value is not None:
        said.append(f"Below the oracle by {interval(gap.value, gap.low, gap.high)}.")
    if row.parameters is not None:
        said.append(f"{row.parameters:,} trainable parameters.")
    if row.learning is not None:
        said.append(f"{learned(row.learning)}.")
    if row.hd95 is not None:
        said.append(f"HD95 {row.hd95:.1f} mm; no tumour predicted in {row.unsegmented or 0:g} patients.")
    if row.published and row.published.dice is not None:
        said.append(f"Published Dice: {row.published.dice:.3f}.")
    said += _of_curves(row)
    if "p" in row.reasons:
        said.append(f"No p: {row.reasons['p']}.")
    if "external_c_index" in row.reasons:
        said.append(f"Not predicted on the external cohort: {row.reasons['external_c_index']}.")
    if row.reason:
        said.append(row.reason)
    return said


def _of_curves(row: Row) -> list[str]:
    if row.survival == CurveSource.CALIBRATED:
        return ["Survival curves: calibrated from the method's risks on patients that it has not seen."]
    if row.survival == CurveSource.NONE and row.c_index is not None:
        return ["No survival curves: the method predicts risks only, and no patients were held out to calibrate them."]
    return []
