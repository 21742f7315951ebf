"""ComBat against neuroCombat and a case by hand, and its rules for centres and features that cannot be estimated."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference_values import stored
from survbench.cohort import FeatureTable, Subject, UnlabelledCohort
from survbench.features.combat import Combat

COLUMN = [1.0, 2.0, 3.0, 10.0, 12.0, 14.0, 16.0]
"""Three patients of centre A and four of B."""
BY_HAND = [6.512904, 8.285714, 10.058525, 6.225895, 7.599108, 8.972321, 10.345534]


def cohort(centres, values, *, reference=""):
    values = np.array(values, dtype=float).reshape(len(centres), -1)
    return UnlabelledCohort(
        subjects=tuple(Subject(f"P{n}", centre, {}, {}) for n, centre in enumerate(centres)),
        features=FeatureTable(tuple(f"f{n}" for n in range(values.shape[1])), values),
        reference_centre=reference,
    )


def harmonised(made, *, by=None):
    """Return the features of patients as what was learned from others, by default from them, brings them together."""
    return (by or Combat.fit(made)).applied(made.features, made.centres).values


def test_one_feature_has_no_prior_and_equals_the_case_by_hand():
    assert harmonised(cohort("AAABBBB", COLUMN))[:, 0] == pytest.approx(BY_HAND, abs=1e-6)


@pytest.mark.parametrize(("reference", "key"), [("", "empirical_bayes"), ("b", "reference_b")])
def test_several_features_equal_neurocombat(reference, key):
    values = stored("combat.json")
    made = cohort(values["centres"], values["features"], reference=reference)
    assert harmonised(made) == pytest.approx(np.array(values[key]), abs=1e-9)


def test_what_was_learned_is_applied_to_each_new_patient_alone_also_after_json():
    values = stored("combat.json")
    train = cohort(values["centres"], values["features"])
    fitted = Combat.fit(train)
    restored = Combat.from_json(json.loads(json.dumps(fitted.to_json())))
    everybody = harmonised(train, by=fitted)
    for n in (0, 8, 20):
        assert harmonised(train.take([n]), by=restored) == pytest.approx(everybody[[n]], abs=1e-12)


def test_a_centre_that_is_not_known_is_refused_or_keeps_its_values_beside_a_reference_centre():
    new = cohort("AC", [5.0, 7.0])
    with pytest.raises(ValueError, match="knows the centres A, B and not C.*reference_centre"):
        harmonised(new, by=Combat.fit(cohort("AAABBBB", COLUMN)))
    by_reference = harmonised(new, by=Combat.fit(cohort("AAABBBB", COLUMN, reference="B")))
    assert by_reference[1] == 7.0
    # B's variance has the divisor n, A's n - 1
    assert by_reference[0] == pytest.approx(13 + (5 - 2) * np.sqrt(20 / 4))


def test_a_centre_of_one_patient_is_refused_or_keeps_its_value_beside_a_reference_centre():
    centres, column = "AAABBBBC", [*COLUMN, 99.0]
    with pytest.raises(ValueError, match="of C the training fold has a single patient.*without"):
        harmonised(cohort(centres, column))
    beside = harmonised(cohort(centres, column, reference="B"))[:, 0]
    assert beside[7] == 99.0
    assert beside[:7] == pytest.approx(harmonised(cohort("AAABBBB", COLUMN, reference="B"))[:, 0])


@pytest.mark.parametrize(
    ("centres", "reference", "why"),
    [("AAAA", "", "at least two centres"), ("AAAB", "B", "'B' has 1 patients"), ("AABB", "D", "'D' has 0 patients")],
)
def test_centres_from_which_nothing_can_be_learned_are_refused(centres, reference, why):
    with pytest.raises(ValueError, match=why):
        harmonised(cohort(centres, [1.0, 2.0, 3.0, 5.0], reference=reference))


def test_features_that_do_not_vary_in_a_centre_stay_as_they_are_and_are_counted(caplog):
    flat_in_a, unknown_in_b = [1, 1, 1, 5, 6, 7, 8], [1, 2, 3, 4, np.nan, np.nan, np.nan]
    values = np.column_stack([COLUMN, flat_in_a, unknown_in_b])
    found = harmonised(cohort("AAABBBB", values))
    assert found[:, 0] == pytest.approx(BY_HAND, abs=1e-6)
    np.testing.assert_array_equal(found[:, 1:], values[:, 1:])
    assert "leaves 2 of 3 features as they are" in caplog.text


def test_missing_values_stay_missing_and_move_nobody():
    values = np.column_stack([COLUMN, COLUMN[::-1]])
    gaps = np.vstack([values, [np.nan, 4.0]])
    found = harmonised(cohort("AAABBBBA", gaps))
    assert np.isnan(found[7, 0])
    assert np.isfinite(found[:7]).all()
    # alone, the feature with a gap is as without the patient
    assert harmonised(cohort("AAABBBBA", gaps[:, 0]))[:7, 0] == pytest.approx(BY_HAND, abs=1e-6)
