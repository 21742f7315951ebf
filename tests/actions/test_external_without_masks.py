"""An external cohort without tumour masks: whoever needs them to fit alone is predicted all the same."""

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import CARD, write_cohort, write_image
from survbench.actions.planning import dry_run
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.cli.progress import plan_lines
from survbench.leaderboard.writers.board_files import board_texts
from survbench.plan.profile import load_profile
from survbench.runs.store import Store

METHODS = "deepmts,volume,deepfeat-lasso-cox"


def other_hospital(folder, *, masks):
    """Write the patients of another hospital, with or without masks; the images are the same."""
    card = CARD.replace("name: toy", "name: other").replace("title: Toy cohort", "title: Other hospital")
    if not masks:
        card = "\n".join(line for line in card.splitlines() if not line.startswith("mask:"))
    write_cohort(folder, card=card)
    rng = np.random.default_rng(1)
    for path in sorted((folder / "images").glob("*_pet.nii.gz")):
        image = nib.load(path)
        write_image(path, (image.get_fdata() + 0.1 * rng.random(image.shape)).astype(np.float32))
    for path in sorted((folder / "images").glob("*_ct.nii.gz")):
        image = nib.load(path)
        write_image(path, (image.get_fdata() + rng.integers(1, 9, image.shape)).astype(np.int16))
    if not masks:
        for path in (folder / "images").glob("*_mask.nii.gz"):
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return requests, and results, of the same study with an external cohort with and without masks."""
    home = tmp_path_factory.mktemp("hospitals")
    cohort = write_cohort(home / "own", 24)
    requests = [
        Request(
            profile=load_profile("smoke"),
            methods=METHODS,
            cohort=str(cohort),
            external=str(other_hospital(home / f"other-{masks}", masks=masks)),
            out=home / "out",
            ignored=("SB609",),  # the ids and outcomes are the same
        )
        for masks in (True, False)
    ]
    return requests, [run_study(request, Silent()) for request in requests]


def outside(result, out, method):
    (entry,) = (e for e in result.study.entries if e.name == method)
    runs = [Store(out).read(key) for seed in entry.predicts for key in seed]
    assert all(run.status == "ok" for run in runs)
    return [run.predictions() for run in runs]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["deepmts", "deepfeat-lasso-cox"])
def test_a_method_that_needs_masks_to_fit_alone_predicts_as_it_does_with_them(both, method):
    requests, results = both
    with_masks, without = (outside(result, requests[0].out, method) for result in results)
    assert len(without) == 2
    for one, other in zip(with_masks, without, strict=True):
        assert (one["id"] == other["id"]).all()
        assert one["risk"].to_numpy().tobytes() == other["risk"].to_numpy().tobytes()
    assert with_masks[0]["dice"].notna().all() == (method == "deepmts")
    assert without[0]["dice"].isna().all(), "there is no mask to score against"


@pytest.mark.slow
def test_the_board_has_the_external_c_of_both(both):
    _, results = both
    for result in results:
        rows = {row.method: row for row in result.board.rows}
        assert rows["deepmts"].external_c_index is not None
    with_masks, without = ({r.method: r for r in result.board.rows}["deepmts"] for result in results)
    assert with_masks.external_c_index == without.external_c_index


@pytest.mark.slow
def test_who_is_not_predicted_outside_says_why_in_the_plan_and_in_the_row(both):
    requests, results = both
    row = next(r for r in results[1].board.rows if r.method == "volume")
    assert row.c_index is not None
    assert row.external_c_index is None
    assert row.reasons["external_c_index"] == "needs mask: the cohort has no tumour masks"
    assert "volume is not predicted on the external cohort: needs mask" in board_texts(results[1].board)["md"]
    shown = [line for line in plan_lines(dry_run(requests[1]), 2) if line.startswith("Skipped")]
    assert shown == ["Skipped   volume on the external cohort: needs mask: the cohort has no tumour masks"]
    assert "external_c_index" not in next(r for r in results[0].board.rows if r.method == "volume").reasons
