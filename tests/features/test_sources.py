"""Sources of columns: what a learner is given of a patient."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.cohort import ClinicalColumn, FeatureTable, Subject, UnlabelledCohort
from survbench.features.sources import SOURCES
from survbench.volume import Volume


def mask(voxels, millimetres):
    array = np.zeros((4, 4, 4), dtype=bool)
    array.flat[:voxels] = True
    return Volume("MASK", array.shape, np.diag([millimetres] * 3 + [1.0]), lambda: array, lambda: str(voxels))


COHORT = UnlabelledCohort(
    subjects=(
        Subject("A", "", {"age": 61.0, "stage": "II", "site": "b"}, {"mask": mask(8, 5.0)}),
        Subject("B", "", {"age": None, "stage": None, "site": None}, {"mask": mask(3, 10.0)}),
    ),
    clinical_columns=(
        ClinicalColumn("age", "numeric"),
        ClinicalColumn("stage", "ordinal", ("I", "II", "III")),
        ClinicalColumn("site", "categorical", ("a", "b", "c")),
    ),
    features=FeatureTable(("f", "g"), np.array([[1.0, 2.0], [3.0, np.nan]])),
)


def test_the_volume_is_in_millilitres_beside_the_clinical_columns():
    seen = SOURCES["clinical-volume"].view(COHORT, transform=None)
    assert seen.features.names == ("volume_ml",)
    assert seen.features.values == pytest.approx(np.array([[8 * 0.125], [3 * 1.0]]))
    assert seen.clinical_columns == COHORT.clinical_columns


def test_clinical_columns_join_the_features_with_their_gaps():
    seen = SOURCES["radiomics-clinical"].view(COHORT, transform=None)
    assert seen.features.names == ("f", "g", "age", "stage", "site=b", "site=c")
    gaps = [np.nan] * 4
    assert seen.features.values == pytest.approx(
        np.array([[1.0, 2.0, 61.0, 0.5, 1.0, 0.0], [3.0, np.nan, *gaps]]), nan_ok=True
    )
    assert seen.clinical_columns == ()


@pytest.mark.parametrize("name", ["clinical", "radiomics", "deepfeat"])
def test_other_sources_give_what_the_harness_made(name):
    assert SOURCES[name].view(COHORT, transform=None) is COHORT
