"""Clinical columns as numbers, by the training fold alone."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.cohort import UnlabelledCohort
from survbench.features.clinical import ClinicalEncoder
from toy_clinical import patients


def test_encoding_uses_the_training_folds_values_alone():
    train = patients([(50.0, "I", "a"), (60.0, "III", "b"), (70.0, "III", "b")])
    encoder = ClinicalEncoder.fit(train)
    assert encoder.columns == ("age", "stage", "site=b", "site=c")
    sd = np.std([50, 60, 70])
    test = patients([(70.0, "II", "c"), (None, None, None)])
    assert encoder.transform(test) == pytest.approx(np.array([[10 / sd, 0.5, 0, 1], [0.0, 1.0, 1, 0]]))


def test_an_encoder_survives_json():
    import json

    train = patients([(50.0, "I", "a"), (60.0, "III", "b")])
    encoder = ClinicalEncoder.fit(train)
    again = ClinicalEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder


def test_a_column_without_known_values_or_spread_gives_numbers():
    encoder = ClinicalEncoder.fit(patients([(None, None, None)] * 3))
    assert np.isfinite(encoder.transform(patients([(40.0, "III", "c"), (None, None, None)]))).all()


def test_no_columns_give_an_empty_matrix():
    bare = UnlabelledCohort(subjects=patients([(1.0, "I", "a")]).subjects)
    assert ClinicalEncoder.fit(bare).transform(bare).shape == (1, 0)


def test_a_number_that_is_constant_in_the_training_fold_stays_small_outside():
    """Twelve times 0.1 have a standard deviation of 1e-17, by which another value must not be divided."""
    encoder = ClinicalEncoder.fit(patients([(0.1, "I", "a")] * 12))
    assert np.abs(encoder.transform(patients([(0.2, "I", "a")]))).max() < 1.0
