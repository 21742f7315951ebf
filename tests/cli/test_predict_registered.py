"""``bench predict`` in a study whose cohort is registered to a template."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import path_of, write_image
from registered_folder import GRID, registered_card, write_registered
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.evaluation.gather import gather
from survbench.plan.profile import load_profile
from survbench.runs.store import Store

METHOD = "ranks-and-segments"


@pytest.fixture(scope="module")
def made(tmp_path_factory, odd_plugins_of_module):
    """Return a folder with ``own``, ``other`` and ``out``, and the external risks of the run."""
    home = tmp_path_factory.mktemp("registered")
    request = Request(
        profile=load_profile("smoke"),
        methods=METHOD,
        cohort=str(write_registered(home / "own", 8)),
        external=str(write_registered(home / "other", 4, card=registered_card("", name="other"), seed=7)),
        out=home / "out",
        workers=2,
        ignored=("SB306", "SB609"),  # ages fall with time in so few; the same ids and outcomes, with other images
    )
    study = run_study(request, Silent()).study
    gathered = gather(study, Store(request.out))
    return home, dict(zip(gathered.external.ids, gathered.methods[METHOD].external[0], strict=True))


def dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


@pytest.mark.slow
def test_new_patients_are_registered_as_the_external_cohort_was_and_masks_are_in_their_own_geometry(
    made, bench, tmp_path
):
    home, external = made
    ended = bench("predict", METHOD, home / "other", "--out", home / "out", "--to", tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    written = json.loads((tmp_path / "predictions.json").read_text())
    assert {p["id"]: p["risk"] for p in written["patients"]} == external
    for name in external:
        predicted = nib.load(tmp_path / f"{name}_mask.nii.gz")
        assert np.allclose(predicted.affine, GRID)
        true = nib.load(path_of(home / "other", f"{name}_mask")).get_fdata() > 0
        assert dice(predicted.get_fdata() > 0, true) > 0.8


@pytest.mark.slow
def test_without_the_template_a_pack_asks_for_the_very_file(made, bench, tmp_path):
    home, external = made
    shutil.copytree(home / "out", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "cache")
    call = ["predict", METHOD, home / "other", "--out", tmp_path / "out", "--to", tmp_path / "to"]
    ended = bench(*call)
    assert ended.returncode == 2
    assert "Give the ct image of the template with --template FILE." in " ".join(ended.stderr.split())
    ended = bench(*call, "--template", path_of(home / "own", "P01_ct"))
    assert ended.returncode == 2
    assert "is not the template of the study" in " ".join(ended.stderr.split())
    ended = bench(*call, "--template", path_of(home / "own", "P00_ct"))
    assert ended.returncode == 0, ended.stderr
    written = json.loads((tmp_path / "to" / "predictions.json").read_text())
    assert {p["id"]: p["risk"] for p in written["patients"]} == external


@pytest.mark.slow
def test_a_new_patient_who_does_not_register_is_not_predicted(made, bench, tmp_path):
    home, _ = made
    images = tmp_path / "P"
    images.mkdir()
    for kind in ("pet", "ct"):
        shutil.copy(path_of(home / "other", f"P01_{kind}"), images / f"P_{kind}.nii.gz")
    noise = np.random.default_rng(0).normal(0, 500, (20,) * 3).astype(np.int16)
    write_image(images / "P_ct.nii.gz", noise, GRID)
    ended = bench("predict", METHOD, images, "--out", home / "out", "--to", tmp_path / "to")
    assert ended.returncode == 1
    assert "SB441" in ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_study_names_no_patient_as_its_template(made):
    home, _ = made
    (kept,) = home.glob("out/studies/*/cohort.json")
    assert "P00" not in kept.read_text()
