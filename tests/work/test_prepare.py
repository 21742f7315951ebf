"""Patients prepared in a process of their own."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.preprocessing.cache import VolumeStore
from survbench.datasets.preprocessing.grid import plan_grid
from survbench.features.feature_sets import feature_set
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


IMPORTED = """
import json, pickle, sys
import survbench.jobs.preload
packages = lambda: {name.partition(".")[0] for name in sys.modules}
before = packages()
from survbench.work.prepare import prepare
with open(sys.argv[1], "rb") as stream:
    wrong = prepare(*pickle.load(stream))
print(json.dumps([[str(finding) for finding in wrong], sorted(packages() - before)]))
"""


def test_preparing_imports_no_package_that_the_server_of_jobs_has_not(tmp_path):
    """Every task of a few patients would import it again, which took longer than to prepare them."""
    source = load_source("phantom", profile=load_profile("smoke"))
    grid = plan_grid(source.card.field_of_view_mm, 32)
    subject = source.cohort.subjects[0]
    out, keys = str(tmp_path / "out"), {subject.id: {"mask": "key"}}
    names = ["pet", "ct", "mask"]
    task = (source.card, [(subject, (0.0, 0.0, 0.0))], names, grid, feature_set("paper"), keys, (), out)
    (tmp_path / "task").write_bytes(pickle.dumps(task))
    command = [sys.executable, "-c", IMPORTED, str(tmp_path / "task")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout.splitlines()[-1]) == [[], []]
    assert list((tmp_path / "out" / "cache" / "radiomics").iterdir())
