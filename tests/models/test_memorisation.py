"""Whether the networks can learn at all: a handful of phantom patients by heart."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.api import Context, Seeds
from survbench.datasets.phantom.cohort import phantom_cohorts
from survbench.metrics import concordance_index, dice
from survbench.models.networks.deepmts.method import DeepMTS
from survbench.plan.profile import PhantomSize
from survbench.training import Training
from survbench.volume import FILL, Volume

PATIENTS = 8


def padded(volume, depth=32):
    """Return a phantom volume of 32 x 32 x 28 voxels with air above, as the prepared grid has it."""
    voxels = volume.voxels()
    missing = depth - voxels.shape[2]
    fill = voxels.dtype.type(FILL[volume.modality])
    filled = np.pad(voxels, ((0, 0), (0, 0), (0, missing)), constant_values=fill)
    return Volume(volume.modality, filled.shape, volume.affine, lambda: filled, volume.fingerprint)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_deepmts_learns_eight_phantom_patients_by_heart(tmp_path):
    from dataclasses import replace

    size = PhantomSize(train=PATIENTS, external=2, event_rate=0.5, external_event_rate=0.5)
    cohort = phantom_cohorts(size, 32)[0].cohort
    subjects = [replace(s, volumes={k: padded(v) for k, v in s.volumes.items()}) for s in cohort.subjects]
    cohort = replace(cohort, subjects=tuple(subjects))
    training = Training(
        steps=200, batch_size=8, learning_rate_scale=10.0, batch_norm_momentum=0.1, clip_norm=1.0, evaluations=0
    )
    ctx = Context(seeds=Seeds(0, 0, "deepmts"), training=training, scratch=tmp_path)
    method = DeepMTS(
        l2=0.0,
        head_dropout=0.0,
        csn_dropout=0.0,
        translate_mm=0.0,
        rotate_degrees=0.0,
        flip_probability=0.0,
        schedule=((0, 1e-4),),
    ).fit(cohort.restrict({"images", "mask", "clinical"}), validation=None, ctx=ctx)
    seen = cohort.unlabelled({"images", "clinical"})
    risk = method.predict_risk(seen)
    overlaps = [
        dice(image > 0.5, s.volumes["mask"].voxels())
        for image, s in zip(method.segment(seen), cohort.subjects, strict=True)
    ]
    assert concordance_index(cohort.time, cohort.event, risk).value >= 0.95
    assert np.mean(overlaps) >= 0.85
