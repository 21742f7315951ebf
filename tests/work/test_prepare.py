"""Patients prepared in a process of their own."""

from __future__ import annotations

import pytest
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.preprocessing.cache import VolumeStore
from survbench.datasets.preprocessing.grid import plan_grid
from survbench.plan.profile import load_profile


def test_a_full_disk_is_not_the_patients_fault(tmp_path, monkeypatch):
    """A patient is left out for a fault of its own only; one that could not be written is not."""
    from survbench.work.prepare import prepare

    source = load_source("phantom", profile=load_profile("smoke"))
    grid = plan_grid(source.card.field_of_view_mm, 32)
    work = [(s, (0.0, 0.0, 0.0)) for s in source.cohort.subjects[:1]]
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(VolumeStore, "put", lambda *_, **__: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="No space left"):
        prepare(source.card, work, ["pet", "ct", "mask"], grid, None, {}, (), str(tmp_path))
