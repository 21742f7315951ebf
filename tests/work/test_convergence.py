"""What a fit predicts for its test fold while it trains; a damaged file costs one point of a curve."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.work.convergence import FileMonitor, recorded_risks, score_masks

MASK = np.zeros((4, 4, 4), dtype=bool)
MASK[:2] = True


@pytest.fixture
def folder(tmp_path):
    monitor = FileMonitor(None, tmp_path / "monitor")
    for step in (10, 20):
        images = [np.where(MASK, 0.9, 0.1), np.where(MASK, 0.6, 0.4)]
        monitor.record(step, risk=np.array([1.5, step]), probability=images)
    return tmp_path / "monitor"


def test_what_was_recorded_is_read(folder):
    assert {step: risk.tolist() for step, risk in recorded_risks(folder).items()} == {10: [1.5, 10.0], 20: [1.5, 20.0]}
    scored = dict(score_masks(folder, [MASK, MASK]))
    assert [(step, scored[step, "test", "Dice"]) for step in (10, 20)] == [(10, 1.0), (20, 1.0)]


@pytest.mark.parametrize("damage", ["empty", "half", "one bit"])
def test_a_damaged_file_is_named_and_its_step_is_left_out(folder, caplog, damage):
    for name in ("10.risk.npz", "20.1.probability.npz"):
        content = bytearray((folder / name).read_bytes())
        content[150 if name.startswith("10") else 200] ^= 1
        cut = {"empty": b"", "half": bytes(content[: len(content) // 2]), "one bit": bytes(content)}[damage]
        (folder / name).write_bytes(cut)
    assert list(recorded_risks(folder)) == [20]
    assert {step for (step, _, _), _ in score_masks(folder, [MASK, MASK])} == {10}
    assert "10.risk.npz is missing or damaged" in caplog.text
    assert "20.1.probability.npz is missing or damaged" in caplog.text
