"""Patterns of paths with ids in them."""

from __future__ import annotations

import pytest
from survbench.datasets.cards.file_pattern import file_of
from survbench.datasets.drafting.paths import patterns


@pytest.mark.parametrize(
    ("ids", "pattern"),
    [
        (range(20, 44), "HN2022/imagesTr/{id}_PT.nii.gz"),
        (range(1, 10), "HN2022/imagesTr/{id}_PT.nii.gz"),
        (range(1, 10), "T1/{id}/PET_{id}.nii.gz"),
        (range(1, 13), "images/{id:03d}_CT.nii.gz"),
        (["P1", "P2", "P10"], "images/{id}/{id}CT.nii.gz"),
        (["A", "B", "C"], "PATIENTS/A_{id}_CT.nii"),
    ],
)
def test_the_id_stands_where_most_patients_have_a_file_of_their_own(ids, pattern):
    names = [str(i) for i in ids]
    paths = [file_of(pattern, name) for name in names]
    (found,) = patterns(names, paths)
    assert (found.text, dict(found.files)) == (pattern, dict(zip(names, paths, strict=True)))


def test_an_id_is_never_a_part_of_a_number_or_a_word():
    assert patterns(["2", "CT"], ["images/12_PET.nii.gz", "images/FACT.nii.gz"]) == []


def test_a_thousand_patients_with_short_ids_are_found_at_once():
    names = [str(n) for n in range(1000)]
    paths = [f"images/{name}_{kind}.nii.gz" for name in names for kind in ("CT", "PT", "mask")]
    assert [len(p.files) for p in patterns(names, paths)] == [1000, 1000, 1000]


def test_zeros_are_put_before_whole_numbers_alone():
    assert [file_of("{id:03d}.nii", name) for name in ("7", "1234", "P7")] == ["007.nii", "1234.nii", "P7.nii"]
