"""Predicted masks as files."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import write_cohort
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.errors import BenchError
from survbench.metrics import dice
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from survbench.work.example_slices import FILE, read_examples


def request_for(out, methods, **more):
    return Request(profile=load_profile("smoke"), methods=methods, out=out, **more)


def test_masks_are_written_on_the_grid_of_the_patients_own_images(odd_plugins, tmp_path):
    """A mask that is simple to compute comes back, voxel by voxel, on another grid than the one it was made on."""
    from survbench.actions.masks import export_masks
    from survbench.datasets.cohorts.named import load_source

    folder = write_cohort(tmp_path / "toy", 12)
    request = request_for(tmp_path / "out", "thresholds,well", cohort=str(folder))
    study = run_study(request, Silent()).study
    source = load_source(str(folder), profile=request.profile)
    files = export_masks(study, Store(request.out), "thresholds", source, tmp_path / "masks")
    assert [p.name for p in files] == [f"P{n:02d}_mask.nii.gz" for n in range(12)]
    for path, subject in zip(files, source.cohort.subjects, strict=True):
        written, image = nib.load(path), subject.volumes["pet"]
        assert np.allclose(written.affine, image.affine)
        assert written.shape == image.shape == (16, 16, 16)
        assert dice(written.get_fdata() > 0, image.voxels() > 4.0) > 0.95
    with pytest.raises(BenchError, match="does not segment"):
        export_masks(study, Store(request.out), "well", source, tmp_path / "masks")
    examples_are_kept(study, Store(request.out))


def examples_are_kept(study, store):
    """The fits of a method that segments hold a slice of their first two patients, sealed; those of others none."""
    by_name = {entry.name: entry for entry in study.entries}
    for key in by_name["thresholds"].fits[0]:
        run = store.read(key)
        assert FILE in json.loads((run.folder / "DONE").read_text())["files"]
        kept = read_examples(run.folder)
        assert tuple(e.id for e in kept) == run.job.test[:2]
        for example in kept:
            predicted = example.probability > 127
            assert (example.manual > 127).any()
            assert example.image[predicted].min() >= example.image[~predicted].max(), "what is hotter than SUV 4"
    assert not (store.folder(by_name["well"].fits[0][0]) / FILE).exists()
    page = (study.folder(store.root) / "site" / "gallery.html").read_text()
    assert page.count("<figure>") == 4
