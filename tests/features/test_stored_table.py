"""The features of a prepared cohort that a table gives."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.cohort import FeatureTable
from survbench.features.stored_table import read_table, write_table

IDS = ["P1", "Ärztin 2", "P3"]
FEATURES = FeatureTable(("a", "b"), np.array([[0.1, np.nan], [1 / 3, -2.0], [1e-300, 5.0]]))


@pytest.fixture
def path(tmp_path):
    write_table(tmp_path / "features.npz", IDS, FEATURES)
    return tmp_path / "features.npz"


def test_patients_get_their_own_features_to_the_last_digit(path):
    found = read_table(path).of(["P3", "Ärztin 2"])
    assert found.names == ("a", "b")
    np.testing.assert_array_equal(found.values, FEATURES.values[[2, 1]])


def test_a_changed_value_is_noticed(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(np.float64(1 / 3).tobytes(), np.float64(2 / 3).tobytes()))
    with pytest.raises(OSError, match="is missing or damaged .* run 'bench run' again"):
        read_table(path)


def test_a_wrong_bit_anywhere_is_damage_or_changes_nothing(path):
    content = path.read_bytes()
    seen = set()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        try:
            found = read_table(path)
        except OSError:
            seen.add("damaged")
        else:
            np.testing.assert_array_equal(found.of(IDS).values, FEATURES.values)
            seen.add("unchanged")
    assert "damaged" in seen


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_file_that_was_cut_off_says_what_to_do(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(OSError, match="is missing or damaged .* run 'bench run' again"):
        read_table(path)


def test_the_key_of_a_patient_is_that_of_the_values_alone(path):
    other = FeatureTable(("b", "a"), FEATURES.values[:, ::-1])
    write_table(path.with_name("other.npz"), IDS, other)
    keys = read_table(path).keys
    assert read_table(path.with_name("other.npz")).keys == keys
    assert len(set(keys.values())) == 3
